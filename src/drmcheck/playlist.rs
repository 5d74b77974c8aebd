//! Playlists as players read them: keys and session keys, maps, segments with the keys in force
//! (RFC 8216 4.3).

use std::collections::BTreeMap;

/// `EXT-X-KEY` or `EXT-X-SESSION-KEY`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyLine {
    /// `METHOD`.
    pub method: String,
    /// `URI`.
    pub uri: Option<String>,
    /// `KEYFORMAT`; `identity` where it is absent.
    pub key_format: String,
    /// `KEYFORMATVERSIONS`; `1` where it is absent.
    pub key_format_versions: String,
    /// `IV` as it stands.
    pub iv: Option<String>,
    /// `KEYID` as it stands.
    pub key_id: Option<String>,
    /// Whether it names format or versions: that needs a later version of the protocol.
    pub names_format: bool,
}

/// A master playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Master {
    /// `EXT-X-VERSION`; 1 where it is absent.
    pub version: u32,
    /// Session keys, in order.
    pub session_keys: Vec<KeyLine>,
    /// Media playlists, each once, in order.
    pub playlists: Vec<Listed>,
}

/// A media playlist as the master playlist names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Relative to the master playlist.
    pub uri: String,
    /// `RESOLUTION`: width times height.
    pub pixels: Option<u64>,
    /// `CHANNELS`.
    pub channels: Option<u64>,
}

/// A media playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// `EXT-X-VERSION`; 1 where it is absent.
    pub version: u32,
    /// Every key line but `METHOD=NONE`, in order, each once.
    pub keys: Vec<KeyLine>,
    /// Segments, in order; gaps are left out.
    pub segments: Vec<Listing>,
}

/// A media segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Relative to the playlist.
    pub uri: String,
    /// Its media sequence number.
    pub number: u64,
    /// `URI` of the `EXT-X-MAP` in force.
    pub map: Option<String>,
    /// The keys in force, one for each `KEYFORMAT`.
    pub keys: Vec<KeyLine>,
}

/// Why a text is not such a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaylistError {
    /// The first line is another one.
    #[error("the playlist does not begin with #EXTM3U")]
    Head,
    /// A tag that cannot be read.
    #[error("line {line} cannot be read")]
    Line {
        /// Counted from 1.
        line: usize,
    },
}

/// Reads a master playlist.
pub fn read_master(text: &str) -> Result<Master, PlaylistError> {
    let mut master = Master { version: 1, ..Master::default() };
    let mut variant: Option<Listed> = None;
    for (line, text) in lines(text)? {
        let wrong = PlaylistError::Line { line };
        if let Some(version) = text.strip_prefix("#EXT-X-VERSION:") {
            master.version = version.parse().map_err(|_| wrong)?;
        } else if let Some(list) = text.strip_prefix("#EXT-X-SESSION-KEY:") {
            master.session_keys.push(key_line(list).ok_or(wrong)?);
        } else if let Some(list) = text.strip_prefix("#EXT-X-MEDIA:") {
            let attributes = attributes(list).ok_or(wrong)?;
            let channels = attributes.get("CHANNELS").and_then(|text| text.split('/').next());
            // Text is never encrypted, and no media that could be.
            let is_text = attributes.get("TYPE").is_some_and(|kind| kind == "SUBTITLES");
            if let Some(uri) = attributes.get("URI").filter(|_| !is_text) {
                master.add(Listed {
                    uri: uri.clone(),
                    pixels: None,
                    channels: channels.and_then(|count| count.parse().ok()),
                });
            }
        } else if let Some(list) = text.strip_prefix("#EXT-X-STREAM-INF:") {
            let attributes = attributes(list).ok_or(wrong)?;
            let size = attributes.get("RESOLUTION").and_then(|size| size.split_once('x'));
            let pixels = size.and_then(|(width, height)| {
                width.parse::<u64>().ok()?.checked_mul(height.parse().ok()?)
            });
            variant = Some(Listed { uri: String::new(), pixels, channels: None });
        } else if !text.starts_with('#') {
            let variant = variant.take().ok_or(wrong)?;
            master.add(Listed { uri: text.to_owned(), ..variant });
        }
    }
    Ok(master)
}

impl Master {
    fn add(&mut self, listed: Listed) {
        if self.playlists.iter().all(|known| known.uri != listed.uri) {
            self.playlists.push(listed);
        }
    }
}

/// Reads a media playlist.
pub fn read_media(text: &str) -> Result<Media, PlaylistError> {
    let mut media = Media { version: 1, ..Media::default() };
    let mut in_force: Vec<KeyLine> = Vec::new();
    let mut map = None;
    let mut number = 0;
    let mut gap = false;
    for (line, text) in lines(text)? {
        let wrong = PlaylistError::Line { line };
        if let Some(version) = text.strip_prefix("#EXT-X-VERSION:") {
            media.version = version.parse().map_err(|_| wrong)?;
        } else if let Some(first) = text.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            number = first.parse().map_err(|_| wrong)?;
        } else if let Some(list) = text.strip_prefix("#EXT-X-KEY:") {
            let key = key_line(list).ok_or(wrong)?;
            if key.method == "NONE" {
                in_force.clear();
                continue;
            }
            // A key holds until the next of its format (4.3.2.4).
            in_force.retain(|known| known.key_format != key.key_format);
            in_force.push(key.clone());
            if !media.keys.contains(&key) {
                media.keys.push(key);
            }
        } else if let Some(list) = text.strip_prefix("#EXT-X-MAP:") {
            map = Some(attributes(list).and_then(|mut all| all.remove("URI")).ok_or(wrong)?);
        } else if text == "#EXT-X-GAP" {
            gap = true;
        } else if !text.starts_with('#') {
            if !gap {
                let keys = in_force.clone();
                media.segments.push(Listing {
                    uri: text.to_owned(),
                    number,
                    map: map.clone(),
                    keys,
                });
            }
            gap = false;
            number += 1;
        }
    }
    Ok(media)
}

/// Lines that are not empty, with their numbers, behind the first.
fn lines(text: &str) -> Result<impl Iterator<Item = (usize, &str)>, PlaylistError> {
    let mut lines = text.lines().zip(1..).map(|(text, line)| (line, text.trim_end()));
    match lines.next() {
        Some((_, "#EXTM3U")) => Ok(lines.filter(|(_, text)| !text.is_empty())),
        _ => Err(PlaylistError::Head),
    }
}

fn key_line(list: &str) -> Option<KeyLine> {
    let mut attributes = attributes(list)?;
    let (format, versions) =
        (attributes.remove("KEYFORMAT"), attributes.remove("KEYFORMATVERSIONS"));
    Some(KeyLine {
        method: attributes.remove("METHOD")?,
        uri: attributes.remove("URI"),
        names_format: format.is_some() || versions.is_some(),
        key_format: format.unwrap_or_else(|| "identity".to_owned()),
        key_format_versions: versions.unwrap_or_else(|| "1".to_owned()),
        iv: attributes.remove("IV"),
        key_id: attributes.remove("KEYID"),
    })
}

/// An attribute list (4.2); quotation marks are taken off, and a comma between them is no end.
fn attributes(list: &str) -> Option<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    let mut rest = list;
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=')?;
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => {
                let (value, behind) = quoted.split_once('"')?;
                (value, if behind.is_empty() { "" } else { behind.strip_prefix(',')? })
            }
            None => value.split_once(',').unwrap_or((value, "")),
        };
        all.insert(name.trim().to_owned(), value.to_owned());
        rest = behind;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_until_the_next_of_their_format() {
        let text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MEDIA-SEQUENCE:5\n#EXT-X-MAP:URI=\"a,b.mp4\"\n\
            #EXTINF:6,\n0.m4s\n\
            #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"f\",KEYFORMATVERSIONS=\"1\"\n\
            #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"w\",KEYFORMAT=\"g\",KEYID=0xAB\n\
            #EXTINF:6,\n1.m4s\n\
            #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://b\",KEYFORMAT=\"f\",IV=0x1\n\
            #EXTINF:6,\n2.m4s\n#EXT-X-GAP\n#EXTINF:6,\ngap\n\
            #EXT-X-KEY:METHOD=NONE\n#EXTINF:6,\n3.m4s\n#EXT-X-ENDLIST\n";
        let media = read_media(text).unwrap();
        let uris = |index: usize| -> Vec<_> {
            let keys = media.segments[index].keys.iter();
            keys.map(|key| key.uri.as_deref().unwrap_or_default()).collect()
        };
        assert_eq!(
            [uris(0), uris(1), uris(2), uris(3)],
            [vec![], vec!["skd://a", "w"], vec!["w", "skd://b"], vec![]]
        );
        let numbers: Vec<_> = media.segments.iter().map(|segment| segment.number).collect();
        assert_eq!(numbers, [5, 6, 7, 9]);
        assert_eq!(media.segments[3].map.as_deref(), Some("a,b.mp4"));
        assert_eq!((media.version, media.keys.len()), (7, 3));
        assert_eq!(media.keys[1].key_id.as_deref(), Some("0xAB"));
    }

    #[test]
    fn a_master_playlist_names_each_playlist_once() {
        let text = "#EXTM3U\n#EXT-X-VERSION:5\n\
            #EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"https://k/?a=b,c\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",CHANNELS=\"6/JOC\",URI=\"a0.m3u8\"\n\
            #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",URI=\"t0.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360\nv0.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=2\na0.m3u8\n";
        let master = read_master(text).unwrap();
        let [key] = &master.session_keys[..] else { panic!("{master:?}") };
        assert_eq!((key.key_format.as_str(), key.names_format), ("identity", false));
        assert_eq!(key.uri.as_deref(), Some("https://k/?a=b,c"));
        let listed = |uri: &str, pixels, channels| Listed { uri: uri.to_owned(), pixels, channels };
        let expected = [listed("a0.m3u8", None, Some(6)), listed("v0.m3u8", Some(640 * 360), None)];
        assert_eq!(master.playlists, expected);
    }

    #[test]
    fn broken_playlists_are_refused() {
        assert_eq!(read_media("#EXTINF:6,\n"), Err(PlaylistError::Head));
        let text = "#EXTM3U\n#EXT-X-KEY:URI=\"x\"\n";
        assert_eq!(read_media(text), Err(PlaylistError::Line { line: 2 }));
        assert_eq!(read_master("#EXTM3U\nv0.m3u8\n"), Err(PlaylistError::Line { line: 2 }));
    }
}
