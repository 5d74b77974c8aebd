//! `packorigin drm check`: fetches what players would fetch, in this process, and has it judged.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use http::Request;
use http_body_util::BodyExt as _;
use url::Url;

use super::choice::choose;
use super::{DataArguments, print_line};
use crate::app::Parts;
use crate::catalog::AssetView;
use crate::config::Config;
use crate::drmcheck::mpd::Mpd;
use crate::drmcheck::playlist::{self, Listing, Master};
use crate::drmcheck::{
    self, Announced, Entry, Evidence, Segment, Track, document, is_encrypted, mpd, table,
};
use crate::error::{Error, Kind, Result};
use crate::model::manifest::RenditionKind;
use crate::model::policy::{Configuration, PackageType};
use crate::package;
use crate::plan::{Packaging, SegmentPlan, Target};
use crate::playback::{Playback, Route};

/// What to do about DRM.
#[derive(Debug, Subcommand)]
pub(super) enum DrmCommand {
    /// Compare all key IDs, boxes, IVs and URIs that players see, and decrypt some segments.
    ///
    /// Exit code 1 where anything disagrees.
    Check {
        /// The asset.
        #[arg(long, value_name = "NAME")]
        asset: String,
        /// The packaging configuration; it must encrypt.
        #[arg(long, value_name = "NAME")]
        configuration: String,
        /// Print the findings as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: DataArguments,
    },
}

/// Runs the command.
pub(super) async fn drm(command: DrmCommand) -> Result<ExitCode> {
    let DrmCommand::Check { asset, configuration, json, place } = command;
    let config = place.config(None, None)?;
    let (telemetry, metrics) = super::telemetry(&config)?;
    let parts = Parts::open(&config, &metrics).await?;
    let (view, chosen) = choose(&parts, &asset, &configuration).await?;
    let encryption = chosen.encryption.as_ref().ok_or_else(|| {
        let message = format!("configuration {configuration} does not encrypt");
        Error::new(Kind::FailedPrecondition, message)
    })?;
    let library = &parts.playback.library;
    let keys = library.key_set(&view, &chosen, encryption).await?;
    let clear = Configuration { encryption: None, ..(*chosen).clone() };
    let clear = library.current(&view, &clear).await?.packaging().clone();
    let clear_lead = u64::from(encryption.clear_lead_segments);
    let playback = &parts.playback;
    let visitor = Visitor { config: &config, playback, view: &view, clear, clear_lead };
    let evidence = visitor.evidence(&chosen).await?;
    let findings = drmcheck::judge(&evidence, &keys);
    let text = if json {
        serde_json::to_string_pretty(&document(&findings))
            .map_err(|error| Error::internal("the findings cannot be printed").caused_by(error))?
    } else {
        table(&findings)
    };
    print_line(&text)?;
    telemetry.shutdown().await;
    let agrees = findings.disagreements() == 0;
    Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A player that takes a few segments of everything.
struct Visitor<'a> {
    config: &'a Config,
    playback: &'a Arc<Playback>,
    view: &'a Arc<AssetView>,
    clear: Arc<Packaging>,
    /// How many segments of each rendition the configuration leaves clear.
    clear_lead: u64,
}

impl Visitor<'_> {
    async fn evidence(&self, configuration: &Configuration) -> Result<Evidence> {
        let path = format!(
            "http://localhost/vod/v1/{}/{}/{}.{}",
            self.view.name,
            configuration.name,
            configuration.manifest_name,
            configuration.package_type.manifest_extension()
        );
        let url = Url::parse(&path)
            .map_err(|error| Error::internal("the manifest has no URL").caused_by(error))?;
        let text = self.text(&url).await?;
        if configuration.package_type == PackageType::Dash {
            let mpd = mpd::read(&text).map_err(|error| unreadable(&url, error))?;
            let tracks = self.representations(&url, &mpd).await?;
            return Ok(Evidence { entry: Entry::Mpd(mpd), tracks });
        }
        let master = playlist::read_master(&text).map_err(|error| unreadable(&url, error))?;
        let tracks = self.playlists(&url, &master).await?;
        Ok(Evidence { entry: Entry::Master(master), tracks })
    }

    async fn representations(&self, base: &Url, mpd: &Mpd) -> Result<Vec<Track>> {
        let mut tracks = Vec::new();
        let media = mpd.sets.iter().enumerate().filter(|(_, set)| !set.is_text);
        for (index, set) in media {
            for representation in &set.representations {
                let name = format!("{} period {}", representation.id, set.period);
                let mut inits = Vec::new();
                if let Some(uri) = &representation.init {
                    inits.push((name.clone(), self.get(&join(base, uri)?).await?));
                }
                let mut segments = Vec::new();
                let count = representation.segments.len();
                some_segments(base, &name, count)?;
                // The first, the first that is encrypted, the last: an MPD does not tell which.
                let mut seen_encrypted = false;
                for (at, uri) in representation.segments.iter().enumerate() {
                    if seen_encrypted && at + 1 != count {
                        continue;
                    }
                    let segment = Segment {
                        name: format!("{name} #{at}"),
                        init: Some(0),
                        number: 0,
                        keys: Vec::new(),
                        is_listed: false,
                        bytes: self.get(&join(base, uri)?).await?,
                        in_clear_lead: self.is_in_clear_lead(&join(base, uri)?),
                        clear: self.clear(&join(base, uri)?).await?,
                    };
                    let init = inits.first().map(|(_, bytes)| bytes.as_slice());
                    let encrypted = is_encrypted(init.unwrap_or_default(), &segment.bytes);
                    seen_encrypted |= encrypted != Some(false);
                    if at == 0 || at + 1 == count || seen_encrypted {
                        segments.push(segment);
                    }
                }
                tracks.push(Track { name, announced: Announced::Set(index), inits, segments });
            }
        }
        Ok(tracks)
    }

    async fn playlists(&self, base: &Url, master: &Master) -> Result<Vec<Track>> {
        let mut tracks = Vec::new();
        for listed in &master.playlists {
            let url = join(base, &listed.uri)?;
            let text = self.text(&url).await?;
            let media = playlist::read_media(&text).map_err(|error| unreadable(&url, error))?;
            let file = url.path().rsplit('/').next().unwrap_or_default();
            let name = file.trim_end_matches(".m3u8").to_owned();
            some_segments(&url, &name, media.segments.len())?;
            let mut maps: Vec<String> =
                media.segments.iter().filter_map(|segment| segment.map.clone()).collect();
            maps.dedup();
            let mut inits = Vec::new();
            for (at, map) in maps.iter().enumerate() {
                inits.push((format!("{name} #{at}"), self.get(&join(&url, map)?).await?));
            }
            let mut segments = Vec::new();
            for at in wanted(&media.segments) {
                let Some(listing) = media.segments.get(at) else { continue };
                let address = join(&url, &listing.uri)?;
                let map = listing.map.as_ref();
                segments.push(Segment {
                    name: format!("{name} #{at}"),
                    init: map.and_then(|map| maps.iter().position(|known| known == map)),
                    number: listing.number,
                    keys: listing.keys.clone(),
                    is_listed: true,
                    bytes: self.get(&address).await?,
                    in_clear_lead: self.is_in_clear_lead(&address),
                    clear: self.clear(&address).await?,
                });
            }
            let announced = Announced::Playlist(media, listed.clone());
            tracks.push(Track { name, announced, inits, segments });
        }
        Ok(tracks)
    }

    async fn text(&self, url: &Url) -> Result<String> {
        String::from_utf8(self.get(url).await?).map_err(|error| unreadable(url, error))
    }

    /// What a player gets; as a CDN, where only CDNs may ask.
    async fn get(&self, url: &Url) -> Result<Vec<u8>> {
        let settings = &self.config.playback;
        let mut request = Request::get(url.path());
        if let Some(secret) = settings.cdn_secrets.first() {
            request = request.header(&settings.cdn_header, secret.expose());
        }
        let request = request
            .body(())
            .map_err(|error| Error::internal("the request cannot be made").caused_by(error))?;
        let response = self.playback.answer(request).await;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status.is_success() {
            return Ok(body.to_vec());
        }
        let problem = String::from_utf8_lossy(&body);
        Err(Error::not_found(format!("{} answers {status}: {problem}", url.path())))
    }

    /// The plan of the same segment without encryption, if the address is that of a segment.
    fn clear_plan(&self, url: &Url) -> Option<SegmentPlan> {
        let Route::Fixed { target, .. } = Route::parse(url.path())? else { return None };
        match target {
            Target::Segment { rendition, period, time } => {
                self.clear.segment(rendition, period, time)
            }
            Target::Numbered { rendition, period, number } => {
                let time = self.clear.numbered(rendition, period, number)?;
                self.clear.segment(rendition, period, time)
            }
            _ => None,
        }
    }

    fn is_in_clear_lead(&self, url: &Url) -> bool {
        // Trick play has none.
        let may_lead = |plan: &SegmentPlan| plan.rendition.kind != RenditionKind::Trick;
        self.clear_plan(url).is_some_and(|plan| may_lead(&plan) && plan.number <= self.clear_lead)
    }

    async fn clear(&self, url: &Url) -> Result<Option<Vec<u8>>> {
        let Some(plan) = self.clear_plan(url) else { return Ok(None) };
        let source = self.playback.source_reader(self.view)?;
        Ok(Some(package::segment(&source, plan).await?.bytes.to_vec()))
    }
}

/// The first segment, the first with keys, the last; of every map the first, too.
fn wanted(segments: &[Listing]) -> Vec<usize> {
    let mut wanted = vec![0, segments.len().saturating_sub(1)];
    wanted.extend(segments.iter().position(|segment| !segment.keys.is_empty()));
    let pairs = segments.iter().zip(segments.iter().skip(1)).enumerate();
    wanted.extend(pairs.filter(|(_, (a, b))| a.map != b.map).map(|(at, _)| at + 1));
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// What has no segments cannot be judged, and must not pass for good.
fn some_segments(url: &Url, name: &str, count: usize) -> Result<()> {
    let message = || format!("{} names no segments of {name}", url.path());
    if count == 0 { Err(Error::internal(message())) } else { Ok(()) }
}

fn join(base: &Url, uri: &str) -> Result<Url> {
    base.join(uri).map_err(|error| unreadable(base, error))
}

fn unreadable(url: &Url, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal(format!("{} cannot be read", url.path())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_first_encrypted_and_last_are_wanted() {
        let listing = |map: &str, encrypted: bool| Listing {
            map: Some(map.to_owned()),
            keys: vec![playlist::KeyLine::default(); usize::from(encrypted)],
            ..Listing::default()
        };
        let mut segments = vec![listing("a", false); 2];
        segments.extend(vec![listing("a", true); 3]);
        assert_eq!(wanted(&segments), [0, 2, 4]);
        segments.extend(vec![listing("b", true); 3]);
        assert_eq!(wanted(&segments), [0, 2, 5, 7]);
    }
}
