//! Captions that travel inside the pictures, in MPDs (ANSI/SCTE 214-1 6.4.3, DASH-IF IOP 4.3 6.4.3.3).

use crate::model::caption::{Caption, CaptionService, OfferedCaptions};
use crate::model::language::iso_639_2;
use crate::model::manifest::{AdaptationSet, RenditionKind};

const CEA_608: &str = "urn:scte:dash:cc:cea-608:2015";
const CEA_708: &str = "urn:scte:dash:cc:cea-708:2015";

/// Schemes and values of the `Accessibility` descriptors of a set.
pub(super) fn of_set(
    captions: &OfferedCaptions,
    set: &AdaptationSet,
) -> Vec<(&'static str, String)> {
    match set.kind {
        RenditionKind::Audio | RenditionKind::Trick | RenditionKind::Text => Vec::new(),
        RenditionKind::Video | RenditionKind::Muxed => {
            let streams = set.renditions.iter().map(|rendition| rendition.id.stream);
            accessibility(captions, &streams.collect::<Vec<_>>())
        }
    }
}

/// `CC1=eng;CC3=swe`, `1=lang:eng;2=lang:swe,er:1`. Both want a language; `und` is none.
fn accessibility(captions: &OfferedCaptions, streams: &[usize]) -> Vec<(&'static str, String)> {
    let (mut channels, mut services) = (Vec::new(), Vec::new());
    for caption in captions.of_streams(streams) {
        let language = iso_639_2(caption.language().unwrap_or_default());
        match caption.service {
            CaptionService::Cea608(channel) => channels.push(format!("CC{channel}={language}")),
            CaptionService::Cea708(service) => {
                let easy = if is_easy(caption) { ",er:1" } else { "" };
                services.push(format!("{service}=lang:{language}{easy}"));
            }
        }
    }
    let lists = [(CEA_608, channels), (CEA_708, services)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    lists.map(|(scheme, list)| (scheme, list.join(";"))).collect()
}

/// Written for easy reading.
fn is_easy(caption: &Caption) -> bool {
    caption.description.as_ref().is_some_and(|words| words.has("public.easy-to-read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::description::Description;

    #[test]
    fn languages_are_those_of_iso_639_2() {
        let caption = |service, language: Option<&str>| Caption {
            service,
            description: language.map(|language| Description {
                language: Some(language.to_owned()),
                ..Description::default()
            }),
        };
        let mut easy = caption(CaptionService::Cea708(12), Some("sv"));
        easy.description.as_mut().unwrap().characteristics = vec!["public.easy-to-read".to_owned()];
        let services = vec![
            caption(CaptionService::Cea608(1), Some("en-US")),
            caption(CaptionService::Cea608(3), None),
            caption(CaptionService::Cea708(1), Some("de")),
            easy,
        ];
        let all = services.iter().map(|caption| caption.service).collect();
        let captions = OfferedCaptions { services, by_stream: vec![all, Vec::new()] };
        let expected = [
            (CEA_608, "CC1=eng;CC3=und".to_owned()),
            (CEA_708, "1=lang:ger;12=lang:swe,er:1".to_owned()),
        ];
        assert_eq!(accessibility(&captions, &[1, 0]), expected);
        assert_eq!(accessibility(&captions, &[1]), []);
    }
}
