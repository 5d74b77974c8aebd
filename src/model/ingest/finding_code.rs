//! The closed set of what ingest can find. Names are part of the contract; docs/findings.md has a
//! section for each.

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is wrong with what is played.
    Info,
    /// Players may notice.
    Warning,
    /// Something of the title is not offered or not heard or seen.
    Error,
}

impl Severity {
    /// The word as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// What playlists say.
    Playlist,
    /// What the media are coded in.
    Codecs,
    /// Timestamps, and how sound and pictures go together.
    Clocks,
    /// Bytes that are missing, broken or out of place.
    Damage,
    /// How the streams of a title go together.
    Alignment,
}

/// Writes the enum and its tables from one list.
macro_rules! finding_codes {
    ($($topic:ident { $(#[doc = $doc:literal] $code:ident = $name:literal $severity:ident $remedy:literal)* })*) => {
        /// What kind of thing was found.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        pub enum FindingCode {
            $($(#[doc = $doc] #[serde(rename = $name)] $code,)*)*
        }

        impl FindingCode {
            /// All codes, by topic.
            pub const ALL: &[Self] = &[$($(Self::$code,)*)*];

            /// The code as the API writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$code => $name,)*)* }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $($(Self::$code => Severity::$severity,)*)* }
            }

            /// What the operator should do, one sentence.
            pub const fn remedy(self) -> &'static str {
                match self { $($(Self::$code => $remedy,)*)* }
            }

            /// What it is about.
            pub const fn topic(self) -> Topic {
                match self { $($(Self::$code => Topic::$topic,)*)* }
            }
        }
    };
}

finding_codes! {
    Playlist {
        /// BANDWIDTH of the master playlist is not the highest bit rate of the media.
        BandwidthDiffers = "bandwidth_differs" Warning
            "Correct BANDWIDTH in the master playlist if streams are selected by bit rate, which \
             compares what is declared."
        /// AVERAGE-BANDWIDTH is not the average bit rate of the media.
        AverageBandwidthDiffers = "average_bandwidth_differs" Info
            "Nothing must be done: manifests show what was measured."
        /// RESOLUTION is not the picture size of the media.
        ResolutionDiffers = "resolution_differs" Info
            "Nothing must be done: manifests show what the media have."
        /// FRAME-RATE is not the frame rate of the media.
        FrameRateDiffers = "frame_rate_differs" Info
            "Nothing must be done: manifests show what the media have."
        /// CODECS is not what the media hold.
        CodecsDiffer = "codecs_differ" Warning
            "Check the encoder's settings: manifests show what the media have."
        /// EXTINF is not how long the segment lasts.
        ExtinfDiffers = "extinf_differs" Info
            "Nothing must be done: durations are measured in the media."
        /// EXTINF is longer than EXT-X-TARGETDURATION.
        ExtinfAboveTarget = "extinf_above_target" Info
            "Nothing must be done: the durations of segments are chosen anew."
        /// A playlist breaks the standard where that does no harm.
        PlaylistUntidy = "playlist_untidy" Info
            "Mend the playlist: other programs may refuse it."
        /// A media playlist lists the same bytes more than once.
        SameFileTwice = "same_file_twice" Info
            "Check that the repetition is meant; if it is, put EXT-X-DISCONTINUITY before it."
        /// Two EXT-X-STREAM-INF lead to the same media playlist.
        DuplicateVariant = "duplicate_variant" Warning
            "Remove one of the two from the master playlist."
        /// A second address of a stream, for the case that the first fails (RFC 8216 6.2.4).
        RedundantVariant = "redundant_variant" Info
            "Nothing must be done: only the first is offered."
        /// A media playlist or its segments cannot be read; the other streams play.
        VariantMissing = "variant_missing" Error
            "Upload the stream again or remove it from the master playlist, then ingest again."
        /// The playlist marks a segment as missing with EXT-X-GAP.
        SegmentGap = "segment_gap" Warning
            "Upload the segment and remove EXT-X-GAP, then ingest again."
        /// The master playlist declares captions that the pictures do not carry.
        CaptionsMissing = "captions_missing" Warning
            "Check the encoder's settings, or take the captions out of the master playlist; they \
             are not offered."
        /// The pictures carry captions that the master playlist does not declare.
        CaptionsUndeclared = "captions_undeclared" Info
            "Declare them with EXT-X-MEDIA to give them a name and a language; they are offered \
             all the same."
        /// An EXT-X-MEDIA rendition has a playlist of its own, which is not read.
        RenditionLeftOut = "rendition_left_out" Error
            "Mend what keeps it from being read, then ingest again, or remove it from the playlist."
        /// Subtitles cannot be read.
        TextLeftOut = "text_left_out" Error
            "Upload the subtitles again as WebVTT, or remove them from the master playlist, then \
             ingest again."
        /// EXT-X-SESSION-DATA cannot be read or is there twice.
        SessionDataLeftOut = "session_data_left_out" Warning
            "Mend the line or its file in the source, then ingest again; nothing else depends on \
             it."
        /// A marker, by tag or by section, cannot be understood.
        MarkersBroken = "markers_broken" Warning
            "Correct what writes the markers; those that can be understood are kept."
        /// A marker is at no time of the title.
        MarkersUnplaced = "markers_unplaced" Warning
            "Give the playlists EXT-X-PROGRAM-DATE-TIME and the markers times within the title."
        /// Markers are encrypted, so that nothing is known of them but where they are.
        MarkersEncrypted = "markers_encrypted" Info
            "Nothing must be done: they are passed on for whoever has the key."
        /// No segment can begin at a marker, because no keyframe is there.
        MarkerOffKeyframe = "marker_off_keyframe" Warning
            "Encode with a keyframe at each marker: what is put in there begins a little beside it."
        /// Media playlists have different numbers of EXT-X-DISCONTINUITY.
        DiscontinuitiesDiffer = "discontinuities_differ" Warning
            "Give all media playlists the same EXT-X-DISCONTINUITY (RFC 8216 6.2.4)."
        /// Streams do not end at the same time.
        LengthsDiffer = "lengths_differ" Warning
            "Encode all streams from the same cut of the title."
    }
    Codecs {
        /// A track is of a codec that is not read, or the second of its kind.
        TrackLeftOut = "track_left_out" Error
            "Transcode it to a codec that is read, or store it in a stream of its own."
        /// A package type cannot carry a track.
        CodecLeftOut = "codec_left_out" Warning
            "Use another package type for this title, or add a stream whose codec it can carry."
        /// Timed metadata are no whole ID3 tags with a time, or are too large.
        MetadataLeftOut = "metadata_left_out" Warning
            "Write each ID3 tag of up to 65527 bytes into a PES packet of its own, with a PTS."
        /// There are no IDR pictures: players start at recovery points.
        RecoveryPointsOnly = "recovery_points_only" Warning
            "Encode with IDR pictures if a player shows flaws after seeking."
        /// Pictures get right only some time after each random access point.
        GradualRefreshOnly = "gradual_refresh_only" Warning
            "Encode with whole intra pictures: after seeking, the first pictures are flawed."
        /// HE-AAC is in the media and not in CODECS, or in CODECS and not in the media.
        ExtensionUndeclared = "extension_undeclared" Info
            "Nothing must be done: manifests show what the media have."
        /// A field of an interlaced picture has no partner.
        UnpairedFields = "unpaired_fields" Warning
            "Encode again if it shows; one lone field is shown as a whole picture."
    }
    Clocks {
        /// The clock jumps and the playlist does not say so.
        ClockJump = "clock_jump" Warning
            "Put EXT-X-DISCONTINUITY where the recording was joined, then ingest again."
        /// The clock of a stream has nothing to do with that of the others.
        ClocksDiffer = "clocks_differ" Warning
            "Check that streams are in step when players switch; encode them together if they are \
             not."
        /// Pictures or frames have no timestamps where they need some.
        TimestampsMissing = "timestamps_missing" Info
            "Nothing must be done: pictures are placed by their order, sound by its frames."
        /// Timestamps are out of line with those around them.
        TimestampsDoubted = "timestamps_doubted" Warning
            "Look at the multiplexer: it writes timestamps that lead nowhere; they are not used."
        /// Pictures or frames follow each other with the same timestamp.
        TimestampsRepeated = "timestamps_repeated" Warning
            "Multiplex the source again if motion is uneven."
        /// Decoding times are missing or run back; new ones are counted from the frame rate.
        DecodeTimesRepaired = "decode_times_repaired" Warning
            "Multiplex the source again if motion is uneven."
        /// Sound is missing: its timestamps jump ahead.
        AudioGaps = "audio_gaps" Warning
            "Look at the recording if there are many; the silence is kept, so that sound stays in \
             step."
        /// Timestamps of sound run back; frames that repeat what was heard are left out.
        AudioOverlaps = "audio_overlaps" Warning
            "Look at the joins of the recording if sound is out of step behind them."
        /// Sound and pictures do not start together.
        AudioOffset = "audio_offset" Info
            "Nothing must be done: the offset is kept."
        /// Sound and pictures run at different speeds.
        AudioDrift = "audio_drift" Warning
            "Encode sound and pictures from the same clock, then ingest again."
        /// Sound and pictures do not end together.
        AudioEndsApart = "audio_ends_apart" Info
            "Nothing must be done, unless one of them is cut off."
        /// There is no clock reference (PCR) in the media.
        ClockReferenceMissing = "clock_reference_missing" Info
            "Nothing must be done: new ones are written."
        /// Clock references (PCR) do not fit the timestamps.
        ClockReferenceWrong = "clock_reference_wrong" Info
            "Nothing must be done: new ones are written."
        /// The clock references (PCR) come on a PID of their own.
        ClockReferenceElsewhere = "clock_reference_elsewhere" Info
            "Nothing must be done: new ones are written."
        /// Subtitles do not say which of their times is which of the media's.
        TextClockAssumed = "text_clock_assumed" Info
            "Nothing must be done if subtitles are in step; otherwise write X-TIMESTAMP-MAP."
        /// Cues are shown before the title begins or after it ends.
        CuesOutside = "cues_outside" Warning
            "Check that the subtitles belong to this cut of the title, and their X-TIMESTAMP-MAP."
        /// The 33-bit clock begins again in the course of the title.
        ClockWraps = "clock_wraps" Info
            "Nothing must be done: times go on across it."
    }
    Damage {
        /// Transport packets are missing inside a segment.
        PacketsLost = "packets_lost" Warning
            "Record or upload the file again if picture or sound is damaged there."
        /// Transport packets are there twice.
        PacketsRepeated = "packets_repeated" Info
            "Nothing must be done: each is read once."
        /// There are bytes between transport packets.
        SyncLost = "sync_lost" Warning
            "Upload the file again if picture or sound is damaged there; it may also be padding."
        /// Transport packets have broken headers.
        PacketsUnreadable = "packets_unreadable" Warning
            "Record or upload the file again if picture or sound is damaged there."
        /// Transport packets are scrambled, so what they hold is left out.
        PacketsScrambled = "packets_scrambled" Error
            "Store the media unscrambled, then ingest again."
        /// Transport packets are marked as damaged by the receiver.
        PacketsMarkedDamaged = "packets_marked_damaged" Warning
            "Record again with better reception if picture or sound is damaged there."
        /// A segment ends in the middle of a transport packet.
        PacketTruncated = "packet_truncated" Warning
            "Upload the file again: it may be cut off."
        /// There are bytes behind the last transport packet.
        BytesTrailing = "bytes_trailing" Info
            "Nothing must be done: they are passed over."
        /// Media come before the tables (PAT, PMT) that announce them.
        TablesLate = "tables_late" Warning
            "Cut segments so that each begins with PAT and PMT."
        /// A segment has no tables; those of the segment before are used.
        TablesMissing = "tables_missing" Warning
            "Cut segments so that each begins with PAT and PMT."
        /// A table (PAT, PMT) has a wrong checksum or syntax and is passed over.
        TablesBroken = "tables_broken" Warning
            "Record or upload the file again if tracks are missing."
        /// The tables change what the program consists of.
        TablesChange = "tables_change" Warning
            "Put EXT-X-DISCONTINUITY where the program changes."
        /// A track goes on on another PID.
        TrackMoves = "track_moves" Info
            "Nothing must be done: the track is followed."
        /// The tables announce a track that has no data.
        TrackEmpty = "track_empty" Warning
            "Remove it from the tables or restore its data."
        /// A track has no data in some segments.
        TrackMissingInSegments = "track_missing_in_segments" Warning
            "Check whether picture or sound is missing there; restore the segments if so."
        /// There are data on PIDs that the tables do not announce.
        DataUnannounced = "data_unannounced" Info
            "Nothing must be done, unless a track is missing."
        /// Pictures or frames have broken syntax and are left out.
        UnitsBroken = "units_broken" Warning
            "Record or upload the file again if picture or sound is damaged there."
        /// Parameter sets or PES headers have broken syntax and are passed over.
        HeadersBroken = "headers_broken" Warning
            "Record or upload the file again if picture or sound is damaged there."
        /// Pictures come before the first random access point and cannot be decoded.
        PicturesBeforeKeyframe = "pictures_before_keyframe" Warning
            "Cut recordings at random access points; what comes before them is left out."
        /// Pictures refer to what was before a random access point and is not there any more.
        LeadingPicturesDropped = "leading_pictures_dropped" Info
            "Nothing must be done: no decoder could show them."
        /// Picture size, parameter sets or format of the sound change in the course of a stream.
        ConfigurationChanges = "configuration_changes" Warning
            "Put EXT-X-DISCONTINUITY where it changes; a new period begins there."
        /// Transport packets have four bytes of time code in front (M2TS).
        PacketsOf192Bytes = "packets_of_192_bytes" Info
            "Nothing must be done: the time codes are passed over."
        /// Transport packets have sixteen bytes of parity behind.
        PacketsOf204Bytes = "packets_of_204_bytes" Info
            "Nothing must be done: the parity is passed over."
        /// Cues of subtitles have times that cannot be read, or end before they start.
        CuesBroken = "cues_broken" Warning
            "Correct the times in the subtitles, then ingest again."
        /// Subtitles have bytes that are no UTF-8.
        TextUndecodable = "text_undecodable" Warning
            "Store the subtitles as UTF-8, then ingest again."
        /// A second layer of pictures is left out: another view, or scalability.
        LayersDropped = "layers_dropped" Info
            "Nothing must be done: the base layer is a whole picture."
    }
    Alignment {
        /// Random access points of the streams are not at the same times.
        KeyframesNotShared = "keyframes_not_shared" Warning
            "Encode all streams with the same fixed keyframe distance; until then switching is \
             not seamless."
        /// Random access points are further apart than segments should last.
        KeyframesFarApart = "keyframes_far_apart" Warning
            "Encode with a random access point every two seconds or so; segments cannot be \
             shorter than that."
        /// The streams have joins at different times, so there are more periods than any one has.
        PeriodsSplit = "periods_split" Info
            "Nothing must be done, unless switching at the joins is not seamless."
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_snake_case_and_their_own() {
        let names: BTreeSet<&str> = FindingCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), FindingCode::ALL.len());
        for code in FindingCode::ALL {
            let mut expected = String::new();
            for letter in format!("{code:?}").chars() {
                // `Of192Bytes` is `of_192_bytes`: a number begins a word, too.
                let begins_number = letter.is_ascii_digit()
                    && !expected.ends_with(|before: char| before.is_ascii_digit());
                if (letter.is_ascii_uppercase() || begins_number) && !expected.is_empty() {
                    expected.push('_');
                }
                expected.push(letter.to_ascii_lowercase());
            }
            assert_eq!(code.as_str(), expected);
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    /// Each code has a section in docs/findings.md under the heading of its topic, which says what it
    /// means, what packorigin does and what to do; and there is no other section.
    #[test]
    fn each_code_is_documented_and_nothing_else_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md");
        let text = std::fs::read_to_string(path).unwrap();
        let mut undocumented: BTreeSet<&str> =
            FindingCode::ALL.iter().map(|code| code.as_str()).collect();
        let mut sections = text.split("\n### ");
        let mut topic = sections.next().unwrap().rsplit("\n## ").next().unwrap().trim().to_owned();
        for section in sections {
            let (name, body) = section.split_once('\n').unwrap();
            let name = name.trim_matches('`');
            let code = FindingCode::ALL.iter().find(|code| code.as_str() == name);
            let code = code.unwrap_or_else(|| panic!("{name} is no code"));
            assert!(undocumented.remove(name), "{name} has two sections");
            let heading = match code.topic() {
                Topic::Playlist => "Playlists",
                Topic::Codecs => "Codecs",
                Topic::Clocks => "Clocks",
                Topic::Damage => "Damage",
                Topic::Alignment => "Alignment",
            };
            assert_eq!(topic, heading, "{name}");
            let severity = format!("\nSeverity: {}. ", code.severity().as_str());
            for part in [&severity[..], "\n**What packorigin does:** ", "\n**What to do:** "] {
                assert!(body.contains(part), "{name} lacks {part:?}");
            }
            if let Some((_, next)) = body.split_once("\n## ") {
                topic = next.trim().to_owned();
            }
        }
        assert_eq!(undocumented, BTreeSet::new(), "these lack a section");
    }

    #[test]
    fn remedies_are_sentences() {
        for code in FindingCode::ALL {
            let remedy = code.remedy();
            assert!(remedy.ends_with('.') && remedy.len() > 20, "{code:?}: {remedy}");
        }
    }
}
