//! What operators choose of the form of MPDs, beside what is in them.

use serde::{Deserialize, Serialize};

/// The form of an MPD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MpdOptions {
    /// How segments of pictures and sound are addressed.
    pub addressing: SegmentAddressing,
    /// `MPD@minBufferTime`, seconds; the longest segment where nothing is said.
    pub min_buffer_seconds: Option<u32>,
    /// Which rules the MPD says that it keeps.
    pub profile: MpdProfile,
}

/// How a `SegmentTemplate` leads to segments (ISO/IEC 23009-1:2022 5.3.9.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SegmentAddressing {
    /// `$Time$` and a timeline.
    #[default]
    TimeWithTimeline,
    /// `$Number$` and a timeline.
    NumberWithTimeline,
    /// `$Number$` and one duration for all; with a timeline where segments do not allow it.
    NumberWithDuration,
}

impl SegmentAddressing {
    /// Whether names have numbers in them.
    pub const fn is_by_number(self) -> bool {
        !matches!(self, Self::TimeWithTimeline)
    }
}

/// Rules beyond those of the live profile and of CMAF, which every MPD keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MpdProfile {
    /// None.
    #[default]
    Cmaf,
    /// ETSI TS 103 285, the 2014 profile of DVB.
    DvbDash,
}
