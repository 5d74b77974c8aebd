//! `/v1/packaging-groups/{group}/packaging-configurations`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::JsonBody;
use super::dash::{DashBody, SetDash};
use super::encryption::{self, EncryptionBody};
use super::groups::GROUP;
use super::path::Segments;
use super::query::{ListParameters, Listing, NoQuery, PageBody, Parameters};
use super::trick_play::TrickPlayBody;
use super::{ControlState, check, path};
use crate::catalog::timestamp;
use crate::catalog::{ConfigurationRecord, NewConfiguration};
use crate::error::{Error, Result};
use crate::model::policy::{
    AudioLayout, Configuration, Container, DashSubtitles, Name, OnSourceError, PackageType,
    ProgramDateTime, SegmentDuration, StreamOrder, StreamSelection,
};
use crate::plan::filter;

/// A packaging configuration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PackagingConfiguration)]
pub(super) struct ConfigurationBody {
    /// Unique in the whole origin; part of the playback URL.
    name: String,
    /// The group it belongs to.
    packaging_group: String,
    /// Free text.
    description: String,
    /// What players get.
    #[schema(value_type = PackageTypeSchema)]
    package_type: PackageType,
    /// The wished-for duration of segments.
    #[schema(minimum = 1, maximum = 30)]
    segment_duration_seconds: u32,
    /// File name of the entry manifest, without extension.
    manifest_name: String,
    /// Which streams, in which order.
    stream_selection: StreamSelectionBody,
    /// Which renditions of these; null shows all.
    #[schema(required = true)]
    filter: Option<String>,
    /// How media is encrypted; null leaves it clear. Secrets are not shown.
    #[schema(required = true)]
    encryption: Option<EncryptionBody>,
    /// What players get where source segments are missing or unreadable.
    #[schema(value_type = OnSourceErrorSchema)]
    on_source_error: OnSourceError,
    /// Of which renditions I-frames are offered to wind and scrub through.
    trick_play: TrickPlayBody,
    /// Where players find sound.
    #[schema(value_type = AudioLayoutSchema)]
    audio_layout: AudioLayout,
    /// How DASH players get subtitles; null for other package types.
    #[schema(required = true, value_type = Option<DashSubtitlesSchema>)]
    dash_subtitles: Option<DashSubtitles>,
    /// Whether media playlists name dates; null for DASH.
    #[schema(required = true, value_type = Option<ProgramDateTimeSchema>)]
    program_date_time: Option<ProgramDateTime>,
    /// The form of MPDs; null for other package types.
    #[schema(required = true)]
    dash: Option<DashBody>,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<ConfigurationRecord> for ConfigurationBody {
    fn from(record: ConfigurationRecord) -> Self {
        let Configuration {
            name,
            package_type,
            segment_duration,
            manifest_name,
            stream_selection,
            filter,
            encryption,
            on_source_error,
            trick_play,
            audio_layout,
            dash_subtitles,
            program_date_time,
            mpd,
        } = record.configuration;
        Self {
            name: name.to_string(),
            packaging_group: record.group.to_string(),
            description: record.description,
            package_type,
            segment_duration_seconds: segment_duration.seconds(),
            manifest_name: manifest_name.to_string(),
            stream_selection: StreamSelectionBody {
                order: stream_selection.order,
                min_video_bits_per_second: stream_selection.min_video_bits_per_second,
                max_video_bits_per_second: stream_selection.max_video_bits_per_second,
            },
            filter: filter.map(|filter| filter.as_str().to_owned()),
            encryption: encryption.as_ref().map(EncryptionBody::from),
            on_source_error,
            trick_play: TrickPlayBody::from(&trick_play),
            audio_layout: match package_type.container() {
                Container::MpegTs => audio_layout,
                Container::Cmaf => AudioLayout::Separate,
            },
            dash_subtitles: (package_type == PackageType::Dash).then_some(dash_subtitles),
            program_date_time: (package_type != PackageType::Dash).then_some(program_date_time),
            dash: (package_type == PackageType::Dash).then(|| DashBody::from(mpd)),
            created_at: timestamp::to_text(record.created_at),
            updated_at: timestamp::to_text(record.updated_at),
        }
    }
}

/// Which streams of the source are offered. Bounds are inclusive and are compared with the
/// `BANDWIDTH` that the source's master playlist declares.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StreamSelection)]
pub(super) struct StreamSelectionBody {
    /// The order in manifests.
    #[schema(value_type = StreamOrderSchema)]
    order: StreamOrder,
    /// The lowest that is kept.
    #[schema(minimum = 0, maximum = 2147483647)]
    min_video_bits_per_second: u32,
    /// The highest that is kept.
    #[schema(minimum = 0, maximum = 2147483647)]
    max_video_bits_per_second: u32,
}

/// The whole of a packaging configuration: what is left out takes its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SetConfiguration {
    /// Required to create one; to replace one, the name of the path or nothing.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$")]
    name: Option<String>,
    /// Free text.
    #[schema(max_length = 1024)]
    description: Option<String>,
    /// What players get.
    #[schema(value_type = PackageTypeSchema)]
    package_type: String,
    /// The wished-for duration of segments.
    #[schema(minimum = 1, maximum = 30, default = 6)]
    segment_duration_seconds: Option<i64>,
    /// File name of the entry manifest, without extension.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$", default = "index")]
    manifest_name: Option<String>,
    /// All streams in source order if absent.
    stream_selection: Option<SetStreamSelection>,
    /// Which renditions of these to show, as `name:value,value;name:…` such as
    /// `video_height:0-720;audio_codec:aacl`; all if null or absent. A `filter` in the query of an
    /// entry manifest applies to what this leaves.
    #[schema(max_length = 1024)]
    filter: Option<String>,
    /// How to encrypt media; null or absent leaves it clear. Assets of the group then need a
    /// content ID.
    encryption: Option<EncryptionBody>,
    /// What players get where source segments are missing or unreadable; `fail` if absent.
    #[schema(value_type = Option<OnSourceErrorSchema>)]
    on_source_error: Option<String>,
    /// Of which renditions I-frames are offered to wind and scrub through; of all if absent.
    trick_play: Option<TrickPlayBody>,
    /// Where players find sound. If absent, `AS_SOURCE` for HLS; DASH and HLS_CMAF know `SEPARATE`
    /// alone.
    #[schema(value_type = Option<AudioLayoutSchema>)]
    audio_layout: Option<String>,
    /// How DASH players get subtitles. If absent, `WVTT`; for DASH alone.
    #[schema(value_type = Option<DashSubtitlesSchema>)]
    dash_subtitles: Option<String>,
    /// Whether media playlists name dates. If absent, `NONE`; for HLS and HLS_CMAF alone.
    #[schema(value_type = Option<ProgramDateTimeSchema>)]
    program_date_time: Option<String>,
    /// The form of MPDs; only where `packageType` is DASH.
    dash: Option<SetDash>,
}

/// Which streams of the source to offer. Bounds are inclusive and are compared with the
/// `BANDWIDTH` that the source's master playlist declares.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SetStreamSelection {
    /// The order in manifests; `ORIGINAL` if absent.
    #[schema(value_type = Option<StreamOrderSchema>)]
    order: Option<String>,
    /// The lowest that is kept.
    #[schema(minimum = 0, maximum = 2147483647, default = 0)]
    min_video_bits_per_second: Option<i64>,
    /// The highest that is kept.
    #[schema(minimum = 0, maximum = 2147483647, default = 2147483647)]
    max_video_bits_per_second: Option<i64>,
}

/// MPEG-TS segments with M3U8 playlists, CMAF segments with an MPD, or CMAF segments with M3U8
/// playlists.
#[derive(Serialize, ToSchema)]
#[schema(as = PackageType)]
#[expect(dead_code, reason = "describes model::policy::PackageType")]
pub(super) enum PackageTypeSchema {
    #[serde(rename = "HLS")]
    Hls,
    #[serde(rename = "DASH")]
    Dash,
    #[serde(rename = "HLS_CMAF")]
    HlsCmaf,
}

/// The order of the video renditions in manifests.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = StreamOrder)]
#[expect(dead_code, reason = "describes model::policy::StreamOrder")]
pub(super) enum StreamOrderSchema {
    Original,
    VideoBitrateAscending,
    VideoBitrateDescending,
}

/// `fail`: manifests name every segment, and a request for one that cannot be made answers 502.
/// `heal`: manifests leave pictures out for so long and put silence in the place of sound.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OnSourceError)]
#[expect(dead_code, reason = "describes model::policy::OnSourceError")]
pub(super) enum OnSourceErrorSchema {
    Fail,
    Heal,
}

/// `AS_SOURCE`: in the segments of the pictures where the source has it there, else in renditions of
/// its own. `SEPARATE`: always in renditions of its own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = AudioLayout)]
#[expect(dead_code, reason = "describes model::policy::AudioLayout")]
pub(super) enum AudioLayoutSchema {
    AsSource,
    Separate,
}

/// `WVTT`: in segments of fragmented MP4. `SIDECAR`: as a WebVTT file beside the segments.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = DashSubtitles)]
#[expect(dead_code, reason = "describes model::policy::DashSubtitles")]
pub(super) enum DashSubtitlesSchema {
    Wvtt,
    Sidecar,
}

/// `NONE`: media playlists name dates only where something else in them needs dates. `FROM_SOURCE`:
/// they have `EXT-X-PROGRAM-DATE-TIME` wherever the source's playlists name dates.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = ProgramDateTime)]
#[expect(dead_code, reason = "describes model::policy::ProgramDateTime")]
pub(super) enum ProgramDateTimeSchema {
    None,
    FromSource,
}

impl SetConfiguration {
    /// Checks everything but the name, which the two calls treat differently. `stored` is the
    /// configuration that is replaced.
    fn checked(
        self,
        group: Name,
        name: Name,
        state: &ControlState,
        stored: Option<&Configuration>,
    ) -> Result<NewConfiguration> {
        let package_type = check::word("packageType", &self.package_type, "HLS, DASH, HLS_CMAF")?;
        let segment_duration = match self.segment_duration_seconds {
            None => SegmentDuration::DEFAULT,
            Some(seconds) => {
                let seconds = check::number("segmentDurationSeconds", seconds, 1, 30)?;
                SegmentDuration::new(seconds)
                    .ok_or_else(|| Error::internal("segment durations have another range"))?
            }
        };
        let manifest_name = match &self.manifest_name {
            None => Name::default_manifest(),
            Some(text) => check::name("manifestName", text)?,
        };
        let stream_selection =
            self.stream_selection.map(SetStreamSelection::checked).transpose()?.unwrap_or_default();
        let filter = self.filter.as_deref().map(filter::parse).transpose();
        let filter = filter.map_err(|e| Error::invalid("filter", format!("filter: {e}")))?;
        let stored = stored.and_then(|stored| stored.encryption.as_ref());
        let encryption = self
            .encryption
            .map(|body| encryption::checked(body, package_type, state, stored))
            .transpose()?;
        let on_source_error = match &self.on_source_error {
            None => OnSourceError::default(),
            Some(text) => check::word("onSourceError", text, "fail, heal")?,
        };
        let trick_play = self.trick_play.map(TrickPlayBody::checked).transpose()?;
        let audio_layout = match &self.audio_layout {
            None => AudioLayout::default(),
            Some(text) => check::word("audioLayout", text, "AS_SOURCE, SEPARATE")?,
        };
        let is_stated = self.audio_layout.is_some();
        if is_stated
            && audio_layout == AudioLayout::AsSource
            && package_type.container() == Container::Cmaf
        {
            return Err(Error::invalid(
                "audioLayout",
                "audioLayout AS_SOURCE belongs to HLS: segments of DASH and HLS_CMAF hold one track",
            ));
        }
        let dash_subtitles =
            Self::dash_subtitles(self.dash_subtitles.as_deref(), package_type, on_source_error)?;
        let program_date_time =
            Self::program_date_time(self.program_date_time.as_deref(), package_type)?;
        Ok(NewConfiguration {
            group,
            configuration: Configuration {
                name,
                package_type,
                segment_duration,
                manifest_name,
                stream_selection,
                filter,
                encryption,
                on_source_error,
                trick_play: trick_play.unwrap_or_default(),
                // Fragments know one layout: nothing to keep.
                audio_layout: match package_type.container() {
                    Container::MpegTs => audio_layout,
                    Container::Cmaf => AudioLayout::default(),
                },
                dash_subtitles,
                program_date_time,
                mpd: SetDash::checked(self.dash, package_type)?,
            },
            description: check::description("description", self.description.unwrap_or_default())?,
        })
    }

    fn program_date_time(
        stated: Option<&str>,
        package_type: PackageType,
    ) -> Result<ProgramDateTime> {
        let field = "programDateTime";
        let Some(text) = stated else { return Ok(ProgramDateTime::default()) };
        if package_type == PackageType::Dash {
            let message = "programDateTime belongs to HLS and HLS_CMAF: an MPD of a whole title \
                           has no dates";
            return Err(Error::invalid(field, message));
        }
        check::word(field, text, "NONE, FROM_SOURCE")
    }

    fn dash_subtitles(
        stated: Option<&str>,
        package_type: PackageType,
        on_source_error: OnSourceError,
    ) -> Result<DashSubtitles> {
        let field = "dashSubtitles";
        let Some(text) = stated else { return Ok(DashSubtitles::default()) };
        if package_type != PackageType::Dash {
            let message = "dashSubtitles belongs to DASH: HLS always has segments";
            return Err(Error::invalid(field, message));
        }
        let subtitles = check::word(field, text, "WVTT, SIDECAR")?;
        if subtitles == DashSubtitles::Sidecar && on_source_error == OnSourceError::Heal {
            return Err(Error::invalid(
                field,
                "dashSubtitles SIDECAR does not go with onSourceError heal, which makes other \
                 periods than the files are of; use WVTT",
            ));
        }
        Ok(subtitles)
    }
}

impl SetStreamSelection {
    fn checked(self) -> Result<StreamSelection> {
        let bits = |field: &str, value: Option<i64>, default: u32| match value {
            None => Ok(default),
            Some(value) => check::number(field, value, 0, StreamSelection::NO_MAXIMUM),
        };
        let default = StreamSelection::default();
        let selection = StreamSelection {
            order: match &self.order {
                None => default.order,
                Some(text) => check::word("streamSelection.order", text, ORDERS)?,
            },
            min_video_bits_per_second: bits(
                MINIMUM_FIELD,
                self.min_video_bits_per_second,
                default.min_video_bits_per_second,
            )?,
            max_video_bits_per_second: bits(
                "streamSelection.maxVideoBitsPerSecond",
                self.max_video_bits_per_second,
                default.max_video_bits_per_second,
            )?,
        };
        if selection.min_video_bits_per_second > selection.max_video_bits_per_second {
            let message = format!("{MINIMUM_FIELD} must not be above maxVideoBitsPerSecond");
            return Err(Error::invalid(MINIMUM_FIELD, message));
        }
        Ok(selection)
    }
}

/// Creates a packaging configuration.
#[utoipa::path(
    operation_id = "createPackagingConfiguration",
    post, path = "/v1/packaging-groups/{group}/packaging-configurations",
    tag = "packaging configurations",
    params(("group" = String, Path, description = "Name of the group")),
    request_body = SetConfiguration,
    responses(
        (status = 201, description = "Created", body = ConfigurationBody),
        (status = 409, description = "`already_exists`, in this group or another; \
            `failed_precondition`: it encrypts and an asset of the group has no content ID"),
    )
)]
pub(super) async fn create(
    State(state): State<Arc<ControlState>>,
    Segments(group): Segments<String>,
    _: NoQuery,
    JsonBody(body): JsonBody<SetConfiguration>,
) -> Result<Response> {
    let group = path::name(GROUP, &group)?;
    let name = body.name.as_deref().ok_or_else(|| Error::invalid("name", "name is required"))?;
    let new = {
        let name = check::name("name", name)?;
        body.checked(group, name, &state, None)?
    };
    let record = state.catalog.create_configuration(new).await?;
    let location = format!(
        "/v1/packaging-groups/{}/packaging-configurations/{}",
        record.group, record.configuration.name
    );
    let body = Json(ConfigurationBody::from(record));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

/// Lists the packaging configurations of a group.
#[utoipa::path(
    operation_id = "listPackagingConfigurations",
    get, path = "/v1/packaging-groups/{group}/packaging-configurations",
    tag = "packaging configurations",
    params(("group" = String, Path, description = "Name of the group"), ListParameters),
    responses((status = 200, description = "A page of them", body = PageBody<ConfigurationBody>))
)]
pub(super) async fn list(
    State(state): State<Arc<ControlState>>,
    Segments(group): Segments<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<PageBody<ConfigurationBody>>> {
    let group = path::name(GROUP, &group)?;
    let parameters = Parameters::parse(query.as_deref(), &Listing::PARAMETERS)?;
    let listing = Listing::parse(&parameters, &format!("configurations of {group}"), &[])?;
    let mut page = state.catalog.configurations(&group, &listing.page).await?;
    let items = std::mem::take(&mut page.items).into_iter().map(ConfigurationBody::from).collect();
    listing.body(&page, items).map(Json)
}

/// Shows a packaging configuration.
#[utoipa::path(
    operation_id = "getPackagingConfiguration",
    get, path = "/v1/packaging-groups/{group}/packaging-configurations/{configuration}",
    tag = "packaging configurations",
    params(
        ("group" = String, Path, description = "Name of the group"),
        ("configuration" = String, Path, description = "Name of the configuration"),
    ),
    responses((status = 200, description = "The configuration", body = ConfigurationBody))
)]
pub(super) async fn show(
    State(state): State<Arc<ControlState>>,
    Segments((group, configuration)): Segments<(String, String)>,
    _: NoQuery,
) -> Result<Json<ConfigurationBody>> {
    let (group, name) = names(&group, &configuration)?;
    let record = state.catalog.configuration(&group, &name).await?;
    Ok(Json(record.into()))
}

/// Replaces a packaging configuration.
///
/// The next manifest request sees the change; nothing is ingested again. URLs handed out before
/// keep answering for the grace time. Where `encryption` repeats what was shown of a secret, the
/// secret that is stored is kept.
#[utoipa::path(
    operation_id = "replacePackagingConfiguration",
    put, path = "/v1/packaging-groups/{group}/packaging-configurations/{configuration}",
    tag = "packaging configurations",
    params(
        ("group" = String, Path, description = "Name of the group"),
        ("configuration" = String, Path, description = "Name of the configuration"),
    ),
    request_body = SetConfiguration,
    responses(
        (status = 200, description = "The new configuration", body = ConfigurationBody),
        (status = 409, description = "`failed_precondition`: it encrypts and an asset of the group \
            has no content ID, or somebody changed it at the same time"),
    )
)]
pub(super) async fn replace(
    State(state): State<Arc<ControlState>>,
    Segments((group, configuration)): Segments<(String, String)>,
    _: NoQuery,
    JsonBody(body): JsonBody<SetConfiguration>,
) -> Result<Json<ConfigurationBody>> {
    let (group, name) = names(&group, &configuration)?;
    if body.name.as_deref().is_some_and(|given| given != name.as_str()) {
        let message =
            format!("name must be {name}, as in the path, or absent; names do not change");
        return Err(Error::invalid("name", message));
    }
    // Of what a body hides, the stored form is kept.
    let stored = match &body.encryption {
        None => None,
        Some(_) => Some(state.catalog.configuration(&group, &name).await?.configuration),
    };
    let new = body.checked(group, name, &state, stored.as_ref())?;
    let record = match stored {
        None => state.catalog.replace_configuration(new).await?,
        Some(stored) => state.catalog.replace_configuration_from(stored, new).await?,
    };
    Ok(Json(record.into()))
}

/// Deletes a packaging configuration; its playback URLs end at once.
#[utoipa::path(
    operation_id = "deletePackagingConfiguration",
    delete, path = "/v1/packaging-groups/{group}/packaging-configurations/{configuration}",
    tag = "packaging configurations",
    params(
        ("group" = String, Path, description = "Name of the group"),
        ("configuration" = String, Path, description = "Name of the configuration"),
    ),
    responses((status = 204, description = "Deleted"))
)]
pub(super) async fn delete(
    State(state): State<Arc<ControlState>>,
    Segments((group, configuration)): Segments<(String, String)>,
    _: NoQuery,
) -> Result<StatusCode> {
    let (group, name) = names(&group, &configuration)?;
    state.catalog.delete_configuration(&group, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn names(group: &str, configuration: &str) -> Result<(Name, Name)> {
    Ok((path::name(GROUP, group)?, path::name("packaging configuration", configuration)?))
}

const MINIMUM_FIELD: &str = "streamSelection.minVideoBitsPerSecond";
const ORDERS: &str = "ORIGINAL, VIDEO_BITRATE_ASCENDING, VIDEO_BITRATE_DESCENDING";
