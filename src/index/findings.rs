//! What is found where the index does not show it: damage that the scan counted, and periods that no
//! playlist announces.

use super::build::ReadStream;
use super::periods::Periods;
use super::scan::Begin;
use crate::model::ingest::{FindingCode, Findings, PeriodCause, Place};
use crate::model::presentation::{Presentation, SourceObject, SourcePosition};
use crate::time::{Ticks, Timescale};

/// Why each period begins.
pub(super) fn cause(index: usize, begin: Begin) -> PeriodCause {
    match begin {
        Begin::Announced if index == 0 => PeriodCause::Start,
        Begin::Announced => PeriodCause::Discontinuity,
        Begin::ClockJump { .. } => PeriodCause::ClockJump,
        Begin::Configuration => PeriodCause::ConfigurationChange,
        Begin::Moved => PeriodCause::TrackMove,
    }
}

/// Periods that the playlist does not announce.
pub(super) fn find_breaks(presentation: &Presentation, periods: &Periods, findings: &mut Findings) {
    for (index, (period, begin)) in presentation.periods.iter().zip(&periods.begins).enumerate() {
        let (code, detail) = match begin {
            Begin::Announced | Begin::Moved => continue,
            Begin::ClockJump { from, to } => (
                FindingCode::ClockJump,
                format!(
                    "the clock jumps from {} s to {} s; a period begins there",
                    from.seconds(Timescale::MPEG, 3),
                    to.seconds(Timescale::MPEG, 3)
                ),
            ),
            Begin::Configuration => (
                FindingCode::ConfigurationChanges,
                "the decoder configuration changes; a period begins there".to_owned(),
            ),
        };
        let place = Place {
            period: Some(index as u32),
            time_milliseconds: Some(milliseconds(period.start)),
            ..Place::default()
        };
        findings.add(code, place, detail);
    }
}

/// What the scan of a stream noticed.
pub(super) fn find_damage(stream: &ReadStream, findings: &mut Findings) {
    let uri = &stream.declared.uri;
    for (&code, entry) in &stream.scan.damage.entries {
        let places: Vec<Place> =
            entry.places.iter().map(|at| place_in(uri, &stream.objects, *at)).collect();
        let place = places.first().cloned().unwrap_or_else(|| Place::stream(uri));
        let detail = if entry.detail.is_empty() { damage_words(code) } else { &entry.detail };
        findings.add_many(code, place, entry.count, detail);
        for place in places.into_iter().skip(1) {
            findings.also_at(code, place);
        }
    }
    for name in &stream.scan.damage.left_out {
        let detail = format!("{name} is left out");
        findings.add(FindingCode::TrackLeftOut, Place::stream(uri), detail);
    }
    let (pictures, sound) = (stream.scan.pictures, stream.scan.sound);
    let [later, earlier] = sound.steps;
    // Several steps to one side and none to the other: the clocks run apart.
    let drifts = later.abs_diff(earlier) >= 2 && later.min(earlier) == 0;
    let (gaps, overlaps) = if drifts {
        let detail = format!(
            "sound runs {} than its timestamps; it was set right {} times by a frame",
            if later > earlier { "faster" } else { "slower" },
            later.max(earlier)
        );
        findings.add(FindingCode::AudioDrift, Place::stream(uri), detail);
        (sound.gaps, sound.repeated.saturating_sub(earlier))
    } else {
        (sound.gaps + later, sound.repeated)
    };
    let counts = [
        (FindingCode::PicturesBeforeKeyframe, pictures.undecodable),
        (FindingCode::LeadingPicturesDropped, pictures.leading),
        (FindingCode::TimestampsMissing, pictures.undated + sound.undated),
        (FindingCode::TimestampsDoubted, pictures.doubted),
        (FindingCode::DecodeTimesRepaired, pictures.spread),
        (FindingCode::AudioGaps, gaps),
        (FindingCode::AudioOverlaps, overlaps),
    ];
    for (code, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        findings.add_many(code, Place::stream(uri), count, damage_words(code));
    }
}

fn place_in(uri: &str, objects: &[SourceObject], at: SourcePosition) -> Place {
    let object = objects.get(at.object as usize);
    Place {
        stream: Some(uri.to_owned()),
        file: object.map(|object| object.path.clone()),
        byte: object.map(|object| object.start + at.offset),
        ..Place::default()
    }
}

/// What exactly a count counts.
const fn damage_words(code: FindingCode) -> &'static str {
    match code {
        FindingCode::PacketsLost => "transport packets are missing",
        FindingCode::PacketsRepeated => "transport packets are repeated",
        FindingCode::SyncLost => "bytes between transport packets are skipped",
        FindingCode::PacketsUnreadable => "transport packets have broken headers",
        FindingCode::PacketsScrambled => "transport packets are scrambled and left out",
        FindingCode::PacketsMarkedDamaged => "transport packets are marked as damaged and left out",
        FindingCode::PacketTruncated => "the file ends inside a transport packet",
        FindingCode::BytesTrailing => "the file ends with bytes that are no packet",
        FindingCode::TablesLate => "packets come before the tables that say what they are",
        FindingCode::TablesBroken => "sections have wrong checksums",
        FindingCode::TrackMoves => "a track moves to another PID",
        FindingCode::DataUnannounced => "PIDs carry data that no program map lists",
        FindingCode::UnitsBroken => "pictures or frames have broken syntax",
        FindingCode::HeadersBroken => "PES packets have broken headers",
        FindingCode::PacketsOf192Bytes => "packets have time codes in front",
        FindingCode::PacketsOf204Bytes => "packets have parity behind",
        FindingCode::ClockReferenceMissing => "there is no program clock reference",
        FindingCode::ClockReferenceElsewhere => {
            "clock references are on another PID than the program map says"
        }
        FindingCode::ClockReferenceWrong => {
            "clock references are more than five seconds from decoding times"
        }
        FindingCode::PicturesBeforeKeyframe => "pictures cannot be decoded and are left out",
        FindingCode::LeadingPicturesDropped => {
            "leading pictures refer to what is not there and are left out"
        }
        FindingCode::TimestampsMissing => "pictures or frames have no timestamps of their own",
        FindingCode::TimestampsDoubted => "timestamps are out of line and not believed",
        FindingCode::DecodeTimesRepaired => {
            "groups of pictures have decoding times that do not grow; they are spread evenly"
        }
        FindingCode::MetadataLeftOut => {
            "PES packets with timed metadata hold no whole ID3 tag with a time, or too much of it"
        }
        FindingCode::AudioGaps => "times sound is missing for more than half a frame",
        FindingCode::AudioOverlaps => "frames that repeat what was heard are left out",
        _ => "found",
    }
}

fn milliseconds(time: Ticks) -> i64 {
    Timescale::new(1000).map_or(0, |scale| time.rescale(Timescale::MPEG, scale).0)
}
