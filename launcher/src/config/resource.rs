//! What the environment says about the resource: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` and their kin.

use std::ffi::OsString;

use super::reader::{Reader, pairs};

/// What the environment says about the resource. The rest is found out by [`crate::resource`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`
    pub service_name: Option<String>,
    /// `service.version`
    pub service_version: Option<String>,
    /// `deployment.environment.name`
    pub deployment_environment: Option<String>,
    /// Further attributes, without the three above; of a repeated key the last one.
    pub attributes: Vec<(String, String)>,
}

impl Resource {
    /// The variables of their own win over the same attributes in the list.
    pub(super) fn read<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Self {
        let text = |text: &str| Some(text.to_owned());
        let mut attributes = reader.first(&["OTEL_RESOURCE_ATTRIBUTES"], pairs).unwrap_or_default();
        let mut take = |key: &str| {
            let last = attributes.iter().rfind(|(found, _)| found == key);
            let value = last.map(|(_, value)| value.clone());
            attributes.retain(|(found, _)| found != key);
            value.filter(|value| !value.is_empty())
        };
        let listed = [take("service.name"), take("service.version"), take("deployment.environment.name")];
        let [name, version, deployment] = listed;
        let service_name = reader.first(&["OTEL_SERVICE_NAME"], text);
        let mut unique: Vec<(String, String)> = Vec::new();
        for (key, value) in attributes {
            unique.retain(|(found, _)| *found != key);
            unique.push((key, value));
        }
        Self {
            service_name: service_name.or(name),
            service_version: reader.first(&["OTEL_SERVICE_VERSION"], text).or(version),
            deployment_environment: reader.first(&["OTEL_DEPLOYMENT_ENVIRONMENT"], text).or(deployment),
            attributes: unique,
        }
    }
}
