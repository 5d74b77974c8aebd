//! Decides, from the index and a configuration alone, everything that players will see.
//!
//! ```text
//! Presentation + Configuration + KeySet
//! └ segmentation   where segments begin
//!   ├ sound        what is shown with which sound
//!   ├ text         subtitles, which need no source
//!   ├ protection   which key for which track, which IVs
//!   ├ fingerprint  which URLs they have
//!   ├ set_number   what sets are called, whatever is selected
//!   ├ session      what is repeated of the words of the source's master playlist
//!   ├ manifest     Manifest: names, times, sizes, bandwidths
//!   │ ├ filter     the manifest again, with those renditions alone that somebody wants
//!   │ └ clip       the manifest again, from one moment to another
//!   ├ names        what segments are called, for those who want no manifest
//!   ├ segment      SegmentPlan: which groups, where in the source, exact size, ETag
//!   ├ trick        pictures that are segments of their own
//!   └ heal         the manifest again, knowing which source objects are missing
//!     └ divide     periods that have no gaps, for MPDs
//! ```
//!
//! Pure: no I/O, no clock, no randomness. The same index and configuration give the same plan on
//! any node, which is what makes every URL answer the same bytes.

mod bandwidth;
mod captions;
mod carriage;
mod clip;
mod divide;
pub mod filter;
mod fingerprint;
mod heal;
mod manifest;
mod metadata;
mod names;
mod protection;
mod remeasure;
mod segment;
mod segmentation;
mod session;
mod set_number;
mod sound;
mod text;
mod trick;

use std::sync::{Arc, OnceLock};

pub use clip::{ClipError, ClipRequest, Cut, cut};
pub use fingerprint::Fingerprint;
pub use heal::{Healed, MissingObjects, SilencePlan};
pub use protection::SegmentProtection;
pub use segment::{SegmentPlan, TrackPart};
pub use text::{TextForm, TextPlan, fragment_layout};

use self::fingerprint::SEGMENT_FORMAT_VERSION;
use self::manifest::Resolver;
use self::names::{Names, is_of_tracks};
use self::protection::Protection;
use self::segmentation::Segmentation;
use self::sound::Offering;
use crate::error::{Error, Kind, Result};
use crate::model::ingest::LeftOut;
use crate::model::manifest::{
    Healing, Manifest, ManifestSegment, RenditionId, RenditionKind, RenditionProtection,
};
use crate::model::mpd::MpdOptions;
use crate::model::policy::{
    AudioLayout, Configuration, Container, OnSourceError, PackageType, ProgramDateTime,
    SegmentDuration, StreamOrder, StreamSelection, TrickPlay,
};
use crate::model::presentation::{Medium, Presentation, Stream, Track};
use crate::model::protection::KeySet;
use crate::model::session::SessionFormat;
use crate::model::text::TextFormat;
use crate::time::Ticks;

/// The name of an initialization segment in its directory.
pub const INIT_NAME: &str = "init.mp4";

/// What can be asked for of one packaging, free of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The entry manifest: master playlist or MPD.
    Entry,
    /// The media playlist of a rendition.
    Media(RenditionId),
    /// The media playlist of a rendition in a part of the title.
    Clip {
        /// Which rendition.
        rendition: RenditionId,
        /// Which part.
        cut: Cut,
    },
    /// A file of session data, by its number from 1.
    SessionData {
        /// Which.
        number: usize,
        /// What its extension says.
        format: SessionFormat,
    },
    /// The initialization segment of a rendition in a period.
    Init {
        /// Which rendition.
        rendition: RenditionId,
        /// Index of the period.
        period: usize,
    },
    /// A media segment.
    Segment {
        /// Which rendition.
        rendition: RenditionId,
        /// Index of the period.
        period: usize,
        /// The time that names it.
        time: Ticks,
    },
    /// A stretch of subtitles.
    Text {
        /// Which rendition.
        rendition: RenditionId,
        /// Index of the period.
        period: usize,
        /// The time that names it.
        time: Ticks,
        /// What it is wrapped in.
        form: TextForm,
    },
    /// All subtitles of a period in one file.
    PeriodText {
        /// Which rendition.
        rendition: RenditionId,
        /// Index of the period.
        period: usize,
        /// What the file is.
        format: TextFormat,
    },
    /// The same by its place in the period.
    Numbered {
        /// Which rendition.
        rendition: RenditionId,
        /// Index of the period.
        period: usize,
        /// From 1.
        number: usize,
    },
    /// Silence as long as a media segment.
    Silence {
        /// Which rendition.
        rendition: RenditionId,
        /// Index of the period.
        period: usize,
        /// The time that names it.
        time: Ticks,
    },
}

/// One configuration applied to one presentation.
#[derive(Clone, Debug)]
pub struct Packaging {
    presentation: Arc<Presentation>,
    left_out: Vec<LeftOut>,
    package_type: PackageType,
    on_source_error: OnSourceError,
    segmentation: Segmentation,
    text_form: TextForm,
    protection: Option<Protection>,
    segments: Fingerprint,
    playlists: Fingerprint,
    how: Presenting,
    names: Names,
    /// Made when first wanted: who looks for the plan behind a URL asks several for their names, and
    /// a segment needs none.
    manifest: OnceLock<Manifest>,
    /// Whether the manifest lacks what a filter leaves out.
    is_filtered: bool,
}

/// What decides how a manifest shows what there is.
#[derive(Clone, Debug)]
struct Presenting {
    offering: Offering,
    trick_play: TrickPlay,
    mpd: MpdOptions,
    segment_duration: SegmentDuration,
    program_date_time: ProgramDateTime,
}

impl Packaging {
    /// Plans everything, the manifest when it is first wanted. `version` identifies the presentation's index; `keys` are those of a
    /// configuration that encrypts.
    ///
    /// Fails with [`Kind::UnsupportedCodec`] where the package type can carry nothing of it, and with
    /// [`Kind::NotFound`] where the stream selection leaves nothing.
    pub fn new(
        presentation: Arc<Presentation>,
        version: &str,
        configuration: &Configuration,
        keys: Option<Arc<KeySet>>,
    ) -> Result<Self> {
        let whole = presentation;
        let (presentation, left_out) = carried(whole.clone(), configuration)?;
        let streams = selected(&presentation, configuration)?;
        let package_type = configuration.package_type;
        let segmentation = Segmentation::new(
            presentation.clone(),
            streams.clone(),
            configuration.segment_duration,
        );
        let protection = match (&configuration.encryption, keys) {
            (None, _) => None,
            (Some(encryption), Some(keys)) => Some(Protection::new(
                &presentation,
                version,
                SEGMENT_FORMAT_VERSION,
                encryption,
                keys,
            )),
            // Never clear by mistake.
            (Some(_), None) => {
                return Err(Error::internal(format!(
                    "configuration {} encrypts and is planned without keys",
                    configuration.name
                )));
            }
        };
        let segments = Fingerprint::of_segments(
            version,
            package_type.container(),
            configuration.segment_duration,
            &segmentation,
            protection.as_ref(),
        );
        let on_source_error = configuration.on_source_error;
        let playlists =
            Fingerprint::of_playlists(&segments, package_type, protection.as_ref(), configuration);
        let separate = package_type.container() == Container::Cmaf
            || configuration.audio_layout == AudioLayout::Separate;
        let text_form = TextForm::of(package_type, configuration.dash_subtitles, &presentation);
        let how = Presenting {
            offering: Offering::new(&whole, &presentation, &streams, separate),
            trick_play: configuration.trick_play.clone(),
            mpd: configuration.mpd,
            segment_duration: configuration.segment_duration,
            program_date_time: configuration.program_date_time,
        };
        let mut packaging = Self {
            names: Names::of(&presentation),
            is_filtered: configuration.filter.is_some(),
            presentation,
            left_out,
            package_type,
            on_source_error,
            segmentation,
            text_form,
            protection,
            segments,
            playlists,
            how,
            manifest: OnceLock::new(),
        };
        if let Some(filter) = &configuration.filter {
            let left = packaging.filtered(&packaging.resolved(), filter);
            let left = left.ok_or_else(|| {
                let message = format!(
                    "the filter of configuration {} leaves nothing of it: {}",
                    configuration.name,
                    filter.as_str()
                );
                Error::new(Kind::NotFound, message)
            })?;
            packaging.manifest = left.into();
        }
        Ok(packaging)
    }

    /// The manifest without regard to a filter.
    fn resolved(&self) -> Manifest {
        Resolver {
            presentation: &self.presentation,
            segmentation: &self.segmentation,
            offering: &self.how.offering,
            container: self.package_type.container(),
            text_form: self.text_form,
            protection: self.protection.as_ref(),
            segments: &self.segments,
            playlists: &self.playlists,
            trick_play: &self.how.trick_play,
            mpd: self.how.mpd,
            segment_duration: self.how.segment_duration,
            program_date_time: self.how.program_date_time,
        }
        .manifest()
    }

    /// How many segments a manifest of this has, about, without making it: what it takes in memory
    /// hangs on that.
    pub fn segments_about(&self) -> u64 {
        let periods = 0..self.presentation.periods.len();
        let of_stream = |stream: &Stream| -> u64 {
            let pictures = stream.periods.iter().filter_map(|period| period.video.as_ref());
            let stills: usize = pictures.map(|track| track.groups.len()).sum();
            let listed = periods.clone().map(|p| self.segmentation.segments_about(p));
            // Of pictures and of sound, and those of trick play.
            (2 * listed.sum::<usize>() + stills) as u64
        };
        self.presentation.streams.iter().map(of_stream).sum()
    }

    /// What was planned for.
    pub fn presentation(&self) -> &Arc<Presentation> {
        &self.presentation
    }

    /// What the package type cannot carry of it.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Container and manifest format.
    pub fn package_type(&self) -> PackageType {
        self.package_type
    }

    /// What becomes of segments that cannot be made.
    pub fn on_source_error(&self) -> OnSourceError {
        self.on_source_error
    }

    /// The streams of the presentation that are offered, in order.
    pub fn streams(&self) -> Vec<usize> {
        let ids = self.manifest().renditions().into_iter();
        let media = ids.filter(|id| id.kind != RenditionKind::Text);
        let mut streams: Vec<usize> = media.map(|id| id.stream).collect();
        streams.sort_unstable();
        streams.dedup();
        streams
    }

    /// Names the init and media segments in URLs.
    pub fn segments(&self) -> &Fingerprint {
        &self.segments
    }

    /// Names the media playlists in URLs.
    pub fn playlists(&self) -> &Fingerprint {
        &self.playlists
    }

    /// Whether a fingerprint names this packaging's segments or playlists.
    pub fn is_named(&self, fingerprint: &Fingerprint) -> bool {
        let own = if fingerprint.is_of_segments() { &self.segments } else { &self.playlists };
        own == fingerprint
    }

    /// What to show.
    pub fn manifest(&self) -> &Manifest {
        self.manifest.get_or_init(|| self.resolved())
    }

    /// The track behind an initialization segment and how it is encrypted; `None` where there is no
    /// such segment.
    pub fn init(
        &self,
        rendition: RenditionId,
        period: usize,
    ) -> Option<(&Track, Option<Arc<RenditionProtection>>)> {
        let medium = match (self.package_type.container(), rendition.kind) {
            (Container::Cmaf, RenditionKind::Video | RenditionKind::Trick) => Medium::Video,
            (Container::Cmaf, RenditionKind::Audio) => Medium::Audio,
            _ => return None,
        };
        let protection = match rendition.kind {
            RenditionKind::Trick => {
                self.manifest().rendition(rendition, period)?.protection.clone()
            }
            _ => {
                self.names(rendition, period)?;
                self.rendition_protection(rendition, period)
            }
        };
        let track = self.presentation.track(rendition.stream, period, medium)?;
        Some((track, protection))
    }

    /// The plan of a media segment; `None` where no segment has that name.
    pub fn segment(
        &self,
        rendition: RenditionId,
        period: usize,
        time: Ticks,
    ) -> Option<SegmentPlan> {
        SegmentPlan::new(self, rendition, period, time)
    }

    /// The plan of the segment that is played behind one, be it in the next period; `None` behind
    /// the last, and of trick play, which jumps.
    pub fn segment_after(&self, plan: &SegmentPlan) -> Option<SegmentPlan> {
        if !is_numbered(plan.rendition.kind) && plan.rendition.kind != RenditionKind::Muxed {
            return None;
        }
        let here = self.names(plan.rendition, plan.period)?;
        let behind = here.partition_point(|time| *time <= plan.time);
        let (period, next) = match here.get(behind) {
            Some(next) => (plan.period, next),
            None => (plan.period + 1, self.names(plan.rendition, plan.period + 1)?.first()?),
        };
        self.segment(plan.rendition, period, *next)
    }

    /// The time that names a segment of pictures or sound by its number in the period, from 1; `None`
    /// where there is none.
    pub fn numbered(&self, rendition: RenditionId, period: usize, number: usize) -> Option<Ticks> {
        if !is_numbered(rendition.kind) {
            return None;
        }
        self.names(rendition, period)?.get(number.checked_sub(1)?).copied()
    }

    /// Whether there is an initialization segment, or a media segment of that name.
    pub fn lists(&self, target: &Target) -> bool {
        let listed = |id, period| self.manifest().rendition(id, period);
        match *target {
            Target::Init { rendition, period } if is_of_tracks(rendition.kind) => {
                let is_cmaf = self.package_type.container() == Container::Cmaf;
                is_cmaf && self.names(rendition, period).is_some()
            }
            Target::Init { rendition, period } => {
                listed(rendition, period).is_some_and(|rendition| rendition.init.is_some())
            }
            Target::Segment { rendition, period, time } if is_of_tracks(rendition.kind) => self
                .names(rendition, period)
                .is_some_and(|names| names.binary_search(&time).is_ok()),
            Target::Segment { rendition, period, time } => {
                listed(rendition, period).is_some_and(|rendition| {
                    rendition.segments.binary_search_by_key(&time, |segment| segment.time).is_ok()
                })
            }
            _ => false,
        }
    }

    /// Everything that has a URL below the fingerprints, in playing order: init segments first.
    pub fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for (period, entry) in self.manifest().periods.iter().enumerate() {
            for rendition in entry.sets.iter().flat_map(|set| &set.renditions) {
                let id = rendition.id;
                if rendition.init.is_some() {
                    targets.push(Target::Init { rendition: id, period });
                }
                let segments = rendition.segments.iter();
                let segments = segments.filter(|segment| segment.healing != Healing::Gap);
                let is_text = id.kind == RenditionKind::Text;
                if is_numbered(id.kind) && self.manifest().mpd.addressing.is_by_number() {
                    let numbers = 1..=rendition.segments.len();
                    targets.extend(numbers.map(|number| Target::Numbered {
                        rendition: id,
                        period,
                        number,
                    }));
                    continue;
                }
                targets.extend(segments.map(|&ManifestSegment { time, .. }| {
                    match (rendition.text, is_text) {
                        (Some(format), true) => match self.text_form {
                            TextForm::Whole => Target::PeriodText { rendition: id, period, format },
                            form => Target::Text { rendition: id, period, time, form },
                        },
                        _ => Target::Segment { rendition: id, period, time },
                    }
                }));
            }
        }
        targets
    }
}

/// What a configuration leaves out of a presentation because its package type, or its way of
/// encrypting, has no word for it. Needs no keys; fails as [`Packaging::new`] does.
pub fn left_out(
    presentation: &Arc<Presentation>,
    configuration: &Configuration,
) -> Result<Vec<LeftOut>> {
    let (rest, left_out) = carried(presentation.clone(), configuration)?;
    selected(&rest, configuration)?;
    Ok(left_out)
}

/// What a configuration can carry of a presentation, and what it leaves out.
fn carried(
    presentation: Arc<Presentation>,
    configuration: &Configuration,
) -> Result<(Arc<Presentation>, Vec<LeftOut>)> {
    let container = configuration.package_type.container();
    let scheme = configuration.encryption.as_ref().map(|encryption| encryption.scheme);
    let (presentation, left_out) = carriage::carried(presentation, container, scheme);
    if let Some(first) = left_out.first()
        && !presentation.streams.iter().any(is_shown)
    {
        return Err(Error::new(
            Kind::UnsupportedCodec,
            format!(
                "{} cannot carry {} of {}: {}",
                configuration.package_type.as_str(),
                first.what,
                first.stream,
                first.reason
            ),
        ));
    }
    Ok((presentation, left_out))
}

/// The streams that a configuration selects, in its order; one at least.
fn selected(presentation: &Presentation, configuration: &Configuration) -> Result<Vec<usize>> {
    let selection = configuration.stream_selection;
    let streams = select(presentation, selection);
    if streams.is_empty() {
        return Err(Error::new(
            Kind::NotFound,
            format!(
                "no stream has a declared BANDWIDTH between {} and {} bit/s; widen the stream \
                 selection of configuration {}",
                selection.min_video_bits_per_second,
                selection.max_video_bits_per_second,
                configuration.name
            ),
        ));
    }
    Ok(streams)
}

/// Whether segments of a kind have numbers beside their times: those of trick play and text have
/// gaps, or are one file.
const fn is_numbered(kind: RenditionKind) -> bool {
    matches!(kind, RenditionKind::Video | RenditionKind::Audio)
}

/// Whether a stream is to be shown, and anything of it can be.
fn is_shown(stream: &Stream) -> bool {
    stream.role.is_variant && (stream.has(Medium::Video) || stream.has(Medium::Audio))
}

/// The streams that a selection keeps, in its order.
fn select(presentation: &Presentation, selection: StreamSelection) -> Vec<usize> {
    let bandwidth = |index: usize| {
        presentation.streams.get(index).map_or(0, |stream| stream.declared_bandwidth)
    };
    let range = u64::from(selection.min_video_bits_per_second)
        ..=u64::from(selection.max_video_bits_per_second);
    let mut streams: Vec<usize> = (0..presentation.streams.len())
        .filter(|&index| {
            let stream = presentation.streams.get(index);
            stream.is_some_and(is_shown) && range.contains(&bandwidth(index))
        })
        .collect();
    match selection.order {
        StreamOrder::Original => {}
        StreamOrder::VideoBitrateAscending => streams.sort_by_key(|&index| bandwidth(index)),
        StreamOrder::VideoBitrateDescending => {
            streams.sort_by_key(|&index| std::cmp::Reverse(bandwidth(index)));
        }
    }
    streams
}

#[cfg(test)]
mod tests;
