//! Answers out of memory, found without waiting: what most requests get.
//!
//! The same answers as by the long way in [`super::handler`], which is also where everything goes
//! that is not found here: what has to be looked up, built, healed or refused. Nothing here can
//! fail, so there is nothing to log and no span to log it in.

use std::time::Instant;

use http::request::Parts;
use http::{Method, Response};

use super::content::Body;
use super::handler::Playback;
use super::respond::Freshness;
use super::route::Route;
use super::selection::Selection;
use crate::catalog::AssetView;
use crate::model::policy::{Configuration, Name, OnSourceError, PackageType};
use crate::plan::Target;

impl Playback {
    /// The answer to a request, where it is in memory.
    pub(super) fn at_hand(
        &self,
        request: &Parts,
        route: &Route,
        now: Instant,
    ) -> Option<Response<Body>> {
        let method = &request.method;
        let is_read = *method == Method::GET || *method == Method::HEAD;
        if !is_read || self.access.check(&request.headers).is_err() {
            return None;
        }
        // A query that selects is the long way's, to apply or to refuse.
        Selection::refuse(request.uri.query()).ok()?;
        match route {
            Route::Entry { asset, configuration, manifest, extension } => {
                let view = self.catalog.kept_view(asset)?;
                named(&view, configuration).filter(|configuration| {
                    configuration.manifest_name == *manifest
                        && configuration.package_type.manifest_extension() == *extension
                })?;
                let plan = self.library.recently_current(&view, configuration, now)?;
                if plan.packaging().on_source_error() != OnSourceError::Fail {
                    return None;
                }
                let text = plan.entry().ok()?;
                Some(self.give_text(method, &request.headers, &text, Freshness::Entry))
            }
            Route::Fixed { asset, fingerprint, target: Target::Media(rendition), .. } => {
                let view = self.catalog.kept_view(asset)?;
                let mut plans = self.library.recently_named(&view, fingerprint, now)?.into_iter();
                let plan = plans.find(|plan| {
                    let packaging = plan.packaging();
                    packaging.package_type() != PackageType::Dash
                        && packaging.manifest().first_rendition(*rendition).is_some()
                })?;
                if plan.packaging().on_source_error() != OnSourceError::Fail {
                    return None;
                }
                let text = plan.playlist(*rendition).ok()??;
                Some(self.give_text(method, &request.headers, &text, Freshness::Immutable))
            }
            Route::Fixed { asset, fingerprint, target, container } => {
                let key = stored_under(request.uri.path(), asset, target)?;
                let view = self.catalog.kept_view(asset)?;
                let plans = self.library.recently_named(&view, fingerprint, now)?;
                plans.iter().map(|plan| plan.packaging()).find(|packaging| {
                    container.is_none_or(|c| c == packaging.package_type().container())
                        && packaging.lists(target)
                })?;
                let stored = self.segments.get(key)?.claim().ok()?;
                self.give_good_parts(method, &request.headers, stored)
            }
        }
    }
}

/// The configuration in force of a name.
fn named<'a>(view: &'a AssetView, name: &Name) -> Option<&'a Configuration> {
    let mut current = view.current_configurations();
    current.find(|configuration| configuration.name == *name).map(|found| &**found)
}

/// What the cache has an init or media segment under: its path behind the asset, without the
/// extension, is the key that its plan gives it, because every resource has one spelling.
fn stored_under<'a>(path: &'a str, asset: &Name, target: &Target) -> Option<&'a str> {
    if !matches!(target, Target::Init { .. } | Target::Segment { .. }) {
        return None;
    }
    let path = path.strip_prefix("/vod/v1/")?.strip_prefix(asset.as_str())?.strip_prefix('/')?;
    path.rsplit_once('.').map(|(key, _extension)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_segments_are_their_keys() {
        let fingerprint = format!("s.{}", "0123456789abcdef".repeat(2));
        for (rest, wanted) in [
            ("video-2/10/540000.m4s", Some("video-2/10/540000")),
            ("av-1/0/0.ts", Some("av-1/0/0")),
            ("audio-1/0/init.mp4", Some("audio-1/0/init")),
            ("video-2/10/number-7.m4s", None),
            ("text-1/0/0.vtt", None),
            ("audio-1/0/silence/0.m4s", None),
        ] {
            let path = format!("/vod/v1/bbb/{fingerprint}/{rest}");
            let route = Route::parse(&path);
            let Some(Route::Fixed { asset, target, .. }) = route else { panic!("{path}") };
            let wanted = wanted.map(|wanted| format!("{fingerprint}/{wanted}"));
            assert_eq!(stored_under(&path, &asset, &target), wanted.as_deref(), "{path}");
            if let Target::Segment { rendition, period, time } = target {
                // As SegmentPlan::key writes it.
                let key = format!("{fingerprint}/{rendition}/{period}/{}", time.0);
                assert_eq!(stored_under(&path, &asset, &target).unwrap_or(&key), key);
            }
        }
    }
}
