//! One request from path to answer, in one direction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body as _;
use sha2::{Digest, Sha256};
use tracing::Instrument;

use super::access::Access;
use super::ahead::{ReadAhead, Step};
use super::blocks::source_reader;
use super::coding::{self, Text};
use super::content::{Body, Content, Stored};
use super::library::Library;
use super::printed::{Plan, entry_manifest_of, media_playlist_of};
use super::respond::{Coding, Freshness, Head, ResponsePolicy, Verdict, judge};
use super::room::Room;
use super::route::Route;
use super::selection::Selection;
use super::survey::Survey;
use super::underway::Underway;
use crate::cache::Cache;
use crate::catalog::{AssetView, Catalog};
use crate::error::{Blame, Error, Kind, Result};
use crate::model::manifest::{Manifest, RenditionId, RenditionKind};
use crate::model::policy::{Name, OnSourceError, PackageType};
use crate::model::session::SessionFormat;
use crate::package::{self, BufferPool, Rendered, SourceReader};
use crate::plan::{
    Cut, Fingerprint, MissingObjects, Packaging, SegmentPlan, SilencePlan, Target, TextPlan,
};
use crate::source::{Root, Sources};
use crate::telemetry::{HttpRequest, Listener, Metrics};

/// The playback listener's parts; cheap to share.
pub struct Playback {
    /// Who may ask.
    pub access: Access,
    /// What answers look like.
    pub policy: ResponsePolicy,
    /// What there is.
    pub catalog: Arc<Catalog>,
    /// Indexes and plans.
    pub library: Arc<Library>,
    /// Where media is.
    pub sources: Arc<Sources>,
    /// What is missing there.
    pub survey: Arc<Survey>,
    /// Source bytes read lately, and ahead.
    pub ahead: Arc<ReadAhead>,
    /// How much of them there may be.
    pub room: Arc<Room>,
    /// What segments are made in.
    pub buffers: BufferPool,
    /// Segments that are being sent while they are made.
    pub underway: Arc<Underway>,
    /// Finished segments and manifests.
    pub segments: Arc<Cache<String, Stored>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether spans go anywhere but into log lines.
    pub traces: bool,
    /// Numbers requests that are not answered out of memory; starts anywhere.
    pub next_request: AtomicU64,
}

impl Playback {
    /// Answers a request. Never fails: errors become problems.
    pub async fn answer<B>(self: &Arc<Self>, request: Request<B>) -> Response<Body> {
        let started = Instant::now();
        let (parts, _) = request.into_parts();
        let route = Route::parse(parts.uri.path());
        let label = route.as_ref().map_or("unknown", Route::label);
        // Somebody looks at spans, so the short way has one too.
        let span = self.traces.then(|| tracing::info_span!("request", route = label).entered());
        let at_hand = route.as_ref().and_then(|route| self.at_hand(&parts, route, started));
        drop(span);
        let is_head = parts.method == Method::HEAD;
        let mut response = match at_hand {
            Some(response) => response,
            None => self.look_up(&parts, route, label).await,
        };
        self.policy.finish(&parts.headers, is_head, &mut response);
        self.metrics.http_request(HttpRequest {
            listener: Listener::Playback,
            route: label,
            status: response.status().as_u16(),
            duration: started.elapsed(),
            bytes: response.body().size_hint().exact().unwrap_or(0),
        });
        response
    }

    /// The long way, in a span of its own. Errors are logged and counted here.
    async fn look_up(
        self: &Arc<Self>,
        request: &Parts,
        route: Option<Route>,
        label: &'static str,
    ) -> Response<Body> {
        let number = self.next_request.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("{number:016x}");
        let span = tracing::info_span!("request", route = label, request_id);
        let query = request.uri.query();
        let answer =
            self.judge_and_answer(&request.method, &request.headers, route, query, &request_id);
        match answer.instrument(span.clone()).await {
            Ok(response) => response,
            Err(error) => {
                span.in_scope(|| log(&error));
                self.metrics.error(error.kind(), error.blame());
                self.policy.problem(&error, &request_id)
            }
        }
    }

    async fn judge_and_answer(
        self: &Arc<Self>,
        method: &Method,
        headers: &HeaderMap,
        route: Option<Route>,
        query: Option<&str>,
        request_id: &str,
    ) -> Result<Response<Body>> {
        if *method == Method::OPTIONS {
            return Ok(self.policy.preflight(headers));
        }
        if *method != Method::GET && *method != Method::HEAD {
            let message = "only GET, HEAD and OPTIONS are answered here";
            return Err(Error::new(Kind::MethodNotAllowed, message));
        }
        self.access.check(headers)?;
        let route = route.ok_or_else(|| Error::not_found("there is nothing under this path"))?;
        match route {
            Route::Entry { asset, configuration, manifest, extension } => {
                let selection = Selection::parse(query)?;
                let view = self.view(&asset).await?;
                let file = (&manifest, extension);
                let gzip = coding::accepts_gzip(headers);
                let text = self.entry(&view, &configuration, file, selection, gzip).await?;
                Ok(self.give_text(method, headers, &text, Freshness::Entry))
            }
            Route::Fixed { asset, fingerprint, target, container } => {
                Selection::refuse(query)?;
                let view = self.view(&asset).await?;
                let known = self.library.recently_named(&view, &fingerprint, Instant::now());
                let mut plans = match known {
                    Some(plans) => plans,
                    None => {
                        let plans = self.library.named(&view, &fingerprint, container).await?;
                        self.library.keep_named(&view, &fingerprint, &plans);
                        plans
                    }
                };
                // Configurations that differ in what they filter share playlists, not cuts.
                if let Target::Clip { cut, .. } = &target
                    && plans.len() > 1
                {
                    plans.sort_by_cached_key(|plan| !plan.packaging().has_cut(cut));
                }
                let found = plans.into_iter().find_map(|plan| {
                    let fits =
                        container.is_none_or(|c| c == plan.packaging().package_type().container());
                    Resource::find(plan, target).filter(|_| fits)
                });
                let resource = found.ok_or_else(|| gone(&fingerprint))?;
                self.fixed(method, headers, &view, resource, request_id).await
            }
        }
    }

    async fn view(&self, asset: &Name) -> Result<Arc<AssetView>> {
        let view = self.catalog.asset_view(asset).await?;
        view.ok_or_else(|| Error::not_found(format!("there is no asset {asset}")))
    }

    /// The entry manifest of a configuration.
    async fn entry(
        self: &Arc<Self>,
        view: &Arc<AssetView>,
        name: &Name,
        (manifest, extension): (&Name, &str),
        selection: Selection,
        gzip: bool,
    ) -> Result<Arc<Text>> {
        let configuration = view
            .current_configurations()
            .find(|configuration| configuration.name == *name)
            .ok_or_else(|| {
                let group = &view.group;
                Error::not_found(format!("packaging group {group} has no configuration {name}"))
            })?;
        let expected = configuration.package_type.manifest_extension();
        if configuration.manifest_name != *manifest || extension != expected {
            return Err(Error::not_found(format!(
                "the manifest of configuration {name} is {}.{expected}",
                configuration.manifest_name
            )));
        }
        let plan = self.library.current(view, configuration).await?;
        self.library.keep_current(view, name, &plan);
        let shown = self.shown(view, plan).await?;
        if shown.missing.is_empty() && selection == Selection::default() {
            return shown.plan.entry();
        }
        // What the configuration selects shows in the manifest but not in its fingerprints.
        let streams = configuration.stream_selection;
        let filter = configuration.filter.as_ref().map(ToString::to_string).unwrap_or_default();
        let key = format!(
            "{}/{:?}/{:?}/{:?}/{:?}/{}-{}/{filter}{}",
            shown.key(),
            configuration.audio_layout,
            configuration.trick_play,
            configuration.mpd,
            streams.order,
            streams.min_video_bits_per_second,
            streams.max_video_bits_per_second,
            selection.key()
        );
        let metrics = self.metrics.clone();
        let build = || async move {
            let packaging = shown.plan.packaging();
            let healed = shown.healed(&metrics)?;
            let manifest = healed.as_ref().unwrap_or_else(|| packaging.manifest());
            let selected = selection.applied(packaging, manifest)?;
            entry_manifest_of(packaging.package_type(), selected.as_ref().unwrap_or(manifest))
        };
        self.text(key, gzip, build).await
    }

    /// A manifest out of the cache of segments, built once, and so its compressed form where that
    /// is wanted.
    async fn text<F>(&self, key: String, gzip: bool, build: impl FnOnce() -> F) -> Result<Arc<Text>>
    where
        F: Future<Output = Result<Rendered>> + Send + 'static,
    {
        let plain = self.rendered(key.clone(), build).await?;
        if !gzip || !coding::is_worth_it(&plain) {
            return Ok(Arc::new(Text { plain, gzip: None }));
        }
        let text = plain.clone();
        let compress = || async move { coding::compressed(&text) };
        let gzip = self.rendered(format!("{key}/gzip"), compress).await?;
        Ok(Arc::new(Text { plain, gzip: Some(gzip) }))
    }

    /// What is made at once, out of the cache of segments or built once.
    async fn rendered<F>(&self, key: String, build: impl FnOnce() -> F) -> Result<Rendered>
    where
        F: Future<Output = Result<Rendered>> + Send + 'static,
    {
        let build = || {
            let built = build();
            async move { built.await.map(Stored::from) }
        };
        self.segments.get_or_build(key, build).await?.rendered()
    }

    /// A packaging with what of its source is missing now, if its configuration heals.
    async fn shown(&self, view: &AssetView, plan: Arc<Plan>) -> Result<Shown> {
        let packaging = plan.packaging();
        let missing = match packaging.on_source_error() {
            OnSourceError::Fail => MissingObjects::default(),
            OnSourceError::Heal => {
                let root = self.root(view)?;
                let (presentation, streams) = (packaging.presentation(), packaging.streams());
                self.survey.missing(&view.name, &root, presentation, &streams).await
            }
        };
        Ok(Shown { asset: view.name.clone(), plan, missing })
    }

    /// A manifest that is at hand, in the coding that suits the client.
    pub(super) fn give_text(
        &self,
        method: &Method,
        headers: &HeaderMap,
        text: &Text,
        freshness: Freshness,
    ) -> Response<Body> {
        let gzip = text.gzip.as_ref().filter(|_| coding::accepts_gzip(headers));
        let rendered = gzip.unwrap_or(&text.plain);
        let head = Head {
            content_type: rendered.content_type,
            etag: rendered.etag.clone(),
            length: rendered.bytes.len() as u64,
            freshness,
            ranges: false,
            coding: match gzip {
                Some(_) => Coding::Gzip,
                None if coding::is_worth_it(&text.plain) => Coding::GzipElsewhere,
                None => Coding::Only,
            },
        };
        let verdict = judge(method, headers, &head);
        let content = Content::Whole(rendered.bytes.clone());
        self.policy.resource(&head, &verdict, Some(content))
    }

    /// A resource that is at hand, never changes, and of which parts may be asked for.
    fn give_parts(
        &self,
        method: &Method,
        headers: &HeaderMap,
        rendered: Rendered,
        request_id: &str,
    ) -> Response<Body> {
        let stored = Stored::from(rendered);
        let head = parts_head(&stored);
        match judge(method, headers, &head) {
            Verdict::Unsatisfiable => self.policy.unsatisfiable(&head, request_id),
            verdict => self.policy.resource(&head, &verdict, Some(stored.content)),
        }
    }

    /// The same; `None` where the answer is an error.
    pub(super) fn give_good_parts(
        &self,
        method: &Method,
        headers: &HeaderMap,
        stored: Stored,
    ) -> Option<Response<Body>> {
        let head = parts_head(&stored);
        match judge(method, headers, &head) {
            Verdict::Unsatisfiable => None,
            verdict => Some(self.policy.resource(&head, &verdict, Some(stored.content))),
        }
    }

    /// A resource below a fingerprint. Conditions, `HEAD` and bad ranges are answered from the plan
    /// alone.
    async fn fixed(
        self: &Arc<Self>,
        method: &Method,
        headers: &HeaderMap,
        view: &AssetView,
        resource: Resource,
        request_id: &str,
    ) -> Result<Response<Body>> {
        let (packaging, plan) = match resource {
            Resource::Playlist(plan, rendition, cut) => {
                let shown = self.shown(view, plan).await?;
                // What heals changes with the source.
                let freshness = match shown.plan.packaging().on_source_error() {
                    OnSourceError::Fail => Freshness::Immutable,
                    OnSourceError::Heal => Freshness::Entry,
                };
                if shown.missing.is_empty() && cut.is_none() {
                    let text = shown.plan.playlist(rendition)?;
                    let text = text.ok_or_else(|| gone(shown.plan.packaging().playlists()))?;
                    return Ok(self.give_text(method, headers, &text, freshness));
                }
                let folder = cut.map(|cut| format!("/{}", cut.folder())).unwrap_or_default();
                let key = format!("{}{folder}/{rendition}", shown.key());
                let metrics = self.metrics.clone();
                let build = || async move {
                    let packaging = shown.plan.packaging();
                    let gone = || gone(packaging.playlists());
                    let healed = shown.healed(&metrics)?;
                    let whole = healed.as_ref().unwrap_or_else(|| packaging.manifest());
                    let clip = match &cut {
                        None => None,
                        Some(cut) => {
                            Some(packaging.clipped_for_playlists(whole, cut).ok_or_else(gone)?)
                        }
                    };
                    media_playlist_of(clip.as_ref().unwrap_or(whole), rendition).ok_or_else(gone)
                };
                let gzip = coding::accepts_gzip(headers);
                let text = self.text(key, gzip, build).await?;
                return Ok(self.give_text(method, headers, &text, freshness));
            }
            Resource::SessionData(rendered) => {
                return Ok(self.give_parts(method, headers, rendered, request_id));
            }
            Resource::Init(packaging, rendition, period) => {
                let key = format!("{}/{rendition}/{period}/init", packaging.segments());
                let etag = key.clone();
                let build = || async move {
                    let init = packaging.init(rendition, period);
                    let (track, protection) = init.ok_or_else(|| gone(packaging.segments()))?;
                    package::init(track, protection.as_deref(), &etag)
                };
                let rendered = self.rendered(key, build).await?;
                return Ok(self.give_parts(method, headers, rendered, request_id));
            }
            Resource::TextInit(packaging, rendition, period) => {
                let key = format!("{}/{rendition}/{period}/init", packaging.segments());
                let etag = key.clone();
                let build = || async move {
                    let text = packaging.text_init(rendition, period);
                    package::text_init(text.ok_or_else(|| gone(packaging.segments()))?, &etag)
                };
                let rendered = self.rendered(key, build).await?;
                return Ok(self.give_parts(method, headers, rendered, request_id));
            }
            Resource::Text(plan) => {
                let build = || {
                    let plan = plan.clone();
                    async move { package::text(&plan) }
                };
                let rendered = self.rendered(plan.key(), build).await?;
                return Ok(self.give_parts(method, headers, rendered, request_id));
            }
            Resource::Silence(plan) => {
                let build = || {
                    let plan = plan.clone();
                    async move { package::silence(&plan) }
                };
                let rendered = self.rendered(plan.key(), build).await?;
                return Ok(self.give_parts(method, headers, rendered, request_id));
            }
            Resource::Segment(packaging, plan) => (packaging, plan),
        };
        let mut head = Head {
            content_type: plan.content_type(),
            etag: plan.key().into(),
            length: plan.bytes,
            freshness: Freshness::Immutable,
            ranges: true,
            coding: Coding::Only,
        };
        if plan.known_bytes().is_none()
            && !matches!(judge(method, headers, &head), Verdict::NotModified)
        {
            // Only the segment itself knows its length.
            let is_get = *method == Method::GET;
            let step = if is_get { self.step(view, &packaging, &plan) } else { None };
            let content = self.segment(view, *plan).await?.content;
            self.read_ahead(step);
            head.length = content.len();
            return Ok(match judge(method, headers, &head) {
                Verdict::Unsatisfiable => self.policy.unsatisfiable(&head, request_id),
                verdict => self.policy.resource(&head, &verdict, Some(content)),
            });
        }
        let verdict = judge(method, headers, &head);
        let wants_body = *method == Method::GET;
        match verdict {
            Verdict::Unsatisfiable => Ok(self.policy.unsatisfiable(&head, request_id)),
            Verdict::Whole | Verdict::Part(_) if wants_body => {
                let reaches_end = match &verdict {
                    Verdict::Part(part) => part.end >= head.length,
                    _ => true,
                };
                let step = if reaches_end { self.step(view, &packaging, &plan) } else { None };
                let content = self.segment(view, *plan).await?.content;
                let response = self.policy.resource(&head, &verdict, Some(content.clone()));
                self.read_ahead_behind(&content, step);
                Ok(response)
            }
            verdict => Ok(self.policy.resource(&head, &verdict, None)),
        }
    }

    /// Reads the source of an asset.
    pub fn source_reader(&self, view: &AssetView) -> Result<SourceReader> {
        let (ahead, survey) = (self.ahead.clone(), self.survey.clone());
        Ok(source_reader(self.root(view)?, ahead, survey, self.buffers.clone()))
    }

    pub(super) fn root(&self, view: &AssetView) -> Result<Arc<Root>> {
        self.sources.get(&view.source).ok_or_else(|| {
            let message = format!(
                "source {:?} of asset {} is not configured any more; add it to the settings",
                view.source, view.name
            );
            Error::new(Kind::SourceFailed, message)
        })
    }

    /// What a player wants that walks on from a segment.
    fn step(&self, view: &AssetView, packaging: &Packaging, own: &SegmentPlan) -> Option<Step> {
        let root = self.root(view).ok().filter(|root| self.ahead.is_for(root))?;
        let next = packaging.segment_after(own).filter(|next| !self.segments.has(&next.key()))?;
        let reads = package::source_blocks(own).ok()?;
        let wanted = package::source_blocks(&next).ok()?;
        Some(Step { root, own: own.key(), reads, next: next.key(), wanted })
    }

    /// Reads ahead as soon as the player's own segment is there.
    fn read_ahead_behind(self: &Arc<Self>, own: &Content, step: Option<Step>) {
        let (Content::Growing(growing), Some(_)) = (own, &step) else {
            return self.read_ahead(step);
        };
        let (playback, growing) = (self.clone(), growing.clone());
        tokio::spawn(async move {
            // Who hung up in the meantime walks no further.
            if growing.ended().await.is_ok() && growing.is_wanted() {
                playback.read_ahead(step);
            }
        });
    }

    /// Reads ahead, unless another request was faster.
    fn read_ahead(&self, step: Option<Step>) {
        if let Some(step) = step.filter(|step| !self.segments.has(&step.next)) {
            self.ahead.step(step);
        }
    }
}

/// What a fingerprint and a target lead to.
enum Resource {
    /// Of all, or of a part.
    Playlist(Arc<Plan>, RenditionId, Option<Cut>),
    SessionData(Rendered),
    Init(Arc<Packaging>, RenditionId, usize),
    Segment(Arc<Packaging>, Box<SegmentPlan>),
    Silence(Box<SilencePlan>),
    TextInit(Arc<Packaging>, RenditionId, usize),
    Text(Box<TextPlan>),
}

impl Resource {
    fn find(plan: Arc<Plan>, target: Target) -> Option<Self> {
        let packaging = plan.packaging().clone();
        let playlist = |rendition, cut| {
            let packaging = plan.packaging();
            let has_playlists = packaging.package_type() != PackageType::Dash;
            packaging.manifest().first_rendition(rendition).filter(|_| has_playlists)?;
            Some(Self::Playlist(plan.clone(), rendition, cut))
        };
        match target {
            Target::Entry => None,
            Target::Media(rendition) => playlist(rendition, None),
            Target::Clip { rendition, cut } => playlist(rendition, Some(cut)),
            Target::SessionData { number, format } => {
                if packaging.package_type() == PackageType::Dash {
                    return None;
                }
                session_data(&packaging, number, format).map(Self::SessionData)
            }
            Target::Init { rendition, period } if rendition.kind == RenditionKind::Text => {
                packaging.text_init(rendition, period)?;
                Some(Self::TextInit(packaging, rendition, period))
            }
            Target::Text { rendition, period, time, form } => {
                packaging.text(rendition, period, time, form).map(Box::new).map(Self::Text)
            }
            Target::PeriodText { rendition, period, format } => {
                packaging.whole_text(rendition, period, format).map(Box::new).map(Self::Text)
            }
            Target::Init { rendition, period } => {
                packaging.init(rendition, period)?;
                Some(Self::Init(packaging, rendition, period))
            }
            Target::Numbered { rendition, period, number } => {
                let time = packaging.numbered(rendition, period, number)?;
                let plan = packaging.segment(rendition, period, time)?;
                Some(Self::Segment(packaging, Box::new(plan)))
            }
            Target::Segment { rendition, period, time } => {
                let plan = packaging.segment(rendition, period, time)?;
                Some(Self::Segment(packaging, Box::new(plan)))
            }
            Target::Silence { rendition, period, time } => {
                packaging.silence(rendition, period, time).map(Box::new).map(Self::Silence)
            }
        }
    }
}

/// A packaging as players see it now.
struct Shown {
    asset: Name,
    plan: Arc<Plan>,
    missing: MissingObjects,
}

impl Shown {
    /// Names its playlists in caches: other objects missing, other text.
    fn key(&self) -> String {
        let mut key = self.plan.packaging().playlists().to_string();
        if !self.missing.is_empty() {
            let mut hash = Sha256::new();
            for (stream, object, available) in self.missing.iter() {
                hash.update((stream as u64).to_be_bytes());
                hash.update(u64::from(object).to_be_bytes());
                hash.update(available.to_be_bytes());
            }
            key = format!("{key}/healed-{}", hex::encode(hash.finalize()));
        }
        key
    }

    /// The manifest without what is missing; `None` where nothing is. Counts what it heals.
    fn healed(&self, metrics: &Metrics) -> Result<Option<Manifest>> {
        if self.missing.is_empty() {
            return Ok(None);
        }
        let healed = self.plan.packaging().healed(&self.missing);
        if !healed.is_playable {
            let message = format!(
                "asset {}: all of its source is missing or unreadable; bring it back, or delete \
                 the asset",
                self.asset
            );
            return Err(Error::new(Kind::SourceFailed, message));
        }
        metrics.healed(healed.gaps, healed.silent);
        Ok(Some(healed.manifest))
    }
}

/// A file of session data.
fn session_data(packaging: &Packaging, number: usize, format: SessionFormat) -> Option<Rendered> {
    let (bytes, own) = packaging.session_data(number).filter(|(_, own)| *own == format)?;
    Some(Rendered {
        bytes: bytes.to_vec().into(),
        content_type: own.content_type(),
        etag: format!("{}/session-data-{number}", packaging.playlists()).into(),
    })
}

fn gone(fingerprint: &Fingerprint) -> Error {
    Error::not_found(format!(
        "{fingerprint} has no such resource; the asset or its configuration was changed, so load \
         the manifest again"
    ))
}

/// What is to be said of a resource of which parts may be asked for.
fn parts_head(stored: &Stored) -> Head {
    Head {
        content_type: stored.content_type,
        etag: stored.etag.clone(),
        length: stored.content.len(),
        freshness: Freshness::Immutable,
        ranges: true,
        coding: Coding::Only,
    }
}

/// Logs an error once, at the level that its blame deserves.
pub(super) fn log(error: &Error) {
    let (kind, blame) = (error.kind().code(), error.blame().label());
    let chain = error.chain();
    match error.blame() {
        Blame::Client => tracing::debug!(kind, blame, "{chain}"),
        Blame::Source | Blame::KeyServer => tracing::warn!(kind, blame, "{chain}"),
        Blame::Us => tracing::error!(kind, blame, "{chain}"),
    }
}
