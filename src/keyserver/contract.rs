//! The encryption contract of SPEKE 2: which key is for which tracks.
//!
//! ```text
//! ContentKeyUsageRuleList ─ ContentKeyUsageRule @kid @intendedTrackType
//!                             ├ KeyPeriodFilter @periodId
//!                             ├ VideoFilter @minPixels @maxPixels @hdr @minFps @maxFps
//!                             └ AudioFilter @minChannels @maxChannels
//! ```
//!
//! A contract is either `ALL` with one bare filter of each kind (SHARED), or one video preset and
//! one audio preset, either of which may be left out (UNENCRYPTED). Bounds are those of the preset;
//! the upper one may be missing, which AWS's own verification suite does. A joined type may come
//! with one filter or with one for each of its parts.

use std::collections::BTreeSet;

use super::document::{CPIX, Element};
use super::refusal::Refusal;
use super::request::{key_id, list};
use crate::model::encryption::{AUDIO_PRESETS, VIDEO_PRESETS};
use crate::model::presentation::Medium;
use crate::model::protection::{KeyId, KeyRule, TrackType};

/// Checks the rules of SPEKE 2.
pub(super) fn check(document: &Element, ids: &[KeyId]) -> Result<(), Refusal> {
    let rules = list(document, "ContentKeyUsageRuleList", "ContentKeyUsageRule")?
        .ok_or(Refusal::MissingContract)?;
    let mut types = Vec::new();
    let mut ruled = BTreeSet::new();
    for rule in &rules {
        ruled.insert(known_key(rule, ids)?);
        check_period(document, rule)?;
        let text = rule.attribute("intendedTrackType");
        let text = text.ok_or_else(|| bad("a rule has no intendedTrackType"))?;
        let track_type = TrackType::parse(text).ok_or_else(|| {
            let known = text.chars().take(40).collect::<String>();
            Refusal::ContractNotSupported(format!("intendedTrackType {known:?} is unknown"))
        })?;
        if types.contains(&track_type) {
            return Err(bad(format!("intendedTrackType {text} stands there twice")));
        }
        types.push(track_type);
    }
    if let Some(id) = ids.iter().find(|id| !ruled.contains(id)) {
        return Err(bad(format!("no rule uses the key {id}")));
    }
    let shared = types.contains(&TrackType::All);
    if shared && types.len() > 1 {
        return Err(bad("ALL goes with no other intendedTrackType"));
    }
    // Bounds depend on the neighbours, so whether these belong together comes first.
    if !shared {
        check_presets(&types)?;
    }
    for (rule, expected) in rules.iter().zip(KeyRule::of(&types)) {
        let filters = Filters::of(rule)?;
        if shared { filters.check_shared()? } else { filters.check(expected)? }
    }
    Ok(())
}

/// Checks the rules of SPEKE 1.0, which bind keys to periods and say nothing of tracks.
pub(super) fn check_period_rules(document: &Element, ids: &[KeyId]) -> Result<(), Refusal> {
    let rules = list(document, "ContentKeyUsageRuleList", "ContentKeyUsageRule")?;
    for rule in rules.into_iter().flatten() {
        known_key(rule, ids)?;
        check_period(document, rule)?;
    }
    Ok(())
}

fn bad(problem: impl Into<String>) -> Refusal {
    Refusal::Contract(problem.into())
}

fn known_key(rule: &Element, ids: &[KeyId]) -> Result<KeyId, Refusal> {
    let id = key_id(rule, "ContentKeyUsageRule@kid").map_err(|error| bad(error.to_string()))?;
    if ids.contains(&id) { Ok(id) } else { Err(bad(format!("{id} is in no ContentKey"))) }
}

fn check_period(document: &Element, rule: &Element) -> Result<(), Refusal> {
    for filter in rule.all(CPIX, "KeyPeriodFilter") {
        let wanted = filter.attribute("periodId");
        let periods = document.child(CPIX, "ContentKeyPeriodList");
        let mut periods = periods.into_iter().flat_map(|list| list.all(CPIX, "ContentKeyPeriod"));
        if wanted.is_none() || !periods.any(|period| period.attribute("id") == wanted) {
            return Err(bad("KeyPeriodFilter@periodId names no ContentKeyPeriod"));
        }
    }
    Ok(())
}

fn check_presets(types: &[TrackType]) -> Result<(), Refusal> {
    let of = |medium| -> BTreeSet<TrackType> {
        types.iter().copied().filter(|track_type| track_type.medium() == Some(medium)).collect()
    };
    let is_preset = |types: &BTreeSet<TrackType>, presets: &[&[TrackType]]| {
        types.is_empty() || presets.iter().any(|preset| types.iter().eq(sorted(preset).iter()))
    };
    for (medium, presets) in [(Medium::Video, &VIDEO_PRESETS[..]), (Medium::Audio, &AUDIO_PRESETS)]
    {
        let types = of(medium);
        if !is_preset(&types, presets) {
            let names: Vec<_> = types.iter().map(|track_type| track_type.as_str()).collect();
            let text = format!("{} is no preset", names.join(", "));
            return Err(Refusal::ContractNotSupported(text));
        }
    }
    Ok(())
}

fn sorted(types: &[TrackType]) -> BTreeSet<TrackType> {
    types.iter().copied().collect()
}

/// The filters of one rule; bounds are inclusive.
struct Filters {
    track_type: String,
    video: Vec<(Option<u64>, Option<u64>)>,
    audio: Vec<(Option<u64>, Option<u64>)>,
    /// Whether any attribute stands in any filter.
    bounded: bool,
}

impl Filters {
    fn of(rule: &Element) -> Result<Self, Refusal> {
        let track_type = rule.attribute("intendedTrackType").unwrap_or_default().to_owned();
        let mut filters = Self { track_type, video: Vec::new(), audio: Vec::new(), bounded: false };
        for child in rule.children() {
            if child.is(CPIX, "VideoFilter") {
                const ATTRIBUTES: [&str; 6] =
                    ["minPixels", "maxPixels", "hdr", "wcg", "minFps", "maxFps"];
                filters.bounded |= ATTRIBUTES.iter().any(|name| child.attribute(name).is_some());
                filters.video.push(bounds(child, "minPixels", "maxPixels")?);
            } else if child.is(CPIX, "AudioFilter") {
                const ATTRIBUTES: [&str; 2] = ["minChannels", "maxChannels"];
                filters.bounded |= ATTRIBUTES.iter().any(|name| child.attribute(name).is_some());
                filters.audio.push(bounds(child, "minChannels", "maxChannels")?);
            } else if !child.is(CPIX, "KeyPeriodFilter") {
                let name: String = child.local().chars().take(40).collect();
                return Err(bad(format!("the filter {name} makes the rule unusable")));
            }
        }
        if filters.video.is_empty() && filters.audio.is_empty() {
            return Err(bad(format!("the rule {} has no filter", filters.track_type)));
        }
        Ok(filters)
    }

    fn check_shared(&self) -> Result<(), Refusal> {
        if self.video.len() == 1 && self.audio.len() == 1 && !self.bounded {
            return Ok(());
        }
        Err(bad("ALL wants exactly one VideoFilter and one AudioFilter without attributes"))
    }

    fn check(&self, expected: KeyRule) -> Result<(), Refusal> {
        let (own, other) = match expected.track_type.medium() {
            Some(Medium::Video) => (&self.video, &self.audio),
            _ => (&self.audio, &self.video),
        };
        let name = &self.track_type;
        if own.is_empty() || !other.is_empty() {
            return Err(bad(format!("the filters of {name} are of the wrong kind")));
        }
        let parts = name.split('+').count();
        if own.len() > parts {
            return Err(bad(format!("{name} has more filters than parts")));
        }
        let minimum = own.iter().map(|(minimum, _)| minimum.unwrap_or(0)).min().unwrap_or(0);
        // One filter without an end leaves the whole rule without.
        let ends: Option<Vec<u64>> = own.iter().map(|(_, maximum)| *maximum).collect();
        let maximum = ends.and_then(|ends| ends.into_iter().max());
        if minimum != expected.track_type.minimum() {
            let right = expected.track_type.minimum();
            return Err(bad(format!("{name} begins at {minimum} and should at {right}")));
        }
        if let Some(maximum) = maximum.filter(|_| maximum != expected.maximum) {
            return Err(match expected.maximum {
                Some(right) => bad(format!("{name} ends at {maximum} and should at {right}")),
                None => bad(format!("{name} ends at {maximum} and should have no end")),
            });
        }
        Ok(())
    }
}

fn bounds(
    filter: &Element,
    minimum: &str,
    maximum: &str,
) -> Result<(Option<u64>, Option<u64>), Refusal> {
    let read = |name: &str| -> Result<Option<u64>, Refusal> {
        let Some(text) = filter.attribute(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad(format!("{name} is no whole number")))
    };
    let (minimum, maximum) = (read(minimum)?, read(maximum)?);
    match (minimum, maximum) {
        (Some(low), Some(high)) if low > high => Err(bad("a filter ends before it begins")),
        both => Ok(both),
    }
}
