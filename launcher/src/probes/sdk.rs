//! What becomes of the program's own use of OpenTelemetry.

use serde::Serialize;

/// What the user wants of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sdk {
    /// Its spans and ours make one trace, with one span for each operation.
    #[default]
    Join,
    /// Spans of ours alone, one for each operation, whatever the program's SDK makes; they are children of its spans.
    OnlyAuto,
    /// The same, and its spans are not looked at.
    Off,
}

impl Sdk {
    /// The name by which the user knows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::OnlyAuto => "only-auto",
            Self::Off => "off",
        }
    }

    /// What it means, for `--check`.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Join => "the program's own spans and ours make one trace, with one span for each operation",
            Self::OnlyAuto => "spans that the program starts are its own affair; ours are children of them",
            Self::Off => "spans that the program starts are its own affair, and no parents of ours",
        }
    }
}
