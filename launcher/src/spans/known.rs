//! What rarely changes of the objects that operations name (which database it is): captured now and then, remembered by their addresses.

use std::collections::HashMap;
use std::sync::Arc;

use super::names::Names;
use super::values::Values;
use super::{MAX_REMEMBERED, values};
use crate::events::decode::RawValue;
use crate::panic_value::TypeNames;
use crate::probes::operations::About;

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<u64, Arc<Values>>);

impl Known {
    /// What is known of the object with this key: what was captured now, or the last time.
    pub(super) fn of<N: TypeNames>(
        &mut self,
        key: u64,
        about: &About,
        raw: &[&RawValue<'_>],
        names: &mut Names<N>,
    ) -> Option<Arc<Values>> {
        let Self(known) = self;
        if raw.is_empty() {
            return known.get(&key).cloned();
        }
        let mut found = Vec::new();
        values::add(&mut found, raw.iter().copied(), &about.captures[0], names);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        let found = match known.get(&key) {
            Some(before) if **before == found => before.clone(),
            Some(_) | None => Arc::new(found),
        };
        known.insert(key, found.clone());
        Some(found)
    }
}
