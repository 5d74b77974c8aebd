//! A resolved manifest → playlists (RFC 8216 4.3).
//!
//! Transport streams get version 3, or 5 with keys that name their format, CMAF version 7
//! (RFC 8216 7). Durations are exact decimals of
//! six places, each rounded by itself from exact ticks.

use std::fmt::Write as _;

use super::captions;
use super::dates::DateLines;
use super::key::{KeyLines, has_keys, session_keys};
use super::markers::write_ranges;
use super::{session, trick};
use crate::model::codec::CodecConfig;
use crate::model::description::Description;
use crate::model::manifest::{
    AudioGroup, AudioMember, Healing, Manifest, ManifestRendition, Offer, RenditionId,
    SILENCE_DIRECTORY,
};
use crate::time::{Ticks, Timescale};

/// The master playlist.
pub fn master_playlist(manifest: &Manifest) -> String {
    let mut out = String::from("#EXTM3U\n");
    let needed = if captions::need_services(&captions::of(manifest)) { 7 } else { 0 };
    let _ = writeln!(out, "#EXT-X-VERSION:{}", version(manifest, has_keys(manifest)).max(needed));
    if is_independent(manifest, None) {
        out.push_str(INDEPENDENT);
    }
    session::write_start(&mut out, manifest);
    session::write_data(&mut out, manifest);
    out.push_str(&session_keys(manifest));
    for group in &manifest.audio_groups {
        for member in &group.members {
            write_sound(&mut out, manifest, group, member);
        }
    }
    for text in &manifest.texts {
        write_text(&mut out, manifest, *text);
    }
    captions::write_renditions(&mut out, &captions::of(manifest));
    for offer in &manifest.offers {
        write_variant(&mut out, manifest, offer);
    }
    trick::write_variants(&mut out, manifest);
    out
}

/// The media playlist of one rendition; `None` where the manifest does not have it.
/// It lies in a directory beside the entry manifest's, so the same relative URIs hold in both.
pub fn media_playlist(manifest: &Manifest, id: RenditionId) -> Option<String> {
    let first = manifest.first_rendition(id)?;
    let mut out = String::from("#EXTM3U\n");
    // Other configurations name the same playlist beside other renditions: it may speak of its own
    // keys alone.
    let has_keys = (0..manifest.periods.len())
        .filter_map(|period| manifest.rendition(id, period))
        .any(|rendition| rendition.protection.is_some());
    let _ = writeln!(out, "#EXT-X-VERSION:{}", trick::version(version(manifest, has_keys), id));
    // The target duration bounds EXTINF rounded to the nearest second (RFC 8216 4.3.3.1).
    let target = longest_segment(manifest, id).seconds(Timescale::MPEG, 0);
    let _ = writeln!(out, "#EXT-X-TARGETDURATION:{target}");
    let first_number = manifest.clip.as_ref().and_then(|clip| clip.first_numbers.get(&id));
    let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", first_number.copied().unwrap_or(0));
    out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
    out.push_str(trick::playlist_tags(id));
    if is_independent(manifest, Some(id)) {
        out.push_str(INDEPENDENT);
    }
    write_ranges(&mut out, manifest);
    let mut last_directory = None;
    let mut keys = KeyLines::default();
    let mut dates = DateLines::new(manifest);
    for (period, entry) in manifest.periods.iter().enumerate() {
        let rendition = manifest.rendition(id, period);
        let starts = manifest.origin.plus(entry.start);
        if period > 0 {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        dates.begin(starts);
        match rendition {
            Some(rendition) => {
                keys.before(&mut out, rendition.protection.as_deref(), 0);
                if let Some(init) = rendition.init
                    && last_directory != Some(&rendition.directory)
                {
                    let _ = writeln!(out, "#EXT-X-MAP:URI=\"{}/{init}\"", rendition.directory);
                    last_directory = Some(&rendition.directory);
                }
                write_segments(&mut out, rendition, &mut keys, &mut dates);
            }
            // The rendition is silent in this period; players skip the gap (RFC 8216bis 4.4.4.7).
            None => {
                dates.before(&mut out, starts);
                let seconds = entry.duration.seconds(Timescale::MPEG, 6);
                let _ = writeln!(out, "#EXT-X-GAP\n#EXTINF:{seconds},\n{}/gap", first.directory);
            }
        }
    }
    out.push_str("#EXT-X-ENDLIST\n");
    Some(out)
}

/// `#EXTINF` and a file name behind its directory, as long as they are in long titles.
const LINES_OF_SEGMENT: usize = 40;
const INDEPENDENT: &str = "#EXT-X-INDEPENDENT-SEGMENTS\n";

/// Whether all segments, of one rendition or of all, can be decoded without those before.
fn is_independent(manifest: &Manifest, id: Option<RenditionId>) -> bool {
    let renditions = manifest.periods.iter().flat_map(|period| &period.sets);
    let mut renditions = renditions.flat_map(|set| &set.renditions);
    renditions.all(|rendition| {
        id.is_some_and(|id| id != rendition.id) || matches!(rendition.access_type, 1 | 2)
    })
}

fn version(manifest: &Manifest, has_keys: bool) -> u32 {
    let fragmented = manifest.offers.iter().any(|offer| {
        manifest.first_rendition(offer.main).is_some_and(|rendition| rendition.init.is_some())
    });
    match (fragmented, has_keys) {
        (true, _) => 7,
        (false, true) => 5,
        (false, false) => 3,
    }
}

fn longest_segment(manifest: &Manifest, id: RenditionId) -> Ticks {
    let durations = (0..manifest.periods.len()).flat_map(|period| {
        let rendition = manifest.rendition(id, period);
        let gap = manifest.periods.get(period).filter(|_| rendition.is_none());
        let segments = rendition.into_iter().flat_map(|rendition| {
            let timescale = rendition.timescale;
            rendition.segments.iter().map(move |s| s.duration.rescale(timescale, Timescale::MPEG))
        });
        segments.chain(gap.map(|period| period.duration))
    });
    durations.max().unwrap_or_default()
}

fn write_segments(
    out: &mut String,
    rendition: &ManifestRendition,
    keys: &mut KeyLines,
    dates: &mut DateLines<'_>,
) {
    let protection = rendition.protection.as_deref();
    out.reserve(rendition.segments.len() * (rendition.directory.len() + LINES_OF_SEGMENT));
    for (index, segment) in rendition.segments.iter().enumerate() {
        let is_silent = segment.healing == Healing::Silence;
        // Silence is clear, whatever the rendition is.
        keys.before(out, protection.filter(|_| !is_silent), index);
        dates.before(out, segment.time.rescale(rendition.timescale, Timescale::MPEG));
        if segment.healing == Healing::Gap {
            out.push_str("#EXT-X-GAP\n");
        }
        let seconds = segment.duration.seconds(rendition.timescale, 6);
        let _ = writeln!(out, "#EXTINF:{seconds},");
        out.push_str(&rendition.directory);
        if is_silent {
            out.push('/');
            out.push_str(SILENCE_DIRECTORY);
        }
        let _ = writeln!(out, "/{}.{}", segment.time.0, rendition.extension);
    }
}

fn write_sound(out: &mut String, manifest: &Manifest, group: &AudioGroup, member: &AudioMember) {
    let _ = write!(out, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID={}", quoted(&group.id));
    write_description(out, &member.description);
    if let Some(channels) = &member.channels {
        let _ = write!(out, ",CHANNELS={}", quoted(channels));
    }
    if let Some(id) = member.rendition {
        session::write_rendition_words(out, manifest, id);
        let _ = write!(out, ",URI=\"{}/{id}.m3u8\"", manifest.playlist_directory);
    }
    out.push('\n');
}

/// The group of all subtitles: they go with everything that is shown.
const TEXT_GROUP: &str = "subs";

fn write_text(out: &mut String, manifest: &Manifest, id: RenditionId) {
    let words = manifest.first_rendition(id).and_then(|text| text.description.as_deref());
    let Some(words) = words else { return };
    let _ = write!(out, "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"{TEXT_GROUP}\"");
    write_description(out, words);
    if words.is_forced {
        out.push_str(",FORCED=YES");
    }
    session::write_rendition_words(out, manifest, id);
    let _ = writeln!(out, ",URI=\"{}/{id}.m3u8\"", manifest.playlist_directory);
}

/// The attributes that people are told a rendition by.
pub(super) fn write_description(out: &mut String, words: &Description) {
    let _ = write!(out, ",NAME={}", quoted(&words.name));
    if let Some(language) = &words.language {
        let _ = write!(out, ",LANGUAGE={}", quoted(language));
    }
    if let Some(language) = &words.associated_language {
        let _ = write!(out, ",ASSOC-LANGUAGE={}", quoted(language));
    }
    let yes_or_no = |yes| if yes { "YES" } else { "NO" };
    let _ = write!(
        out,
        ",DEFAULT={},AUTOSELECT={}",
        yes_or_no(words.is_default),
        yes_or_no(words.is_autoselected)
    );
    if !words.characteristics.is_empty() {
        let _ = write!(out, ",CHARACTERISTICS={}", quoted(&words.characteristics.join(",")));
    }
}

/// A quoted-string (RFC 8216 4.2), which has no way to write quotes and line ends.
pub(super) fn quoted(text: &str) -> String {
    let allowed = text.chars().map(|c| match c {
        '"' => '\'',
        c if c.is_control() => ' ',
        c => c,
    });
    std::iter::once('"').chain(allowed).chain(std::iter::once('"')).collect()
}

fn write_variant(out: &mut String, manifest: &Manifest, offer: &Offer) {
    let Some(rendition) = manifest.first_rendition(offer.main) else { return };
    let _ = write!(
        out,
        "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"",
        offer.peak_bandwidth,
        offer.average_bandwidth,
        offer.codecs.join(",")
    );
    if let Some(picture) = rendition.codecs.first().and_then(CodecConfig::picture) {
        let _ = write!(out, ",RESOLUTION={}x{}", picture.width, picture.height);
        let _ = write!(out, ",VIDEO-RANGE={}", picture.video_range().as_str());
    }
    if let Some((frames, seconds)) = rendition.frame_rate {
        // A fraction printed as a decimal is what `seconds` does with ticks.
        if let Some(seconds) = Timescale::new(seconds) {
            let rate = Ticks(i64::from(frames)).seconds(seconds, 3);
            let _ = write!(out, ",FRAME-RATE={rate}");
        }
    }
    session::write_variant_words(out, manifest, offer);
    if let Some(group) = offer.audio.and_then(|place| manifest.audio_groups.get(place)) {
        let _ = write!(out, ",AUDIO={}", quoted(&group.id));
    }
    if !manifest.texts.is_empty() {
        let _ = write!(out, ",SUBTITLES=\"{TEXT_GROUP}\"");
    }
    out.push_str(&captions::attribute(&captions::of(manifest), offer.main.stream));
    let _ = writeln!(out, "\n{}/{}.m3u8", manifest.playlist_directory, offer.main);
}
