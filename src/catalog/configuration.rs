//! Packaging configurations as the catalog keeps them, and the stored form of their settings.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::encryption::Encryption;
use crate::model::mpd::MpdOptions;
use crate::model::policy::{
    AudioLayout, Configuration, DashSubtitles, Name, OnSourceError, PackageType, ProgramDateTime,
    SegmentDuration, StreamOrder, StreamSelection, TrickPlay,
};
use crate::plan::filter;

/// A packaging configuration with what only operators care for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationRecord {
    /// The group it belongs to.
    pub group: Name,
    /// What decides what players get.
    pub configuration: Configuration,
    /// Free text of the operator.
    pub description: String,
    /// Counts the changes of `configuration`, from 1.
    pub revision: i64,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}

/// A configuration to create, or the whole of what replaces one.
#[derive(Clone, Debug)]
pub struct NewConfiguration {
    /// The group it belongs to.
    pub group: Name,
    /// What decides what players get.
    pub configuration: Configuration,
    /// Free text of the operator.
    pub description: String,
}

/// The settings of a configuration as JSON text for a store.
///
/// The name is a column of its own and not repeated.
pub fn settings_to_text(configuration: &Configuration) -> Result<String> {
    let stored = StoredSettings {
        package_type: configuration.package_type,
        segment_duration_seconds: configuration.segment_duration.seconds(),
        manifest_name: configuration.manifest_name.clone(),
        stream_order: configuration.stream_selection.order,
        min_video_bits_per_second: configuration.stream_selection.min_video_bits_per_second,
        max_video_bits_per_second: configuration.stream_selection.max_video_bits_per_second,
        filter: configuration.filter.as_ref().map(|filter| filter.as_str().to_owned()),
        encryption: configuration.encryption.clone(),
        on_source_error: (configuration.on_source_error != OnSourceError::default())
            .then_some(configuration.on_source_error),
        trick_play: Some(configuration.trick_play.clone())
            .filter(|trick_play| *trick_play != TrickPlay::default()),
        audio_layout: (configuration.audio_layout != AudioLayout::default())
            .then_some(configuration.audio_layout),
        dash_subtitles: (configuration.dash_subtitles != DashSubtitles::default())
            .then_some(configuration.dash_subtitles),
        program_date_time: (configuration.program_date_time != ProgramDateTime::default())
            .then_some(configuration.program_date_time),
        mpd: (configuration.mpd != MpdOptions::default()).then_some(configuration.mpd),
    };
    serde_json::to_string(&stored)
        .map_err(|error| Error::internal("settings could not be written").caused_by(error))
}

/// Reads what [`settings_to_text`] wrote.
pub fn settings_from_text(name: Name, text: &str) -> Result<Configuration> {
    let damaged = || Error::internal(format!("the stored settings of {name} are damaged"));
    let stored: StoredSettings =
        serde_json::from_str(text).map_err(|error| damaged().caused_by(error))?;
    let filter = stored.filter.as_deref().map(filter::parse).transpose();
    let filter = filter.map_err(|error| damaged().caused_by(error))?;
    let segment_duration =
        SegmentDuration::new(stored.segment_duration_seconds).ok_or_else(damaged)?;
    Ok(Configuration {
        name,
        package_type: stored.package_type,
        segment_duration,
        manifest_name: stored.manifest_name,
        stream_selection: StreamSelection {
            order: stored.stream_order,
            min_video_bits_per_second: stored.min_video_bits_per_second,
            max_video_bits_per_second: stored.max_video_bits_per_second,
        },
        filter,
        encryption: stored.encryption,
        on_source_error: stored.on_source_error.unwrap_or_default(),
        trick_play: stored.trick_play.unwrap_or_default(),
        audio_layout: stored.audio_layout.unwrap_or_default(),
        dash_subtitles: stored.dash_subtitles.unwrap_or_default(),
        program_date_time: stored.program_date_time.unwrap_or_default(),
        mpd: stored.mpd.unwrap_or_default(),
    })
}

/// Unknown fields are refused: a program older than its data must not drop a setting that it does
/// not know, least of all one that protects the media.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StoredSettings {
    package_type: PackageType,
    segment_duration_seconds: u32,
    manifest_name: Name,
    stream_order: StreamOrder,
    min_video_bits_per_second: u32,
    max_video_bits_per_second: u32,
    /// As it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encryption: Option<Encryption>,
    /// Left out where it is the default, so that older programs read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_source_error: Option<OnSourceError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trick_play: Option<TrickPlay>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio_layout: Option<AudioLayout>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dash_subtitles: Option<DashSubtitles>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program_date_time: Option<ProgramDateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mpd: Option<MpdOptions>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Configuration {
        Configuration {
            name: Name::new("dash").unwrap(),
            package_type: PackageType::Dash,
            segment_duration: SegmentDuration::new(4).unwrap(),
            manifest_name: Name::new("main").unwrap(),
            stream_selection: StreamSelection {
                order: StreamOrder::VideoBitrateDescending,
                min_video_bits_per_second: 1,
                max_video_bits_per_second: 2,
            },
            filter: Some(filter::parse("Video_Height:0-720").unwrap()),
            encryption: None,
            on_source_error: OnSourceError::Heal,
            trick_play: TrickPlay::Streams(vec![0, 2]),
            audio_layout: AudioLayout::Separate,
            dash_subtitles: DashSubtitles::Sidecar,
            program_date_time: ProgramDateTime::FromSource,
            mpd: MpdOptions { min_buffer_seconds: Some(3), ..MpdOptions::default() },
        }
    }

    #[test]
    fn settings_survive_storing() {
        let text = settings_to_text(&sample()).unwrap();
        assert_eq!(settings_from_text(sample().name, &text).unwrap(), sample());
    }

    #[test]
    fn settings_that_are_the_default_are_left_out() {
        let fail = Configuration {
            on_source_error: OnSourceError::Fail,
            trick_play: TrickPlay::All,
            ..sample()
        };
        let text = settings_to_text(&fail).unwrap();
        assert!(!text.contains("onSourceError") && !text.contains("trickPlay"), "{text}");
        assert_eq!(settings_from_text(fail.name.clone(), &text).unwrap(), fail);
        let healing = settings_to_text(&sample()).unwrap();
        assert!(healing.contains(r#""onSourceError":"heal""#), "{healing}");
    }

    #[test]
    fn settings_of_a_newer_program_are_refused_not_dropped() {
        let text = settings_to_text(&sample()).unwrap().replacen('{', r#"{"watermark":{},"#, 1);
        let error = settings_from_text(sample().name, &text).unwrap_err();
        assert!(error.chain().contains("watermark"), "{}", error.chain());
    }
}
