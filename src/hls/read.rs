//! Source playlists → what ingest follows (RFC 8216 4.3).
//!
//! The syntax is m3u8-rs's work. On top of it, `EXT-X-KEY` and `EXT-X-MAP` are carried to the
//! segments they hold for, byte ranges without offset are resolved, and problems are told with the
//! line they stand in. URIs are left as written but for white space around them; `source` resolves
//! them.

use m3u8_rs::KeyMethod;

/// A master playlist: what can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterPlaylist {
    /// The streams in order; I-frame playlists are left out.
    pub streams: Vec<StreamEntry>,
    /// Renditions with a playlist of their own, which are not read yet.
    pub renditions: Vec<RenditionEntry>,
}

/// One `EXT-X-STREAM-INF`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    /// The media playlist.
    pub uri: String,
    /// `BANDWIDTH`, bits per second.
    pub bandwidth: u64,
    /// `AVERAGE-BANDWIDTH`, bits per second.
    pub average_bandwidth: Option<u64>,
    /// `CODECS`.
    pub codecs: Option<String>,
    /// `RESOLUTION`: width and height.
    pub resolution: Option<(u64, u64)>,
    /// `FRAME-RATE` in thousandths.
    pub frame_rate_thousandths: Option<u64>,
}

/// One `EXT-X-MEDIA` that has a `URI`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionEntry {
    /// `TYPE`.
    pub kind: String,
    /// `NAME`.
    pub name: String,
}

/// A media playlist: what is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// The segments in order.
    pub segments: Vec<MediaSegment>,
}

/// One media segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSegment {
    /// Where its bytes are.
    pub uri: String,
    /// The line of the URI, from 1.
    pub line: usize,
    /// Duration that `EXTINF` claims, milliseconds.
    pub claimed_milliseconds: u64,
    /// `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// First byte and length where it is a part of the file.
    pub byte_range: Option<(u64, u64)>,
}

/// What is wrong with a playlist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It does not begin with `#EXTM3U`.
    #[error("line 1 is not #EXTM3U, so this is no HLS playlist; it begins with {start:?}")]
    NotAPlaylist {
        /// The first characters.
        start: String,
    },
    /// The syntax is broken.
    #[error("the playlist cannot be read: {problem}")]
    Syntax {
        /// What is wrong.
        problem: String,
    },
    /// A media playlist stands where a master playlist is wanted.
    #[error(
        "line {line} ({tag}) belongs to a media playlist; give the master playlist that lists it"
    )]
    NotAMasterPlaylist {
        /// Where that shows.
        line: usize,
        /// The tag that shows it.
        tag: String,
    },
    /// A master playlist stands where a media playlist is wanted.
    #[error("line {line} ({tag}) belongs to a master playlist; a media playlist is expected here")]
    NotAMediaPlaylist {
        /// Where that shows.
        line: usize,
        /// The tag that shows it.
        tag: String,
    },
    /// A master playlist without streams.
    #[error("the master playlist has no EXT-X-STREAM-INF, so there is nothing to play")]
    NoStreams,
    /// A playlist that may still grow.
    #[error(
        "there is no EXT-X-ENDLIST up to line {lines}, so the playlist is live or not complete; \
         ingest it when it has ended"
    )]
    NotEnded {
        /// Lines in the playlist.
        lines: usize,
    },
    /// A media playlist without segments.
    #[error("the media playlist lists no segments")]
    NoSegments,
    /// The segments are encrypted.
    #[error(
        "line {line}: the segments are encrypted (EXT-X-KEY with METHOD={method}); store them clear"
    )]
    Encrypted {
        /// The first encrypted segment's line.
        line: usize,
        /// The method.
        method: String,
    },
    /// The segments are fragmented MP4.
    #[error("line {line}: EXT-X-MAP says the segments are fragmented MP4; MPEG-TS is expected")]
    FragmentedMp4 {
        /// The first such segment's line.
        line: usize,
    },
    /// The playlist holds I-frames only.
    #[error("this is an I-frame playlist; give one with whole segments")]
    IFramesOnly,
}

/// Tags that only media playlists have (RFC 8216 4.3.2 and 4.3.3).
const MEDIA_TAGS: [&str; 5] = [
    "#EXTINF",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-ENDLIST",
    "#EXT-X-BYTERANGE",
];
/// Tags that only master playlists have (RFC 8216 4.3.4).
const MASTER_TAGS: [&str; 3] = ["#EXT-X-STREAM-INF", "#EXT-X-I-FRAME-STREAM-INF", "#EXT-X-MEDIA:"];

/// Reads a master playlist.
pub fn master_playlist(bytes: &[u8]) -> Result<MasterPlaylist, ReadError> {
    let text = playlist_text(bytes)?;
    let streams_line = first_line_with(text, &MASTER_TAGS);
    if let (None, Some((line, tag))) = (&streams_line, first_line_with(text, &MEDIA_TAGS)) {
        return Err(ReadError::NotAMasterPlaylist { line, tag });
    }
    let parsed =
        m3u8_rs::parse_master_playlist_res(&terminated(text)).map_err(|_| ReadError::Syntax {
            problem: match streams_line {
                Some((line, tag)) => {
                    format!("see line {line} ({tag}); every EXT-X-STREAM-INF needs a BANDWIDTH")
                }
                None => "no tag of a master playlist is found".to_owned(),
            },
        })?;
    let streams: Vec<StreamEntry> = parsed
        .variants
        .into_iter()
        .filter(|variant| !variant.is_i_frame)
        .map(|variant| StreamEntry {
            uri: variant.uri.trim().to_owned(),
            bandwidth: variant.bandwidth,
            average_bandwidth: variant.average_bandwidth,
            codecs: variant.codecs,
            resolution: variant.resolution.map(|resolution| (resolution.width, resolution.height)),
            frame_rate_thousandths: variant.frame_rate.map(|rate| (rate * 1000.0).round() as u64),
        })
        .collect();
    if streams.is_empty() {
        return Err(ReadError::NoStreams);
    }
    let renditions = parsed
        .alternatives
        .into_iter()
        .filter(|alternative| alternative.uri.is_some())
        .map(|alternative| RenditionEntry {
            kind: alternative.media_type.to_string(),
            name: alternative.name,
        })
        .collect();
    Ok(MasterPlaylist { streams, renditions })
}

/// Reads a media playlist that has ended.
pub fn media_playlist(bytes: &[u8]) -> Result<MediaPlaylist, ReadError> {
    let text = playlist_text(bytes)?;
    if let Some((line, tag)) = first_line_with(text, &MASTER_TAGS) {
        return Err(ReadError::NotAMediaPlaylist { line, tag });
    }
    let parsed = m3u8_rs::parse_media_playlist_res(&terminated(text)).map_err(|_| {
        let place = first_line_with(text, &["#EXTINF"]);
        ReadError::Syntax {
            problem: place.map_or("it has no EXTINF".to_owned(), |(line, _)| {
                format!("the first EXTINF stands in line {line}; check the tags around it")
            }),
        }
    })?;
    if !parsed.end_list {
        return Err(ReadError::NotEnded { lines: text.lines().count() });
    }
    if parsed.i_frames_only {
        return Err(ReadError::IFramesOnly);
    }
    let mut uri_lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .map(|(index, _)| index + 1);
    let mut segments: Vec<MediaSegment> = Vec::with_capacity(parsed.segments.len());
    let mut next_offset = 0;
    for segment in parsed.segments {
        let line = uri_lines.next().unwrap_or_default();
        match segment.key.map(|key| key.method) {
            None | Some(KeyMethod::None) => {}
            Some(method) => {
                return Err(ReadError::Encrypted { line, method: method.to_string() });
            }
        }
        if segment.map.is_some() {
            return Err(ReadError::FragmentedMp4 { line });
        }
        let uri = segment.uri.trim().to_owned();
        let byte_range = segment.byte_range.map(|range| {
            let follows = segments.last().is_some_and(|last| last.uri == uri);
            let implied = if follows { next_offset } else { 0 };
            let start = range.offset.unwrap_or(implied);
            next_offset = start.saturating_add(range.length);
            (start, range.length)
        });
        segments.push(MediaSegment {
            uri,
            line,
            claimed_milliseconds: (f64::from(segment.duration) * 1000.0).round() as u64,
            discontinuity: segment.discontinuity,
            byte_range,
        });
    }
    if segments.is_empty() {
        return Err(ReadError::NoSegments);
    }
    Ok(MediaPlaylist { segments })
}

/// The text without byte order mark, if it is a playlist.
fn playlist_text(bytes: &[u8]) -> Result<&str, ReadError> {
    let not_a_playlist = || ReadError::NotAPlaylist {
        start: String::from_utf8_lossy(bytes.get(..24).unwrap_or(bytes)).into_owned(),
    };
    let text = std::str::from_utf8(bytes).map_err(|_| not_a_playlist())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default();
    if first.trim_end() == "#EXTM3U" { Ok(text) } else { Err(not_a_playlist()) }
}

/// The text with a line end at its end, which m3u8-rs wants.
fn terminated(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
    bytes
}

fn first_line_with(text: &str, tags: &[&str]) -> Option<(usize, String)> {
    text.lines().enumerate().find_map(|(index, line)| {
        let line = line.trim_start();
        let tag = tags.iter().find(|tag| line.starts_with(**tag))?;
        Some((index + 1, tag.trim_end_matches(':').trim_start_matches('#').to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=100000,\
        CODECS=\"mp4a.40.2,avc1.64001e\",RESOLUTION=640x302\nvideo/player-ld.m3u8";
    const MEDIA: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:1\n\
        #EXT-X-TARGETDURATION:17\n#EXTINF:15.500,\n1723518810_120.ts\n#EXT-X-DISCONTINUITY\n\
        #EXTINF:16.666,\n1723518884_121.ts\n#EXTINF:2.533,\n1723518886_122.ts\n#EXT-X-ENDLIST\n";

    #[test]
    fn the_usual_pair_is_read() {
        let master = master_playlist(MASTER.as_bytes()).unwrap();
        assert_eq!(
            master.streams,
            [StreamEntry {
                uri: "video/player-ld.m3u8".to_owned(),
                bandwidth: 100_000,
                average_bandwidth: None,
                codecs: Some("mp4a.40.2,avc1.64001e".to_owned()),
                resolution: Some((640, 302)),
                frame_rate_thousandths: None,
            }]
        );
        let media = media_playlist(MEDIA.as_bytes()).unwrap();
        let segments: Vec<_> = media
            .segments
            .iter()
            .map(|s| (s.uri.as_str(), s.line, s.claimed_milliseconds, s.discontinuity))
            .collect();
        assert_eq!(
            segments,
            [
                ("1723518810_120.ts", 6, 15_500, false),
                ("1723518884_121.ts", 9, 16_666, true),
                ("1723518886_122.ts", 11, 2_533, false),
            ]
        );
    }

    #[test]
    fn white_space_around_a_uri_is_no_part_of_it() {
        let master = master_playlist(format!("{MASTER} \t").as_bytes()).unwrap();
        assert_eq!(master.streams[0].uri, "video/player-ld.m3u8");
        let media = media_playlist(MEDIA.replace(".ts\n", ".ts \t\n").as_bytes()).unwrap();
        assert_eq!(media.segments[1].uri, "1723518884_121.ts");
    }

    #[test]
    fn the_wrong_kind_is_named_with_its_line() {
        assert_eq!(
            master_playlist(MEDIA.as_bytes()),
            Err(ReadError::NotAMasterPlaylist { line: 3, tag: "EXT-X-MEDIA-SEQUENCE".to_owned() })
        );
        assert_eq!(
            media_playlist(MASTER.as_bytes()),
            Err(ReadError::NotAMediaPlaylist { line: 2, tag: "EXT-X-STREAM-INF".to_owned() })
        );
        assert!(matches!(
            master_playlist(b"<!DOCTYPE html><html>"),
            Err(ReadError::NotAPlaylist { .. })
        ));
        assert!(matches!(master_playlist(b""), Err(ReadError::NotAPlaylist { .. })));
        assert!(matches!(master_playlist(&[0xFF, 0x00]), Err(ReadError::NotAPlaylist { .. })));
    }

    #[test]
    fn live_encrypted_and_fragmented_are_refused() {
        let live = MEDIA.replace("#EXT-X-ENDLIST\n", "");
        assert_eq!(media_playlist(live.as_bytes()), Err(ReadError::NotEnded { lines: 11 }));
        let key = "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:16.666,";
        let encrypted = MEDIA.replace("#EXTINF:16.666,", key);
        assert_eq!(
            media_playlist(encrypted.as_bytes()),
            Err(ReadError::Encrypted { line: 10, method: "AES-128".to_owned() })
        );
        let map = MEDIA.replace("#EXTINF:15.500,", "#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:15.500,");
        assert_eq!(media_playlist(map.as_bytes()), Err(ReadError::FragmentedMp4 { line: 7 }));
    }

    #[test]
    fn byte_ranges_without_offset_follow_the_one_before() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n#EXT-X-BYTERANGE:100@50\na.ts\n\
            #EXTINF:6,\n#EXT-X-BYTERANGE:70\na.ts\n#EXTINF:6,\n#EXT-X-BYTERANGE:30\nb.ts\n\
            #EXT-X-ENDLIST";
        let media = media_playlist(text.as_bytes()).unwrap();
        let ranges: Vec<_> = media.segments.iter().map(|s| s.byte_range).collect();
        assert_eq!(ranges, [Some((50, 100)), Some((150, 70)), Some((0, 30))]);
    }
}
