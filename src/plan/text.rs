//! Subtitles: which segments they have, what is in each, how large it is.
//!
//! Text is cut where pictures are: at the boundaries that the fingerprint is made from, between the
//! start and the end of the period, so that a name stands for the same bytes in whichever order a
//! configuration offers its streams. A cue that is shown across a boundary is in both segments, with
//! its whole times. All text is in the index, so nothing here needs the source; it stays clear where
//! media is encrypted, as players expect.
//!
//! ```text
//! HLS       {time}.vtt            one WebVTT file for each segment
//! HLS_CMAF  {time}.vtt            the same
//!           init.mp4, {time}.m4s  one document in one sample of `stpp`, where all text is TTML
//! DASH      init.mp4, {time}.m4s  samples of `wvtt` or `stpp`
//!           period.vtt or .ttml   one file for each period, where that is wished for
//! ```
//!
//! TTML cannot stand in playlists of transport streams, nor beside WebVTT; there it is WebVTT, with
//! what that can say.
//! Times in fragments count on the timeline of the media, as `tfdt` does (ISO/IEC 14496-30 5.2).

use std::sync::Arc;

use super::segmentation::Segmentation;
use super::{Fingerprint, Packaging};
use crate::codec::ttml;
use crate::codec::webvtt::{self, TimestampMap, sample};
use crate::model::description::Description;
use crate::model::manifest::{
    Healing, ManifestSegment, PERIOD_TEXT_STEM, RenditionId, RenditionKind,
};
use crate::model::policy::{Container, DashSubtitles, PackageType};
use crate::model::presentation::Presentation;
use crate::model::sample::{FragmentLayout, transport};
use crate::model::text::{Cue, TextFormat, TextStream};
use crate::time::{Ticks, Timescale};

/// What text is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextForm {
    /// WebVTT files, one for each segment.
    Files,
    /// Fragments of a `wvtt` or `stpp` track.
    Fragments,
    /// One file for each period.
    Whole,
}

impl TextForm {
    pub(super) fn of(
        package_type: PackageType,
        subtitles: DashSubtitles,
        presentation: &Presentation,
    ) -> Self {
        // Players of HLS learn from CODECS of the variant what all of its text is, so there is one
        // form for all, and that which every text can have.
        let all_are_ttml = presentation.texts.iter().all(|text| text.ttml.is_some());
        match (package_type, subtitles) {
            (PackageType::HlsCmaf, _) if all_are_ttml => Self::Fragments,
            (PackageType::Hls | PackageType::HlsCmaf, _) => Self::Files,
            (PackageType::Dash, DashSubtitles::Wvtt) => Self::Fragments,
            (PackageType::Dash, DashSubtitles::Sidecar) => Self::Whole,
        }
    }

    /// The extension of its files.
    pub(super) const fn extension(self, format: TextFormat) -> &'static str {
        match self {
            Self::Files => TextFormat::WebVtt.extension(),
            Self::Whole => format.extension(),
            Self::Fragments => "m4s",
        }
    }
}

/// Everything about a stretch of text. Pure data.
#[derive(Clone, Debug)]
pub struct TextPlan {
    presentation: Arc<Presentation>,
    /// The directory that it stands in.
    pub fingerprint: Fingerprint,
    /// Whose segment it is.
    pub rendition: RenditionId,
    /// Index of the period.
    pub period: usize,
    /// When it begins, [`Timescale::MPEG`] ticks; names it.
    pub time: Ticks,
    /// When it ends.
    pub end: Ticks,
    /// Counts the rendition's segments over all periods, from 1.
    pub number: u64,
    /// What it is wrapped in.
    pub form: TextForm,
    /// What the source has.
    pub format: TextFormat,
    /// How times of text and media go together, where the form says so.
    pub map: Option<TimestampMap>,
    /// Exact size.
    pub bytes: u64,
}

impl TextPlan {
    /// Names it in caches and as entity tag.
    pub fn key(&self) -> String {
        let folder = format!("{}/{}/{}", self.fingerprint, self.rendition, self.period);
        let extension = self.form.extension(self.format);
        match self.form {
            TextForm::Whole => format!("{folder}/{PERIOD_TEXT_STEM}.{extension}"),
            TextForm::Files | TextForm::Fragments => {
                format!("{folder}/{}.{extension}", self.time.0)
            }
        }
    }

    /// The type that an HTTP answer declares.
    pub const fn content_type(&self) -> &'static str {
        match self.form {
            TextForm::Files => TextFormat::WebVtt.file_type(),
            TextForm::Whole => self.format.file_type(),
            TextForm::Fragments => "application/mp4",
        }
    }

    /// The text that it is a part of.
    pub fn text(&self) -> Option<&TextStream> {
        self.presentation.texts.get(self.rendition.stream)
    }

    /// The cues that are shown in its time, each with its place among all of the text.
    pub fn cues(&self) -> Vec<(usize, &Cue)> {
        self.text().map_or_else(Vec::new, |text| shown(text, 0, self.time, self.end))
    }

    /// What the times of the cues are counted from.
    pub fn origin(&self) -> Ticks {
        origin(self.form, self.time)
    }
}

impl Packaging {
    /// The plan of a stretch of text; `None` where there is none of that name and form.
    pub fn text(
        &self,
        rendition: RenditionId,
        period: usize,
        time: Ticks,
        form: TextForm,
    ) -> Option<TextPlan> {
        if rendition.kind != RenditionKind::Text {
            return None;
        }
        let entry = self.manifest().rendition(rendition, period)?;
        let format = entry.text.filter(|_| self.text_form == form)?;
        let listed = entry.segments.binary_search_by_key(&time, |segment| segment.time).ok()?;
        let segment = entry.segments.get(listed)?;
        let before: usize = (0..period)
            .filter_map(|period| self.manifest().rendition(rendition, period))
            .map(|rendition| rendition.segments.len())
            .sum();
        Some(TextPlan {
            fingerprint: self.segments.clone(),
            rendition,
            period,
            time,
            end: time.plus(segment.duration),
            number: (before + listed) as u64 + 1,
            form,
            format,
            map: map(&self.presentation, period, self.package_type.container(), form),
            bytes: segment.bytes,
            presentation: self.presentation.clone(),
        })
    }

    /// The plan of all text of a period, where that is one file.
    pub fn whole_text(
        &self,
        rendition: RenditionId,
        period: usize,
        format: TextFormat,
    ) -> Option<TextPlan> {
        let start = self.presentation.periods.get(period)?.start;
        let plan = self.text(rendition, period, start, TextForm::Whole);
        plan.filter(|plan| plan.format == format)
    }

    /// The text behind an initialization segment; `None` where there is no such segment.
    pub fn text_init(&self, rendition: RenditionId, period: usize) -> Option<&TextStream> {
        self.manifest().rendition(rendition, period)?.init?;
        let is_text = rendition.kind == RenditionKind::Text;
        self.presentation.texts.get(rendition.stream).filter(|_| is_text)
    }
}

/// What people are told of each text: no two have one name, and at most one is shown by itself
/// (RFC 8216 4.3.4.1.1).
pub(super) fn descriptions(presentation: &Presentation) -> Vec<Arc<Description>> {
    let mut all: Vec<Arc<Description>> = Vec::with_capacity(presentation.texts.len());
    for text in &presentation.texts {
        let words = &text.description;
        let is_free = |name: &String| all.iter().all(|other| other.name != *name);
        let numbered = (2..).map(|number| format!("{} {number}", words.name));
        let name = std::iter::once(words.name.clone()).chain(numbered).find(is_free);
        let has_default = all.iter().any(|other| other.is_default);
        all.push(Arc::new(Description {
            name: name.unwrap_or_default(),
            is_default: words.is_default && !has_default,
            ..words.clone()
        }));
    }
    all
}

/// The segments of a text in one period.
pub(super) fn segments(
    presentation: &Presentation,
    segmentation: &Segmentation,
    text: &TextStream,
    period: usize,
    container: Container,
    form: TextForm,
) -> Vec<ManifestSegment> {
    let map = map(presentation, period, container, form);
    let bounds = bounds(presentation, segmentation, period, form);
    let mut first = 0;
    let segments = bounds.windows(2).filter_map(|pair| {
        let &[from, to] = pair else { return None };
        // What is over is over for all that follow.
        while text.cues.get(first).is_some_and(|cue| cue.end <= from) {
            first += 1;
        }
        let cues = shown(text, first, from, to);
        let origin = origin(form, from);
        let bytes = match (form, &text.ttml) {
            (TextForm::Whole, Some(ttml)) => ttml::document_bytes(ttml, from, to, origin),
            (TextForm::Files, _) | (TextForm::Whole, None) => {
                let cues = cues.iter().map(|(_, cue)| *cue);
                webvtt::file_bytes(&text.header, map, cues, origin)
            }
            (TextForm::Fragments, Some(ttml)) => {
                let document = ttml::document_bytes(ttml, from, to, origin);
                fragment_layout(1).header_bytes() + document
            }
            (TextForm::Fragments, None) => {
                let samples = sample::samples(&cues, from, to);
                let payload: u64 = samples.iter().map(|sample| u64::from(sample.size)).sum();
                fragment_layout(samples.len()).header_bytes() + payload
            }
        };
        let duration = to.minus(from);
        Some(ManifestSegment { time: from, duration, bytes, healing: Healing::None })
    });
    segments.collect()
}

/// Which fields a fragment of so many samples needs.
pub fn fragment_layout(samples: usize) -> FragmentLayout {
    FragmentLayout {
        samples: u32::try_from(samples).unwrap_or(u32::MAX),
        uniform_duration: None,
        video: false,
        protection: None,
        clear_lead: false,
    }
}

/// Where segments begin, and where the last ends.
fn bounds(
    presentation: &Presentation,
    segmentation: &Segmentation,
    period: usize,
    form: TextForm,
) -> Vec<Ticks> {
    let Some(bounds) = presentation.periods.get(period) else { return Vec::new() };
    let (start, end) = (bounds.start, bounds.start.plus(bounds.duration));
    if start >= end {
        return Vec::new();
    }
    let basis = segmentation.periods().get(period).and_then(|period| period.basis.first());
    let cuts = basis.filter(|_| form != TextForm::Whole).into_iter().flatten().copied();
    let inside = cuts.filter(|cut| *cut > start && *cut < end);
    std::iter::once(start).chain(inside).chain([end]).collect()
}

/// The cues, from the place `first` on, that are shown in a stretch.
fn shown(text: &TextStream, first: usize, from: Ticks, to: Ticks) -> Vec<(usize, &Cue)> {
    let behind = text.cues.partition_point(|cue| cue.start < to);
    let cues = text.cues.iter().enumerate().take(behind).skip(first);
    cues.filter(|(_, cue)| cue.end > from).collect()
}

/// Files of a period count from its start (DASH-IF IOP 4.3 3.2.12), all else on the timeline.
fn origin(form: TextForm, from: Ticks) -> Ticks {
    match form {
        TextForm::Whole => from,
        TextForm::Files | TextForm::Fragments => Ticks::ZERO,
    }
}

/// Says which time of the text is which time of the media (RFC 8216 3.5). Cues count on the
/// timeline, of which players see the clock: that of transport streams is ahead of it. The map names
/// the start of the period: one that names 0 of both in a later period is taken by hls.js to mean
/// that text begins anew there.
fn map(
    presentation: &Presentation,
    period: usize,
    container: Container,
    form: TextForm,
) -> Option<TimestampMap> {
    if form != TextForm::Files {
        return None;
    }
    const TICKS_PER_MILLISECOND: i64 = 90;
    let start = match period {
        0 => Ticks::ZERO,
        period => presentation.periods.get(period)?.start,
    };
    let local = Ticks(start.0.div_euclid(TICKS_PER_MILLISECOND) * TICKS_PER_MILLISECOND);
    let ahead = match container {
        Container::MpegTs => transport::TIMELINE_START,
        Container::Cmaf => 0,
    };
    let clock = local.plus(Ticks(ahead)).0.rem_euclid(1 << 33);
    Some(TimestampMap { local, clock: clock as u64 })
}

/// The unit of all times of text.
pub(super) const TIMESCALE: Timescale = Timescale::MPEG;

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
