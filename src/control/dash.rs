//! The `dash` setting of packaging configurations: the form of MPDs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::check;
use crate::error::{Error, Result};
use crate::model::mpd::{MpdOptions, MpdProfile, SegmentAddressing};
use crate::model::policy::PackageType;

/// The form of MPDs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DashOptions)]
pub(super) struct DashBody {
    /// How segments of pictures and sound are addressed.
    #[schema(value_type = SegmentTemplateFormatSchema)]
    segment_template_format: SegmentAddressing,
    /// `MPD@minBufferTime`; null for the longest segment.
    #[schema(required = true, minimum = 1, maximum = 60)]
    min_buffer_time_seconds: Option<u32>,
    /// Which rules the MPD says that it keeps.
    #[schema(value_type = DashProfileSchema)]
    profile: MpdProfile,
}

impl From<MpdOptions> for DashBody {
    fn from(options: MpdOptions) -> Self {
        Self {
            segment_template_format: options.addressing,
            min_buffer_time_seconds: options.min_buffer_seconds,
            profile: options.profile,
        }
    }
}

/// The form of MPDs: what is left out takes its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SetDash {
    /// `TIME_WITH_TIMELINE` if absent.
    #[schema(value_type = Option<SegmentTemplateFormatSchema>)]
    segment_template_format: Option<String>,
    /// `MPD@minBufferTime`; the longest segment if absent.
    #[schema(minimum = 1, maximum = 60)]
    min_buffer_time_seconds: Option<i64>,
    /// `CMAF` if absent.
    #[schema(value_type = Option<DashProfileSchema>)]
    profile: Option<String>,
}

/// `TIME_WITH_TIMELINE`: `$Time$` and a SegmentTimeline. `NUMBER_WITH_TIMELINE`: `$Number$` and a
/// SegmentTimeline. `NUMBER_WITH_DURATION`: `$Number$` and `@duration`, where all segments of a title
/// begin near the multiples of it and it has one period; else `NUMBER_WITH_TIMELINE`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = SegmentTemplateFormat)]
#[expect(dead_code, reason = "describes model::mpd::SegmentAddressing")]
pub(super) enum SegmentTemplateFormatSchema {
    TimeWithTimeline,
    NumberWithTimeline,
    NumberWithDuration,
}

/// `CMAF`: the live profile and that of CMAF. `DVB_DASH`: that of DVB too.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = DashProfile)]
#[expect(dead_code, reason = "describes model::mpd::MpdProfile")]
pub(super) enum DashProfileSchema {
    Cmaf,
    DvbDash,
}

impl SetDash {
    /// The checked setting of a configuration of a package type.
    pub fn checked(stated: Option<Self>, package_type: PackageType) -> Result<MpdOptions> {
        let Some(stated) = stated else { return Ok(MpdOptions::default()) };
        if package_type != PackageType::Dash {
            let message = "dash belongs to packageType DASH: others have no MPD";
            return Err(Error::invalid("dash", message));
        }
        let default = MpdOptions::default();
        Ok(MpdOptions {
            addressing: match &stated.segment_template_format {
                None => default.addressing,
                Some(text) => check::word(
                    "dash.segmentTemplateFormat",
                    text,
                    "TIME_WITH_TIMELINE, NUMBER_WITH_TIMELINE, NUMBER_WITH_DURATION",
                )?,
            },
            min_buffer_seconds: match stated.min_buffer_time_seconds {
                None => default.min_buffer_seconds,
                Some(seconds) => Some(check::number("dash.minBufferTimeSeconds", seconds, 1, 60)?),
            },
            profile: match &stated.profile {
                None => default.profile,
                Some(text) => check::word("dash.profile", text, "CMAF, DVB_DASH")?,
            },
        })
    }
}
