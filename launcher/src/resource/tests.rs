//! Precedence and defaults.

use opentelemetry::Value;

use super::*;
use crate::binary::{GoVersion, Module};

fn facts() -> Facts {
    let setting = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Facts {
        build: Some(BuildInfo {
            go_version: Some(GoVersion { raw: "go1.24.9".to_owned(), release: Some((1, 24, 9)), experiments: Vec::new() }),
            main: Some(Module { path: "example.com/app".to_owned(), version: "(devel)".to_owned(), sum: String::new() }),
            settings: vec![
                setting("vcs.revision", "0123abcd"),
                setting("vcs.modified", "true"),
                setting("GOOS", "linux"),
                setting("GOARCH", "amd64"),
            ],
            ..BuildInfo::default()
        }),
        process: ProcessFacts {
            pid: Some(7),
            parent_pid: Some(1),
            executable: Some(PathBuf::from("/srv/app")),
            command: Some("./app".to_owned()),
            owner: Some("nobody".to_owned()),
        },
        host: HostFacts { machine: Some("x86_64".to_owned()), ..HostFacts::default() },
        instance_id: Some("an-id".to_owned()),
    }
}

fn text(resource: &Resource, key: &'static str) -> Option<String> {
    resource.get(&Key::from_static_str(key)).map(|value| value.to_string())
}

#[test]
fn everything_is_found_out() {
    let resource = resource(&ResourceSettings::default(), &facts());
    for (key, value) in [
        (semconv::SERVICE_NAME, "app"),
        (semconv::SERVICE_VERSION, "0123abcd+dirty"),
        (semconv::SERVICE_INSTANCE_ID, "an-id"),
        (semconv::VCS_REF_HEAD_REVISION, "0123abcd"),
        (semconv::PROCESS_EXECUTABLE_PATH, "/srv/app"),
        (semconv::PROCESS_COMMAND, "./app"),
        (semconv::PROCESS_RUNTIME_NAME, "go"),
        (semconv::PROCESS_RUNTIME_DESCRIPTION, "go version go1.24.9 linux/amd64"),
        (semconv::HOST_ARCH, "amd64"),
        (semconv::OS_TYPE, "linux"),
        (semconv::TELEMETRY_SDK_NAME, "opentelemetry"),
        (semconv::TELEMETRY_SDK_LANGUAGE, "go"),
        (semconv::TELEMETRY_DISTRO_NAME, "go-auto-launch"),
    ] {
        assert_eq!(text(&resource, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(resource.get(&Key::from_static_str(semconv::PROCESS_PID)), Some(Value::I64(7)));
    assert_eq!(resource.schema_url(), Some(SCHEMA_URL));
    assert_eq!(text(&resource, semconv::PROCESS_COMMAND_ARGS), None);
}

#[test]
fn the_user_wins() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut settings = ResourceSettings {
        attributes: vec![
            pair("service.name", "listed"),
            pair("service.version", "9"),
            pair("host.arch", "mine"),
            pair("team", "a"),
            pair("team", "b"),
        ],
        ..ResourceSettings::default()
    };
    let listed = resource(&settings, &facts());
    assert_eq!(text(&listed, semconv::SERVICE_NAME).as_deref(), Some("listed"));
    assert_eq!(text(&listed, semconv::HOST_ARCH).as_deref(), Some("mine"));
    assert_eq!(text(&listed, "team").as_deref(), Some("b"));
    settings.service_name = Some("named".to_owned());
    settings.deployment_environment = Some("test".to_owned());
    let named = resource(&settings, &facts());
    assert_eq!(text(&named, semconv::SERVICE_NAME).as_deref(), Some("named"));
    assert_eq!(text(&named, semconv::SERVICE_VERSION).as_deref(), Some("9"));
    assert_eq!(text(&named, semconv::DEPLOYMENT_ENVIRONMENT_NAME).as_deref(), Some("test"));
}

#[test]
fn a_released_module_has_its_version() {
    let mut facts = facts();
    if let Some(main) = facts.build.as_mut().and_then(|build| build.main.as_mut()) {
        main.version = "v1.2.3".to_owned();
    }
    let resource = resource(&ResourceSettings::default(), &facts);
    assert_eq!(text(&resource, semconv::SERVICE_VERSION).as_deref(), Some("v1.2.3"));
}

#[test]
fn without_any_name_the_service_is_unknown() {
    let resource = resource(&ResourceSettings::default(), &Facts::default());
    assert_eq!(text(&resource, semconv::SERVICE_NAME).as_deref(), Some("unknown_service:go"));
}
