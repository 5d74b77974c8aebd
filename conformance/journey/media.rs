//! Reads manifests and media just far enough for the checks: by text search and box walk, not with
//! the program's own readers.

use std::collections::BTreeMap;

use crate::origin::Origin;

/// A media segment as a manifest lists it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub url: String,
    /// Seconds as the manifest writes them, in millionths.
    pub micros: i64,
}

/// The path that a relative URI leads to from an absolute path.
pub fn resolve(base: &str, uri: &str) -> String {
    let mut names: Vec<&str> = base.split('/').collect();
    names.pop();
    for name in uri.split('/') {
        match name {
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

/// All URIs of a playlist, but those of keys: lines and `URI` attributes.
pub fn playlist_uris(text: &str) -> Vec<String> {
    let media = text.lines().filter(|line| !line.contains("-KEY:"));
    let quoted = media.filter_map(|line| {
        let (_, behind) = line.split_once("URI=\"")?;
        Some(behind.split('"').next()?.to_owned())
    });
    let plain = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    quoted.chain(plain.map(str::to_owned)).collect()
}

/// The segments of a media playlist with their durations.
pub fn playlist_segments(base: &str, text: &str) -> Vec<Listed> {
    let mut micros = 0;
    let mut segments = Vec::new();
    for line in text.lines() {
        if let Some(duration) = line.strip_prefix("#EXTINF:") {
            micros = decimal_micros(duration.trim_end_matches(','));
        } else if !line.starts_with('#') {
            segments.push(Listed { url: resolve(base, line), micros });
        }
    }
    segments
}

/// `12.345678` as 12345678.
fn decimal_micros(text: &str) -> i64 {
    let (whole, fraction) = text.split_once('.').unwrap();
    assert_eq!(fraction.len(), 6, "{text}");
    whole.parse::<i64>().unwrap() * 1_000_000 + fraction.parse::<i64>().unwrap()
}

/// The value of an attribute in a piece of XML.
pub fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = element.split_once(&format!(" {name}=\""))?;
    behind.split('"').next()
}

/// Media URLs of an MPD with time and duration in the template's timescale, and init URLs.
pub struct MpdSegments {
    pub inits: Vec<String>,
    /// URL, time, duration, timescale.
    pub media: Vec<(String, i64, i64, i64)>,
}

/// What is played at its usual speed.
pub fn mpd_segments(base: &str, mpd: &str) -> MpdSegments {
    mpd_segments_where(base, mpd, |set| !set.contains("/trickmode"))
}

/// What is wound through.
pub fn mpd_trick_segments(base: &str, mpd: &str) -> MpdSegments {
    mpd_segments_where(base, mpd, |set| set.contains("/trickmode"))
}

fn mpd_segments_where(base: &str, mpd: &str, is_wanted: impl Fn(&str) -> bool) -> MpdSegments {
    let mut found = MpdSegments { inits: Vec::new(), media: Vec::new() };
    let sets = mpd.split("<AdaptationSet").skip(1);
    for set in sets.filter(|set| is_wanted(set)) {
        let set = set.split("</AdaptationSet>").next().unwrap();
        let ids: Vec<&str> = set
            .split("<Representation")
            .skip(1)
            .map(|representation| attribute(representation, "id").unwrap())
            .collect();
        let templates: Vec<&str> = set.split("<SegmentTemplate").skip(1).collect();
        for (index, id) in ids.iter().enumerate() {
            // One template for the set, or one in each representation.
            let template = templates.get(index).or(templates.first()).unwrap();
            let template = template.split("</SegmentTemplate>").next().unwrap();
            let timescale: i64 = attribute(template, "timescale").unwrap().parse().unwrap();
            let url = |name: &str| {
                let uri = attribute(template, name).unwrap().replace("$RepresentationID$", id);
                resolve(base, &uri)
            };
            found.inits.push(url("initialization"));
            let mut time = 0;
            for entry in template.split("<S ").skip(1) {
                let entry = format!(" {entry}");
                if let Some(start) = attribute(&entry, "t") {
                    time = start.parse().unwrap();
                }
                let duration: i64 = attribute(&entry, "d").unwrap().parse().unwrap();
                let repeats: i64 = attribute(&entry, "r").map_or(0, |r| r.parse().unwrap());
                for _ in 0..=repeats {
                    let media = url("media").replace("$Time$", &time.to_string());
                    found.media.push((media, time, duration, timescale));
                    time += duration;
                }
            }
        }
    }
    found
}

/// Child boxes by type, of the first of each type.
pub fn boxes(bytes: &[u8]) -> BTreeMap<String, &[u8]> {
    let mut found = BTreeMap::new();
    let mut rest = bytes;
    while rest.len() >= 8 {
        let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let kind = String::from_utf8_lossy(&rest[4..8]).into_owned();
        assert!(size >= 8 && size <= rest.len(), "box {kind} of {size} bytes");
        found.entry(kind).or_insert(&rest[8..size]);
        rest = &rest[size..];
    }
    assert!(rest.is_empty(), "{} bytes behind the last box", rest.len());
    found
}

/// Decoding time of the first sample, and the sum of all durations, of a fragment.
pub fn fragment_times(segment: &[u8]) -> (i64, i64) {
    let top = boxes(segment);
    assert!(top.contains_key("mdat"));
    let moof = boxes(top["moof"]);
    let traf = boxes(moof["traf"]);
    let tfdt = traf["tfdt"];
    assert_eq!(tfdt[0], 1, "tfdt version");
    let base = i64::from_be_bytes(tfdt[4..12].try_into().unwrap());
    let word = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let tfhd = traf["tfhd"];
    let default_duration = (word(tfhd, 0) & 0x8 != 0).then(|| word(tfhd, 8));
    let trun = traf["trun"];
    let flags = word(trun, 0) & 0xFF_FFFF;
    let samples = word(trun, 4) as usize;
    let fields = [0x100, 0x200, 0x400, 0x800].iter().filter(|bit| flags & **bit != 0).count();
    let total: i64 = (0..samples)
        .map(|sample| match default_duration {
            Some(duration) => i64::from(duration),
            // The duration is the first field of each sample.
            None => i64::from(word(trun, 12 + sample * fields * 4)),
        })
        .sum();
    (base, total)
}

/// All media playlists of a master playlist that are played at their usual speed: path and text.
pub fn media_playlists(origin: &Origin, master_path: &str) -> Vec<(String, String)> {
    playlists_where(origin, master_path, |line| {
        !line.contains("I-FRAME-STREAM-INF") && !line.contains("SESSION-DATA")
    })
}

/// Those of I-frames.
pub fn trick_playlists(origin: &Origin, master_path: &str) -> Vec<(String, String)> {
    playlists_where(origin, master_path, |line| line.contains("I-FRAME-STREAM-INF"))
}

fn playlists_where(
    origin: &Origin,
    master_path: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<(String, String)> {
    let master = origin.get(master_path);
    assert_eq!(master.status, 200, "{}", master.text());
    let lines = master.text().lines().filter(|line| is_wanted(line));
    let mut uris = playlist_uris(&lines.collect::<Vec<_>>().join("\n"));
    uris.sort();
    uris.dedup();
    uris.into_iter()
        .map(|uri| {
            let path = resolve(master_path, &uri);
            let playlist = origin.get(&path);
            assert_eq!(playlist.status, 200, "{path}");
            (path, playlist.text().to_owned())
        })
        .collect()
}
