//! Request path → what is asked for. Pure; knows names, not whether they exist.
//!
//! ```text
//! /vod/v1/{asset}/{configuration}/{manifest}.m3u8 | .mpd
//! /vod/v1/{asset}/p.{fingerprint}/{rendition}.m3u8
//! /vod/v1/{asset}/p.{fingerprint}/clip-{from}-{to}/{rendition}.m3u8
//! /vod/v1/{asset}/p.{fingerprint}/session-data-{number}.json | .bin
//! /vod/v1/{asset}/s.{fingerprint}/{rendition}/{period}/init.mp4
//! /vod/v1/{asset}/s.{fingerprint}/{rendition}/{period}/{time}.m4s | .ts
//! /vod/v1/{asset}/s.{fingerprint}/{rendition}/{period}/number-{number}.m4s
//! /vod/v1/{asset}/s.{fingerprint}/{rendition}/{period}/silence/{time}.m4s
//! /vod/v1/{asset}/s.{fingerprint}/{text}/{period}/{time}.vtt | {time}.m4s | period.vtt
//! ```
//!
//! Every resource has one spelling: percent-encoded or doubled slashes, leading zeros and signs are
//! not found, so that caches hold nothing twice.

use crate::model::manifest::{
    NUMBER_PREFIX, PERIOD_TEXT_STEM, RenditionId, RenditionKind, SILENCE_DIRECTORY,
};
use crate::model::policy::{Container, Name};
use crate::model::session::{SESSION_DATA_PREFIX, SessionFormat};
use crate::model::text::TextFormat;
use crate::plan::{Cut, Fingerprint, INIT_NAME, Target, TextForm};
use crate::time::Ticks;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// An entry manifest.
    Entry {
        /// Of which asset.
        asset: Name,
        /// Packaged how.
        configuration: Name,
        /// File name without extension.
        manifest: Name,
        /// `m3u8` or `mpd`.
        extension: &'static str,
    },
    /// Something whose bytes never change.
    Fixed {
        /// Of which asset.
        asset: Name,
        /// Names version and settings.
        fingerprint: Fingerprint,
        /// Which resource; never [`Target::Entry`].
        target: Target,
        /// The container that a media segment's extension stands for.
        container: Option<Container>,
    },
}

impl Route {
    /// The route of a path; `None` where no such resource can exist.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix("/vod/v1/")?.split('/');
        let asset = Name::new(parts.next()?).ok()?;
        let folder = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        match Fingerprint::parse(folder) {
            Some(fingerprint) => Self::fixed(asset, fingerprint, &rest),
            None => Self::entry(asset, folder, &rest),
        }
    }

    /// The word for metrics and logs.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Entry { .. } => "entry",
            Self::Fixed { target: Target::Media(_) | Target::Clip { .. }, .. } => "media_playlist",
            Self::Fixed { target: Target::SessionData { .. }, .. } => "session_data",
            Self::Fixed { target: Target::Init { .. }, .. } => "init",
            Self::Fixed { target: Target::Silence { .. }, .. } => "silence",
            Self::Fixed { target: Target::Text { .. } | Target::PeriodText { .. }, .. } => "text",
            Self::Fixed { .. } => "segment",
        }
    }

    fn entry(asset: Name, configuration: &str, rest: &[&str]) -> Option<Self> {
        let &[file] = rest else { return None };
        let (manifest, extension) = file.split_once('.')?;
        let extension = ["m3u8", "mpd"].into_iter().find(|known| *known == extension)?;
        Some(Self::Entry {
            asset,
            configuration: Name::new(configuration).ok()?,
            manifest: Name::new(manifest).ok()?,
            extension,
        })
    }

    fn fixed(asset: Name, fingerprint: Fingerprint, rest: &[&str]) -> Option<Self> {
        let (target, container) = match (fingerprint.is_of_segments(), rest) {
            (false, &[file]) if file.starts_with(SESSION_DATA_PREFIX) => {
                let (number_text, extension) =
                    file.strip_prefix(SESSION_DATA_PREFIX)?.split_once('.')?;
                let formats = [SessionFormat::Json, SessionFormat::Raw];
                let format = formats.into_iter().find(|known| known.extension() == extension)?;
                let number = usize::try_from(number(number_text)?).ok()?;
                (Target::SessionData { number, format }, None)
            }
            (false, &[file]) => {
                let rendition = RenditionId::parse(file.strip_suffix(".m3u8")?)?;
                (Target::Media(rendition), None)
            }
            (false, &[folder, file]) => {
                let (from, to) = folder.strip_prefix("clip-")?.split_once('-')?;
                let cut = Cut::at(Ticks(number(from)?), Ticks(number(to)?));
                let rendition = RenditionId::parse(file.strip_suffix(".m3u8")?)?;
                (Target::Clip { rendition, cut }, None)
            }
            (true, &[rendition, period, file]) => {
                let rendition = RenditionId::parse(rendition)?;
                let period = usize::try_from(number(period)?).ok()?;
                let is_text = rendition.kind == RenditionKind::Text;
                if file == INIT_NAME {
                    (Target::Init { rendition, period }, Some(Container::Cmaf))
                } else if is_text {
                    let (time, extension) = file.split_once('.')?;
                    if time == PERIOD_TEXT_STEM {
                        let formats = [TextFormat::WebVtt, TextFormat::Imsc];
                        let format = formats.into_iter().find(|f| f.extension() == extension)?;
                        let target = Target::PeriodText { rendition, period, format };
                        let container = Some(Container::Cmaf);
                        return Some(Self::Fixed { asset, fingerprint, target, container });
                    }
                    // The fingerprint knows the container.
                    let form = match extension {
                        "vtt" => TextForm::Files,
                        "m4s" => TextForm::Fragments,
                        _ => return None,
                    };
                    let time = Ticks(number(time)?);
                    (Target::Text { rendition, period, time, form }, None)
                } else if let Some(file) = file.strip_prefix(NUMBER_PREFIX) {
                    let number = usize::try_from(number(file.strip_suffix(".m4s")?)?).ok()?;
                    (Target::Numbered { rendition, period, number }, Some(Container::Cmaf))
                } else {
                    let (time, extension) = file.split_once('.')?;
                    let container = match extension {
                        "m4s" => Container::Cmaf,
                        "ts" => Container::MpegTs,
                        _ => return None,
                    };
                    let time = Ticks(number(time)?);
                    (Target::Segment { rendition, period, time }, Some(container))
                }
            }
            (true, &[rendition, period, folder, file]) if folder == SILENCE_DIRECTORY => {
                let rendition = RenditionId::parse(rendition)?;
                let period = usize::try_from(number(period)?).ok()?;
                let time = Ticks(number(file.strip_suffix(".m4s")?)?);
                (Target::Silence { rendition, period, time }, Some(Container::Cmaf))
            }
            _ => return None,
        };
        Some(Self::Fixed { asset, fingerprint, target, container })
    }
}

/// A decimal number in its one spelling.
fn number(text: &str) -> Option<i64> {
    let value: i64 = text.parse().ok()?;
    (value >= 0 && value.to_string() == text).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn each_shape_is_read() {
        let entry = Route::parse("/vod/v1/bbb/dash/index.mpd").unwrap();
        assert_eq!(entry.label(), "entry");
        let cases = [
            (format!("/vod/v1/bbb/p.{DIGITS}/audio-1.m3u8"), "media_playlist"),
            (format!("/vod/v1/bbb/p.{DIGITS}/clip-0-540000/audio-1.m3u8"), "media_playlist"),
            (format!("/vod/v1/bbb/p.{DIGITS}/session-data-1.json"), "session_data"),
            (format!("/vod/v1/bbb/p.{DIGITS}/session-data-12.bin"), "session_data"),
            (format!("/vod/v1/bbb/s.{DIGITS}/video-2/0/init.mp4"), "init"),
            (format!("/vod/v1/bbb/s.{DIGITS}/video-2/10/540000.m4s"), "segment"),
            (format!("/vod/v1/bbb/s.{DIGITS}/av-1/0/0.ts"), "segment"),
            (format!("/vod/v1/bbb/s.{DIGITS}/video-2/0/number-7.m4s"), "segment"),
            (format!("/vod/v1/bbb/s.{DIGITS}/audio-1/0/silence/0.m4s"), "silence"),
            (format!("/vod/v1/bbb/p.{DIGITS}/text-1.m3u8"), "media_playlist"),
            (format!("/vod/v1/bbb/s.{DIGITS}/text-1/0/0.vtt"), "text"),
            (format!("/vod/v1/bbb/s.{DIGITS}/text-1/0/540000.m4s"), "text"),
            (format!("/vod/v1/bbb/s.{DIGITS}/text-1/0/period.vtt"), "text"),
            (format!("/vod/v1/bbb/s.{DIGITS}/text-1/0/period.ttml"), "text"),
        ];
        for (path, label) in cases {
            assert_eq!(Route::parse(&path).map(|route| route.label()), Some(label), "{path}");
        }
    }

    #[test]
    fn every_other_spelling_is_nothing() {
        let digits = DIGITS;
        let upper = DIGITS.to_uppercase();
        for path in [
            "/".to_owned(),
            "/vod/v1/".to_owned(),
            "/vod/v1/bbb/dash".to_owned(),
            "/vod/v1/bbb/dash/index.mp4".to_owned(),
            "/vod/v1/bbb/dash/index.m3u8/".to_owned(),
            "/vod/v1/bbb//index.m3u8".to_owned(),
            "/vod/v1/../bbb/index.m3u8".to_owned(),
            "/vod/v1/b%62b/dash/index.mpd".to_owned(),
            "/vod/v1/bbb/dash/in.dex.mpd".to_owned(),
            format!("/vod/v1/{}/dash/index.mpd", "a".repeat(129)),
            format!("/vod/v1/bbb/p.{digits}/video-1/0/init.mp4"),
            format!("/vod/v1/bbb/s.{digits}/session-data-1.json"),
            format!("/vod/v1/bbb/p.{digits}/session-data-01.json"),
            format!("/vod/v1/bbb/p.{digits}/session-data-1.m3u8"),
            format!("/vod/v1/bbb/p.{digits}/session-data-1"),
            format!("/vod/v1/bbb/s.{digits}/video-1.m3u8"),
            format!("/vod/v1/bbb/s.{digits}/clip-0-1/video-1.m3u8"),
            format!("/vod/v1/bbb/p.{digits}/clip-0/video-1.m3u8"),
            format!("/vod/v1/bbb/p.{digits}/clip-0-01/video-1.m3u8"),
            format!("/vod/v1/bbb/p.{digits}/clip--1-1/video-1.m3u8"),
            format!("/vod/v1/bbb/p.{digits}/clip-0-1-2/video-1.m3u8"),
            format!("/vod/v1/bbb/p.{digits}/part-0-1/video-1.m3u8"),
            format!("/vod/v1/bbb/s.{upper}/video-1/0/init.mp4"),
            format!("/vod/v1/bbb/s.{digits}/video-1/00/init.mp4"),
            format!("/vod/v1/bbb/s.{digits}/video-1/0/-1.m4s"),
            format!("/vod/v1/bbb/s.{digits}/video-1/0/+1.m4s"),
            format!("/vod/v1/bbb/s.{digits}/video-1/0/01.m4s"),
            format!("/vod/v1/bbb/s.{digits}/video-1/0/99999999999999999999.m4s"),
            format!("/vod/v1/bbb/s.{digits}/video-01/0/1.m4s"),
            format!("/vod/v1/bbb/s.{digits}/video-1/0/number-01.m4s"),
            format!("/vod/v1/bbb/s.{digits}/video-1/0/number-1.ts"),
            format!("/vod/v1/bbb/s.{digits}/audio-1/0/silence/01.m4s"),
            format!("/vod/v1/bbb/s.{digits}/text-1/0/0.ts"),
            format!("/vod/v1/bbb/s.{digits}/text-1/0/00.vtt"),
            format!("/vod/v1/bbb/s.{digits}/video-1/0/0.vtt"),
            format!("/vod/v1/bbb/s.{digits}/audio-1/0/period.vtt"),
            format!("/vod/v1/bbb/s.{digits}/audio-1/0/silence/1.ts"),
            format!("/vod/v1/bbb/s.{digits}/audio-1/0/noise/1.m4s"),
            format!("/vod/v1/bbb/p.{digits}/audio-1/0/silence/1.m4s"),
        ] {
            assert_eq!(Route::parse(&path), None, "{path}");
        }
    }
}
