//! What is to be done to a span at its end.

use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, Link, Status};
use opentelemetry_sdk::trace::SpanData;

use crate::config::Limits;

/// What was said in one call.
#[derive(Debug)]
pub(super) enum Change {
    Attributes(Vec<KeyValue>),
    Event(Event),
    Link(Link),
    Status(Status),
    Name(String),
}

/// What is to be done to a span at its end: no more than it may hold, however long it is open.
#[derive(Debug, Default)]
pub(super) struct Changes {
    attributes: Vec<KeyValue>,
    events: Vec<Event>,
    links: Vec<Link>,
    status: Option<Status>,
    name: Option<String>,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
}

impl Changes {
    /// One more.
    pub(super) fn add(&mut self, change: Change, limits: &Limits) {
        match change {
            Change::Attributes(attributes) => {
                for attribute in attributes {
                    let is_known = self.attributes.iter().any(|there| there.key == attribute.key);
                    if is_known || self.attributes.len() < limits.span_attributes {
                        set(&mut self.attributes, attribute);
                    } else {
                        self.dropped_attributes = self.dropped_attributes.saturating_add(1);
                    }
                }
            }
            Change::Event(event) => push(&mut self.events, event, limits.span_events, &mut self.dropped_events),
            Change::Link(link) => push(&mut self.links, link, limits.span_links, &mut self.dropped_links),
            // `Ok` is the last word, and no status takes one back (OpenTelemetry specification, "Set Status").
            Change::Status(status) if self.status.as_ref().is_none_or(|there| rank(&status) >= rank(there)) => {
                self.status = Some(status);
            }
            Change::Status(_) => {}
            Change::Name(name) => self.name = Some(name),
        }
    }

    /// Does it to a span.
    pub(super) fn apply(self, span: &mut SpanData) {
        for attribute in self.attributes {
            set(&mut span.attributes, attribute);
        }
        span.dropped_attributes_count += self.dropped_attributes;
        span.events.events.extend(self.events);
        span.events.dropped_count += self.dropped_events;
        span.links.links.extend(self.links);
        span.links.dropped_count += self.dropped_links;
        if let Some(name) = self.name {
            span.name = name.into();
        }
        if let Some(status) = self.status.filter(|status| rank(status) >= rank(&span.status)) {
            span.status = status;
        }
    }
}

/// Adds to a list that has a limit.
fn push<T>(list: &mut Vec<T>, one: T, limit: usize, dropped: &mut u32) {
    if list.len() < limit {
        list.push(one);
    } else {
        *dropped = dropped.saturating_add(1);
    }
}

fn rank(status: &Status) -> u8 {
    match status {
        Status::Unset => 0,
        Status::Error { .. } => 1,
        Status::Ok => 2,
    }
}

/// Sets an attribute: in the place of the one with its key, if there is one.
pub(in crate::spans) fn set(attributes: &mut Vec<KeyValue>, attribute: KeyValue) {
    match attributes.iter_mut().find(|there| there.key == attribute.key) {
        Some(there) => *there = attribute,
        None => attributes.push(attribute),
    }
}

#[cfg(test)]
mod tests;
