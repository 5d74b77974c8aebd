//! What an operator should know about a source: a closed set of findings.
//!
//! A finding says what, where and what to do. Findings of one code and stream are joined: how often,
//! and the first places. Codes are part of the contract; docs/findings.md explains each.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Viewers notice nothing.
    Info,
    /// Viewers may notice it, or other programs trip over it.
    Warning,
    /// Something is missing for viewers.
    Error,
}

/// What was found. The words are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// `BANDWIDTH` is not the peak that was measured.
    BandwidthDiffers,
    /// `AVERAGE-BANDWIDTH` is not the average that was measured.
    AverageBandwidthDiffers,
    /// `RESOLUTION` is not the size of the pictures.
    ResolutionDiffers,
    /// `FRAME-RATE` is not that of the pictures.
    FrameRateDiffers,
    /// `CODECS` is not what the media hold.
    CodecsDiffer,
    /// `EXTINF` is not how long a segment lasts.
    ExtinfDiffers,
    /// An `EXTINF` is longer than `EXT-X-TARGETDURATION`.
    ExtinfAboveTarget,
    /// A playlist breaks the standard where that does no harm.
    PlaylistUntidy,
    /// A media playlist lists the same bytes more than once.
    SameFileTwice,
    /// The master playlist lists a media playlist twice.
    DuplicateVariant,
    /// A variant is a copy of another, for when that fails.
    RedundantVariant,
    /// A variant cannot be read and is left out.
    VariantMissing,
    /// The playlist says that segments are missing (`EXT-X-GAP`).
    SegmentGap,
    /// An `EXT-X-MEDIA` rendition is left out.
    RenditionLeftOut,
    /// Media playlists have different numbers of discontinuities.
    DiscontinuitiesDiffer,
    /// Renditions end at different times.
    LengthsDiffer,
    /// A track is a second one of its kind, or in a codec that is not read.
    TrackLeftOut,
    /// A package type cannot carry a codec.
    CodecLeftOut,
    /// Pictures can be begun with at recovery points, not at IDR pictures.
    RecoveryPointsOnly,
    /// Pictures are refreshed bit by bit; there is no picture to begin with.
    GradualRefreshOnly,
    /// HE-AAC that the playlist calls AAC, or the other way round.
    ExtensionUndeclared,
    /// A field has no other to make a frame with.
    UnpairedFields,
    /// The clock jumps without `EXT-X-DISCONTINUITY`.
    ClockJump,
    /// A stream's clock has nothing to do with those of the others.
    ClocksDiffer,
    /// Pictures have no timestamps of their own.
    TimestampsMissing,
    /// Timestamps are out of line with those around them.
    TimestampsDoubted,
    /// Decoding times are missing, repeated or run back.
    DecodeTimesRepaired,
    /// Sound is missing for more than half a frame.
    AudioGaps,
    /// Sound is repeated for more than half a frame.
    AudioOverlaps,
    /// Sound and pictures begin apart.
    AudioOffset,
    /// Sound runs away from its timestamps little by little.
    AudioDrift,
    /// Sound and pictures end apart.
    AudioEndsApart,
    /// There is no program clock reference.
    ClockReferenceMissing,
    /// Program clock references are far from decoding times.
    ClockReferenceWrong,
    /// The program clock reference is not where the program map says.
    ClockReferenceElsewhere,
    /// The 33-bit clock wraps.
    ClockWraps,
    /// Transport packets are missing.
    PacketsLost,
    /// Transport packets are repeated.
    PacketsRepeated,
    /// There are bytes between transport packets.
    SyncLost,
    /// Transport packets have broken headers.
    PacketsUnreadable,
    /// Transport packets are scrambled.
    PacketsScrambled,
    /// Transport packets are marked as damaged.
    PacketsMarkedDamaged,
    /// A segment ends inside a transport packet.
    PacketTruncated,
    /// A segment ends with bytes that are no packet.
    BytesTrailing,
    /// Packets come before the tables that say what they are.
    TablesLate,
    /// Tables have wrong checksums.
    TablesBroken,
    /// A track moves to another PID without `EXT-X-DISCONTINUITY`.
    TrackMoves,
    /// The program map lists a track that has no data.
    TrackEmpty,
    /// A track is missing in some segments.
    TrackMissingInSegments,
    /// Data come on PIDs that no program map lists.
    DataUnannounced,
    /// Pictures or frames have broken syntax.
    UnitsBroken,
    /// PES packets have broken headers.
    HeadersBroken,
    /// Pictures come before the first that can be decoded.
    PicturesBeforeKeyframe,
    /// Leading pictures refer to what is not there.
    LeadingPicturesDropped,
    /// Decoders must be set up anew without `EXT-X-DISCONTINUITY`.
    ConfigurationChanges,
    /// Packets have time codes of four bytes in front (M2TS).
    #[serde(rename = "packets_of_192_bytes")]
    PacketsOf192Bytes,
    /// Packets have sixteen bytes of parity behind.
    #[serde(rename = "packets_of_204_bytes")]
    PacketsOf204Bytes,
    /// Renditions share too few keyframes.
    KeyframesNotShared,
    /// Keyframes are more than twelve seconds apart.
    KeyframesFarApart,
}

impl FindingCode {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 59] = [
        Self::BandwidthDiffers,
        Self::AverageBandwidthDiffers,
        Self::ResolutionDiffers,
        Self::FrameRateDiffers,
        Self::CodecsDiffer,
        Self::ExtinfDiffers,
        Self::ExtinfAboveTarget,
        Self::PlaylistUntidy,
        Self::SameFileTwice,
        Self::DuplicateVariant,
        Self::RedundantVariant,
        Self::VariantMissing,
        Self::SegmentGap,
        Self::RenditionLeftOut,
        Self::DiscontinuitiesDiffer,
        Self::LengthsDiffer,
        Self::TrackLeftOut,
        Self::CodecLeftOut,
        Self::RecoveryPointsOnly,
        Self::GradualRefreshOnly,
        Self::ExtensionUndeclared,
        Self::UnpairedFields,
        Self::ClockJump,
        Self::ClocksDiffer,
        Self::TimestampsMissing,
        Self::TimestampsDoubted,
        Self::DecodeTimesRepaired,
        Self::AudioGaps,
        Self::AudioOverlaps,
        Self::AudioOffset,
        Self::AudioDrift,
        Self::AudioEndsApart,
        Self::ClockReferenceMissing,
        Self::ClockReferenceWrong,
        Self::ClockReferenceElsewhere,
        Self::ClockWraps,
        Self::PacketsLost,
        Self::PacketsRepeated,
        Self::SyncLost,
        Self::PacketsUnreadable,
        Self::PacketsScrambled,
        Self::PacketsMarkedDamaged,
        Self::PacketTruncated,
        Self::BytesTrailing,
        Self::TablesLate,
        Self::TablesBroken,
        Self::TrackMoves,
        Self::TrackEmpty,
        Self::TrackMissingInSegments,
        Self::DataUnannounced,
        Self::UnitsBroken,
        Self::HeadersBroken,
        Self::PicturesBeforeKeyframe,
        Self::LeadingPicturesDropped,
        Self::ConfigurationChanges,
        Self::PacketsOf192Bytes,
        Self::PacketsOf204Bytes,
        Self::KeyframesNotShared,
        Self::KeyframesFarApart,
    ];

    /// The word that the API writes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BandwidthDiffers => "bandwidth_differs",
            Self::AverageBandwidthDiffers => "average_bandwidth_differs",
            Self::ResolutionDiffers => "resolution_differs",
            Self::FrameRateDiffers => "frame_rate_differs",
            Self::CodecsDiffer => "codecs_differ",
            Self::ExtinfDiffers => "extinf_differs",
            Self::ExtinfAboveTarget => "extinf_above_target",
            Self::PlaylistUntidy => "playlist_untidy",
            Self::SameFileTwice => "same_file_twice",
            Self::DuplicateVariant => "duplicate_variant",
            Self::RedundantVariant => "redundant_variant",
            Self::VariantMissing => "variant_missing",
            Self::SegmentGap => "segment_gap",
            Self::RenditionLeftOut => "rendition_left_out",
            Self::DiscontinuitiesDiffer => "discontinuities_differ",
            Self::LengthsDiffer => "lengths_differ",
            Self::TrackLeftOut => "track_left_out",
            Self::CodecLeftOut => "codec_left_out",
            Self::RecoveryPointsOnly => "recovery_points_only",
            Self::GradualRefreshOnly => "gradual_refresh_only",
            Self::ExtensionUndeclared => "extension_undeclared",
            Self::UnpairedFields => "unpaired_fields",
            Self::ClockJump => "clock_jump",
            Self::ClocksDiffer => "clocks_differ",
            Self::TimestampsMissing => "timestamps_missing",
            Self::TimestampsDoubted => "timestamps_doubted",
            Self::DecodeTimesRepaired => "decode_times_repaired",
            Self::AudioGaps => "audio_gaps",
            Self::AudioOverlaps => "audio_overlaps",
            Self::AudioOffset => "audio_offset",
            Self::AudioDrift => "audio_drift",
            Self::AudioEndsApart => "audio_ends_apart",
            Self::ClockReferenceMissing => "clock_reference_missing",
            Self::ClockReferenceWrong => "clock_reference_wrong",
            Self::ClockReferenceElsewhere => "clock_reference_elsewhere",
            Self::ClockWraps => "clock_wraps",
            Self::PacketsLost => "packets_lost",
            Self::PacketsRepeated => "packets_repeated",
            Self::SyncLost => "sync_lost",
            Self::PacketsUnreadable => "packets_unreadable",
            Self::PacketsScrambled => "packets_scrambled",
            Self::PacketsMarkedDamaged => "packets_marked_damaged",
            Self::PacketTruncated => "packet_truncated",
            Self::BytesTrailing => "bytes_trailing",
            Self::TablesLate => "tables_late",
            Self::TablesBroken => "tables_broken",
            Self::TrackMoves => "track_moves",
            Self::TrackEmpty => "track_empty",
            Self::TrackMissingInSegments => "track_missing_in_segments",
            Self::DataUnannounced => "data_unannounced",
            Self::UnitsBroken => "units_broken",
            Self::HeadersBroken => "headers_broken",
            Self::PicturesBeforeKeyframe => "pictures_before_keyframe",
            Self::LeadingPicturesDropped => "leading_pictures_dropped",
            Self::ConfigurationChanges => "configuration_changes",
            Self::PacketsOf192Bytes => "packets_of_192_bytes",
            Self::PacketsOf204Bytes => "packets_of_204_bytes",
            Self::KeyframesNotShared => "keyframes_not_shared",
            Self::KeyframesFarApart => "keyframes_far_apart",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::BandwidthDiffers
            | Self::AverageBandwidthDiffers
            | Self::ResolutionDiffers
            | Self::FrameRateDiffers
            | Self::CodecsDiffer
            | Self::ExtinfDiffers
            | Self::ExtinfAboveTarget
            | Self::PlaylistUntidy
            | Self::DuplicateVariant
            | Self::RedundantVariant
            | Self::ExtensionUndeclared
            | Self::TimestampsMissing
            | Self::DecodeTimesRepaired
            | Self::ClockReferenceMissing
            | Self::ClockReferenceWrong
            | Self::ClockReferenceElsewhere
            | Self::ClockWraps
            | Self::PacketsRepeated
            | Self::BytesTrailing
            | Self::TablesLate
            | Self::DataUnannounced
            | Self::LeadingPicturesDropped
            | Self::PacketsOf192Bytes
            | Self::PacketsOf204Bytes => Severity::Info,
            Self::PacketsScrambled => Severity::Error,
            _ => Severity::Warning,
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::BandwidthDiffers => {
                "Nothing for players: manifests show what the media have. Mend the master playlist if you select streams by it."
            }
            Self::AverageBandwidthDiffers => "Nothing: manifests show what the media have.",
            Self::ResolutionDiffers => "Nothing: manifests show what the media have.",
            Self::FrameRateDiffers => "Nothing: manifests show what the media have.",
            Self::CodecsDiffer => {
                "Nothing: manifests show what the media have. The encoder's settings may not be what you think."
            }
            Self::ExtinfDiffers => "Nothing: manifests show what the media have.",
            Self::ExtinfAboveTarget => {
                "Nothing: our playlists have a target duration of their own."
            }
            Self::PlaylistUntidy => {
                "Nothing for our players; other programs may stumble over the line."
            }
            Self::SameFileTwice => {
                "Remove the repeated line if the title was not meant to repeat itself."
            }
            Self::DuplicateVariant => "Remove the second entry of the same media playlist.",
            Self::RedundantVariant => "Nothing: the first copy that can be read is used.",
            Self::VariantMissing => {
                "Upload the variant, or remove it from the master playlist; then ingest again."
            }
            Self::SegmentGap => "Upload what is missing and remove EXT-X-GAP, then ingest again.",
            Self::RenditionLeftOut => "Players are not offered it.",
            Self::DiscontinuitiesDiffer => {
                "Give all media playlists the same EXT-X-DISCONTINUITY tags."
            }
            Self::LengthsDiffer => "Encode all renditions from the same beginning to the same end.",
            Self::TrackLeftOut => {
                "Store it in a codec that is read, one track of a kind in each stream."
            }
            Self::CodecLeftOut => {
                "Offer a rendition in another codec beside it, or use a package type that carries it."
            }
            Self::RecoveryPointsOnly => {
                "Encode with IDR pictures every two seconds or so: some players begin badly at recovery points."
            }
            Self::GradualRefreshOnly => {
                "Encode with IDR pictures every two seconds or so: pictures are incomplete after each seek."
            }
            Self::ExtensionUndeclared => "Nothing: manifests show what the media have.",
            Self::UnpairedFields => "Look at the recording: a field of a frame is missing.",
            Self::ClockJump => "Add EXT-X-DISCONTINUITY where the clock jumps.",
            Self::ClocksDiffer => {
                "Look whether renditions are in step when players switch; give all renditions one clock."
            }
            Self::TimestampsMissing => "Nothing: pictures are placed by their order.",
            Self::TimestampsDoubted => {
                "Look at the multiplexer: it writes timestamps that lead nowhere."
            }
            Self::DecodeTimesRepaired => "Nothing: pictures are decoded at even distances.",
            Self::AudioGaps => {
                "The gap is kept, so sound stays in step. Look at the recording if there are many."
            }
            Self::AudioOverlaps => {
                "Nothing: what is repeated is left out. Look at the recording if there are many."
            }
            Self::AudioOffset => {
                "Check that sound and pictures are in step; if they are not, mend the source's timestamps."
            }
            Self::AudioDrift => "Sound is kept in step. Mend the clock of the recording.",
            Self::AudioEndsApart => "Encode sound and pictures to the same end.",
            Self::ClockReferenceMissing => {
                "Nothing: our streams have clock references of their own."
            }
            Self::ClockReferenceWrong => {
                "Nothing: our streams have clock references of their own. Other players of the source may stall."
            }
            Self::ClockReferenceElsewhere => {
                "Nothing: our streams have clock references of their own."
            }
            Self::ClockWraps => "Nothing: times are unwrapped.",
            Self::PacketsLost => {
                "Pictures or sound may be damaged there. Record or upload again if it shows."
            }
            Self::PacketsRepeated => "Nothing: repeated packets are read once.",
            Self::SyncLost => "Often a broken upload or joined files; upload again if it shows.",
            Self::PacketsUnreadable => "Record or upload again if it shows.",
            Self::PacketsScrambled => {
                "Store the stream clear: what is scrambled cannot be packaged."
            }
            Self::PacketsMarkedDamaged => {
                "The receiver marked them as damaged; record again if it shows."
            }
            Self::PacketTruncated => "The end of the file is missing; upload it again.",
            Self::BytesTrailing => "Nothing: bytes that are no packet are left out.",
            Self::TablesLate => "Nothing: packets before the tables are read, too.",
            Self::TablesBroken => {
                "Look at the multiplexer: sections with wrong checksums are not believed."
            }
            Self::TrackMoves => "Add EXT-X-DISCONTINUITY where the tracks move to other PIDs.",
            Self::TrackEmpty => {
                "Remove the track from the program map, or store what it announces."
            }
            Self::TrackMissingInSegments => "Look at the recording: the track is missing there.",
            Self::DataUnannounced => {
                "Announce the PID in the program map if players are to get it."
            }
            Self::UnitsBroken => {
                "Pictures or sound may be damaged. Record or upload again if it shows."
            }
            Self::HeadersBroken => {
                "Pictures or sound may be damaged. Record or upload again if it shows."
            }
            Self::PicturesBeforeKeyframe => {
                "They are left out, as no decoder could show them. Cut recordings at keyframes."
            }
            Self::LeadingPicturesDropped => "Nothing: they refer to pictures that are not there.",
            Self::ConfigurationChanges => {
                "Add EXT-X-DISCONTINUITY where decoders have to be set up anew."
            }
            Self::PacketsOf192Bytes => "Nothing: time codes in front of packets are left out.",
            Self::PacketsOf204Bytes => "Nothing: parity behind packets is left out.",
            Self::KeyframesNotShared => {
                "Encode all renditions with one fixed keyframe distance: switching is not seamless."
            }
            Self::KeyframesFarApart => {
                "Encode with a keyframe every two seconds or so: segments are as long as the distance of keyframes."
            }
        }
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where something was found; all that is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// URI of the media playlist as the master playlist writes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stream: Option<String>,
    /// Path of the file below the source root.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// Bytes from the start of the file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub byte: Option<u64>,
    /// Line of a playlist, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u64>,
    /// On the timeline of the presentation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time_milliseconds: Option<i64>,
    /// Period, from 0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub period: Option<u32>,
}

impl Place {
    /// Somewhere in a stream.
    pub fn in_stream(uri: &str) -> Self {
        Self { stream: Some(uri.to_owned()), ..Self::default() }
    }
}

/// Something that an operator should know about; the asset plays all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What.
    pub code: FindingCode,
    /// How much it matters.
    pub severity: Severity,
    /// How often.
    pub count: u64,
    /// Where first.
    pub places: Vec<Place>,
    /// Plain words: what exactly.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

/// Collects findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// Places that a finding remembers.
    pub const PLACES: usize = 5;

    /// Adds one. Of several with the same code in the same stream the first words stay.
    pub fn add(&mut self, code: FindingCode, place: Place, detail: impl Into<String>) {
        self.add_many(code, 1, vec![place], detail);
    }

    /// Adds `count` of a kind, with the first places.
    pub fn add_many(
        &mut self,
        code: FindingCode,
        count: u64,
        places: Vec<Place>,
        detail: impl Into<String>,
    ) {
        let stream = places.first().and_then(|place| place.stream.clone());
        let same = self.list.iter_mut().find(|finding| {
            finding.code == code
                && finding.places.first().and_then(|p| p.stream.as_ref()) == stream.as_ref()
        });
        match same {
            Some(finding) => {
                finding.count += count;
                let room = Self::PLACES.saturating_sub(finding.places.len());
                finding.places.extend(places.into_iter().take(room));
            }
            None => self.list.push(Finding {
                code,
                severity: code.severity(),
                count,
                places: places.into_iter().take(Self::PLACES).collect(),
                detail: detail.into(),
                remedy: code.remedy().to_owned(),
            }),
        }
    }

    /// All, the gravest first, otherwise in the order in which they were added.
    pub fn into_list(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_are_serialised() {
        for code in FindingCode::ALL {
            let word = serde_json::to_value(code).unwrap();
            assert_eq!(word, code.as_str());
        }
    }

    #[test]
    fn findings_of_one_stream_are_joined() {
        let mut findings = Findings::default();
        for stream in ["a", "b", "a"] {
            findings.add(FindingCode::PacketsLost, Place::in_stream(stream), "lost");
        }
        let list = findings.into_list();
        assert_eq!(list.iter().map(|finding| finding.count).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(list[0].places.len(), 2);
    }
}
