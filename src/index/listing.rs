//! From a media playlist to the segments that ingest reads: where they and their keys lie, and what
//! the playlist got wrong. Segments that `EXT-X-GAP` says are missing are left out here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use bytes::Bytes;

use super::ingest::IngestLimits;
use super::notes::add_notes;
use crate::cenc::aes128::sequence_iv;
use crate::hls::read::{
    self, MarkerTag, MediaContext, MediaSegment, ReadError, StartOffset, StreamEntry, Variables,
};
use crate::model::ingest::{FailureCode, FindingCode, Findings, IngestFailure, Place};
use crate::model::source_key::SourceEncryption;
use crate::source::{Root, SourcePath};

/// A stream whose media playlist has been read.
#[derive(Debug)]
pub(super) struct StreamSource {
    pub entry: StreamEntry,
    pub segments: Vec<SegmentSource>,
    /// Segments, counted without gaps, that a gap stands before.
    pub behind_gaps: Vec<usize>,
    /// Tags about markers, whose places count the segments without gaps.
    pub markers: Vec<MarkerTag>,
    pub findings: Findings,
    pub claim: Claim,
    /// Where players are to begin.
    pub start: Option<StartOffset>,
}

/// What `EXTINF` says of all segments together.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim {
    /// Of each segment that is there, in order.
    each: Vec<Option<Duration>>,
    /// Their sum.
    total: Duration,
    /// How far it may be off by rounding alone.
    slack: Duration,
    /// Whether some segments say nothing.
    is_partial: bool,
}

/// Encoders leave out or add a frame or two, at the end above all.
const FREE_SLACK: Duration = Duration::from_millis(500);

impl Claim {
    fn add(&mut self, duration: Option<Duration>) {
        self.each.push(duration);
        let Some(duration) = duration else {
            self.is_partial = true;
            return;
        };
        self.total = self.total.saturating_add(duration);
        // Before version 3 of the protocol durations were whole seconds (RFC 8216 4.3.2.1).
        let is_whole = duration.subsec_nanos() == 0;
        let rounding = Duration::from_millis(if is_whole { 500 } else { 1 });
        self.slack = self.slack.saturating_add(rounding);
    }

    /// How many segments last something else than their `EXTINF`, and words about the first.
    /// `measured` has milliseconds by segment, where they are known.
    pub fn segments_differ(&self, measured: &[Option<i64>]) -> Option<(u64, String)> {
        let pairs = self.each.iter().zip(measured).enumerate();
        let mut differing = pairs.filter_map(|(index, (claimed, measured))| {
            let claimed = (*claimed)?;
            let measured = Duration::from_millis(u64::try_from((*measured)?).ok()?);
            let slack = FREE_SLACK.max(measured / 10);
            (claimed.abs_diff(measured) > slack).then_some((index, claimed, measured))
        });
        let (index, claimed, measured) = differing.next()?;
        let detail = format!(
            "EXTINF of segment {} is {}.{:03} s, and it lasts {}.{:03} s",
            index + 1,
            claimed.as_secs(),
            claimed.subsec_millis(),
            measured.as_secs(),
            measured.subsec_millis()
        );
        Some((1 + differing.count() as u64, detail))
    }

    /// The finding where the media last `measured` milliseconds and that is something else.
    pub fn differs(&self, measured: i64) -> Option<String> {
        let measured = Duration::from_millis(u64::try_from(measured).ok()?);
        let distance = self.total.abs_diff(measured);
        let differs = !self.is_partial && distance > self.slack.saturating_add(FREE_SLACK);
        differs.then(|| {
            format!(
                "EXTINF of all segments sum to {}.{:03} s, and the media last {}.{:03} s",
                self.total.as_secs(),
                self.total.subsec_millis(),
                measured.as_secs(),
                measured.subsec_millis()
            )
        })
    }
}

/// A segment that is there.
#[derive(Debug)]
pub(super) struct SegmentSource {
    pub path: SourcePath,
    pub byte_range: Option<(u64, u64)>,
    pub discontinuity: bool,
    pub encryption: Option<SourceEncryption>,
    /// `EXT-X-PROGRAM-DATE-TIME`, milliseconds since the start of 1970, UTC.
    pub date: Option<i64>,
    /// Where `EXTINF` puts it, from the start of the playlist, gaps included.
    pub at: Duration,
    /// `EXTINF`.
    pub duration: Option<Duration>,
}

/// Reads the media playlist of one copy of a stream.
pub(super) async fn list(
    root: &Root,
    master: &SourcePath,
    entry: StreamEntry,
    variables: &Variables,
    limits: IngestLimits,
) -> Result<StreamSource, IngestFailure> {
    let path = master.resolve(&entry.uri, root.url()).map_err(|error| {
        let mut failure = error.to_ingest_failure();
        failure.detail = format!("{master}: {}", failure.detail);
        failure
    })?;
    let bytes = read_playlist(root, &path, limits).await?;
    // The query as written: roots that know no queries forget it.
    let query = entry.uri.split('#').next().and_then(|uri| Some(uri.split_once('?')?.1));
    let context = MediaContext { variables, query, max_segments: limits.max_segments };
    let playlist = read::media_playlist(&bytes, &context)
        .map_err(|error| playlist_failure(path.as_str(), &error))?;
    let start = playlist.start;
    let mut findings = Findings::new();
    add_notes(&playlist.notes, path.as_str(), Some(&entry.uri), &mut findings);
    let (mut segments, mut behind_gaps) = (Vec::new(), Vec::new());
    let mut claim = Claim::default();
    let at_line = |line: usize| Place::stream(&entry.uri).file(path.as_str()).line(line as u64);
    let mut first_lines = HashMap::new();
    let (mut gap, mut discontinuity) = (false, false);
    let mut at = Duration::ZERO;
    let mut markers = playlist.markers;
    let mut places = Vec::with_capacity(playlist.segments.len());
    for segment in playlist.segments {
        places.push(segments.len());
        let begins = at;
        at = at.saturating_add(segment.duration.unwrap_or_default());
        discontinuity |= segment.discontinuity;
        if segment.gap {
            let claimed = segment.duration.unwrap_or_default();
            let detail = format!(
                "{path}, line {}: EXT-X-GAP says that {} is missing; its {}.{:03} s are not played",
                segment.line,
                segment.uri,
                claimed.as_secs(),
                claimed.subsec_millis()
            );
            findings.add(FindingCode::SegmentGap, at_line(segment.line), detail);
            gap = true;
            continue;
        }
        claim.add(segment.duration);
        let place = place(root, &path, &segment)?;
        match first_lines.entry((place.path.to_stored(), place.byte_range)) {
            Entry::Occupied(first) => {
                let detail = format!(
                    "{path}, line {}: {} is listed in line {} already; it is played again",
                    segment.line,
                    place.path,
                    first.get()
                );
                findings.add(FindingCode::SameFileTwice, at_line(segment.line), detail);
            }
            Entry::Vacant(entry) => {
                entry.insert(segment.line);
            }
        }
        if gap {
            behind_gaps.push(segments.len());
        }
        segments.push(SegmentSource { discontinuity, at: begins, ..place });
        (gap, discontinuity) = (false, false);
    }
    if segments.is_empty() {
        return Err(IngestFailure::new(
            FailureCode::SourceNotFound,
            format!("{path}: every segment is an EXT-X-GAP, so there is nothing to play"),
        ));
    }
    for tag in &mut markers {
        tag.segment = places.get(tag.segment).copied().unwrap_or(segments.len());
    }
    Ok(StreamSource { entry, segments, behind_gaps, markers, findings, claim, start })
}

/// Where a segment and its key are.
fn place(
    root: &Root,
    playlist: &SourcePath,
    segment: &MediaSegment,
) -> Result<SegmentSource, IngestFailure> {
    let at_line = |line: usize, mut failure: IngestFailure| {
        failure.detail = format!("{playlist}, line {line}: {}", failure.detail);
        failure
    };
    let path = playlist
        .resolve(&segment.uri, root.url())
        .map_err(|error| at_line(segment.line, error.to_ingest_failure()))?;
    let encryption = match &segment.key {
        Some(key) => Some(SourceEncryption {
            key: root
                .key_place(playlist, &key.uri)
                .map_err(|error| at_line(key.line, error.to_ingest_failure()))?,
            iv: key.iv.unwrap_or(sequence_iv(segment.media_sequence)),
        }),
        None => None,
    };
    Ok(SegmentSource {
        path,
        byte_range: segment.byte_range,
        discontinuity: false,
        encryption,
        date: segment.program_date_time.map(|date| date.unix_milliseconds),
        at: Duration::ZERO,
        duration: segment.duration,
    })
}

/// The segments behind gaps begin a stretch of their own where all streams have the same gaps.
/// Where only some have, the clock tells.
pub(super) fn break_at_gaps(sources: &mut [StreamSource]) {
    let Some(first) = sources.first() else { return };
    let (gaps, count) = (first.behind_gaps.clone(), first.segments.len());
    let same =
        sources.iter().all(|source| source.behind_gaps == gaps && source.segments.len() == count);
    if same {
        for source in sources {
            for index in &source.behind_gaps {
                if let Some(segment) = source.segments.get_mut(*index) {
                    segment.discontinuity = true;
                }
            }
        }
    }
}

/// A playlist as bytes.
pub(super) async fn read_playlist(
    root: &Root,
    path: &SourcePath,
    limits: IngestLimits,
) -> Result<Bytes, IngestFailure> {
    root.read_all(path, limits.max_playlist_bytes).await.map_err(|error| error.to_ingest_failure())
}

/// A playlist that cannot be read, with its name.
pub(super) fn playlist_failure(path: &str, error: &ReadError) -> IngestFailure {
    let code = match error {
        ReadError::NotAPlaylist { .. }
        | ReadError::Tag { .. }
        | ReadError::UndefinedVariable { .. }
        | ReadError::NotAMediaPlaylist { .. }
        | ReadError::NoSegments { .. }
        | ReadError::DeltaUpdate { .. }
        | ReadError::IFramesOnly { .. } => FailureCode::NotAPlaylist,
        ReadError::TooManySegments { .. } => FailureCode::LimitExceeded,
        ReadError::NotAMasterPlaylist { .. } => FailureCode::NotAMasterPlaylist,
        ReadError::NoStreams => FailureCode::NoVariants,
        ReadError::NotEnded { .. } => FailureCode::NotVod,
        ReadError::Encrypted { .. } | ReadError::FragmentedMp4 { .. } => {
            FailureCode::UnsupportedContainer
        }
    };
    let advice = match error {
        ReadError::TooManySegments { .. } => " (ingest.max_segments)",
        _ => "",
    };
    IngestFailure::new(code, format!("{path}: {error}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_may_be_off_by_what_rounding_takes() {
        let claim = |durations: &[u64]| {
            let mut claim = Claim::default();
            durations.iter().for_each(|ms| claim.add(Some(Duration::from_millis(*ms))));
            claim
        };
        let exact = claim(&[6_006, 6_006, 2_002]);
        assert_eq!(exact.differs(14_014), None);
        assert_eq!(exact.differs(13_520), None);
        let said = exact.differs(13_500).unwrap();
        assert!(said.contains("14.014 s") && said.contains("13.500 s"), "{said}");
        assert!(exact.differs(14_530).is_some());
        // Whole seconds are rounded ones.
        assert_eq!(claim(&[6_000, 6_000, 6_000]).differs(19_990), None);
        assert!(claim(&[6_000, 6_000, 6_000]).differs(20_010).is_some());
        let mut partial = claim(&[6_006]);
        partial.add(None);
        assert_eq!(partial.differs(90_000), None);
    }
}
