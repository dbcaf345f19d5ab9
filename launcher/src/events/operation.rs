//! Records of operations of tables: a head, then captured values.

use bpf::records::operation::{OperationEvent, OperationStart, ValueHead, whole};

use super::decode::{DecodeError, Reader};

/// What has happened to an operation of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It has ended.
    Ended,
    /// Its function has returned, and it goes on until its object ends.
    Returned,
    /// All that was open on a goroutine from a level on was unwound.
    Unwound,
    /// `runtime.Goexit` has ended a goroutine, and all that was open there.
    Exited,
    /// Something is known of it.
    Annotated,
    /// A panic begins on a goroutine.
    Panicked,
}

/// The start of an operation of a table.
#[derive(Debug)]
pub struct OperationStarted<'a> {
    /// What is known of it in numbers.
    pub head: OperationStart,
    /// What was captured.
    pub values: Vec<RawValue<'a>>,
}

/// What has happened to an operation of a table, or to all of a goroutine.
#[derive(Debug)]
pub struct OperationHappened<'a> {
    /// What.
    pub what: Happened,
    /// What is known of it in numbers.
    pub head: OperationEvent,
    /// What was captured.
    pub values: Vec<RawValue<'a>>,
}

/// A captured value, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct RawValue<'a> {
    /// Which one, of those that the plan knows of the operation.
    pub number: u16,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether there was more.
    pub is_cut: bool,
    /// Whether the bytes are the address and the length of a string that was not in memory.
    pub is_unread: bool,
}

impl<'a> Reader<'a> {
    /// All that is left, as captured values.
    pub(super) fn values(&mut self) -> Result<Vec<RawValue<'a>>, DecodeError> {
        let mut values = Vec::new();
        while !self.rest.is_empty() {
            let ValueHead { number, whole, length } = self.head()?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let filled = self.take(length.checked_next_multiple_of(8).unwrap_or(usize::MAX))?;
            let bytes = filled.get(..length).unwrap_or_default();
            values.push(RawValue { number, bytes, is_cut: whole == whole::CUT, is_unread: whole == whole::UNREAD });
        }
        Ok(values)
    }
}

pub(super) fn operation_start<'a>(reader: &mut Reader<'a>) -> Result<OperationStarted<'a>, DecodeError> {
    Ok(OperationStarted { head: reader.head()?, values: reader.values()? })
}

pub(super) fn operation_event<'a>(reader: &mut Reader<'a>, what: Happened) -> Result<OperationHappened<'a>, DecodeError> {
    Ok(OperationHappened { what, head: reader.head()?, values: reader.values()? })
}
