//! The captions of the streams that are offered, each service once.

use crate::model::caption::{Caption, OfferedCaptions};
use crate::model::presentation::{Medium, Presentation, Stream};

/// What the pictures of these streams carry. Where streams call one service differently, the first
/// that gives it a language counts, and otherwise the first.
pub(super) fn offered(presentation: &Presentation, streams: &[usize]) -> OfferedCaptions {
    let shown = |index: usize| {
        let stream = presentation.streams.get(index).filter(|_| streams.contains(&index));
        stream.filter(|stream| stream.has(Medium::Video))
    };
    let mut services: Vec<Caption> = Vec::new();
    for caption in streams.iter().filter_map(|&index| shown(index)).flat_map(carried) {
        match services.iter_mut().find(|known| known.service == caption.service) {
            None => services.push(caption.clone()),
            Some(known) if known.language().is_none() && caption.language().is_some() => {
                *known = caption.clone();
            }
            Some(_) => {}
        }
    }
    services.sort_by_key(|caption| caption.service);
    // One group has one default (RFC 8216 4.3.4.1.1).
    let described = services.iter_mut().filter_map(|caption| caption.description.as_mut());
    let defaults = described.filter(|words| words.is_default);
    defaults.skip(1).for_each(|words| words.is_default = false);
    let by_stream = (0..presentation.streams.len()).map(|index| {
        let captions = shown(index).into_iter().flat_map(carried);
        captions.map(|caption| caption.service).collect()
    });
    OfferedCaptions { services, by_stream: by_stream.collect() }
}

fn carried(stream: &Stream) -> &[Caption] {
    &stream.captions
}
