//! Attributes that stand at the AdaptationSet where all of its Representations agree in them, and at
//! each Representation where they do not (ISO/IEC 23009-1:2022 5.3.7.2); and what the set says of
//! the largest of its pictures.

use quick_xml::writer::ElementWriter;

use crate::model::codec::{CodecConfig, PictureFormat};
use crate::model::manifest::{AdaptationSet, Manifest, ManifestRendition, RenditionKind};
use crate::model::session::{OfferedSession, SupplementalCodec};

/// Pictures of one shape differ by so little: sizes are whole, and even as a rule.
const SHAPE_TOLERANCE_PARTS: u64 = 50;

pub(super) type Attribute = (&'static str, String);

/// What all Representations of a set have in common.
pub(super) struct SharedAttributes<'a> {
    session: &'a OfferedSession,
    attributes: Vec<Attribute>,
}

impl<'a> SharedAttributes<'a> {
    pub(super) fn of(set: &AdaptationSet, manifest: &'a Manifest) -> Self {
        let session = &manifest.session;
        let mut renditions = set.renditions.iter().map(|rendition| attributes(rendition, session));
        let mut common = renditions.next().unwrap_or_default();
        for other in renditions {
            common.retain(|attribute| other.contains(attribute));
        }
        Self { session, attributes: common }
    }

    /// What the set says.
    pub(super) fn of_set(&self) -> &[Attribute] {
        &self.attributes
    }

    /// What a Representation has to say by itself.
    pub(super) fn of_rendition(&self, rendition: &ManifestRendition) -> Vec<Attribute> {
        let mut own = attributes(rendition, self.session);
        own.retain(|attribute| !self.attributes.contains(attribute));
        own
    }
}

/// Everything of a rendition that a set may say for it.
fn attributes(rendition: &ManifestRendition, session: &OfferedSession) -> Vec<Attribute> {
    let codecs: Vec<String> = rendition.codecs.iter().map(CodecConfig::rfc6381).collect();
    let mut attributes = vec![("codecs", codecs.join(","))];
    let lead = rendition.codecs.first();
    if let Some(picture) = lead.and_then(CodecConfig::picture) {
        let (h, v) = picture.sample_aspect_ratio;
        attributes.push(("width", picture.width.to_string()));
        attributes.push(("height", picture.height.to_string()));
        attributes.push(("sar", format!("{h}:{v}")));
        if picture.interlaced {
            attributes.push(("scanType", "interlaced".to_owned()));
        }
        attributes.extend(rendition.frame_rate.map(|rate| ("frameRate", frame_rate(rate))));
    }
    let is_video = rendition.id.kind == RenditionKind::Video;
    let supplemental = session.supplemental.get(&rendition.id.stream).filter(|_| is_video);
    if let Some(SupplementalCodec { codec, brand }) = supplemental {
        attributes.push(("scte214:supplementalCodecs", codec.clone()));
        attributes.push(("scte214:supplementalProfiles", brand.clone()));
    }
    if let Some(sound) = lead.and_then(CodecConfig::sound) {
        attributes.push(("audioSamplingRate", sound.sampling_frequency.to_string()));
    }
    attributes
}

/// A whole number, or a fraction.
fn frame_rate((frames, seconds): (u32, u32)) -> String {
    if seconds == 1 { frames.to_string() } else { format!("{frames}/{seconds}") }
}

/// `maxWidth`, `maxHeight` and `maxFrameRate`, and `par` where all pictures have one shape.
pub(super) fn with_largest_picture<'a>(
    mut element: ElementWriter<'a, Vec<u8>>,
    set: &AdaptationSet,
) -> ElementWriter<'a, Vec<u8>> {
    let renditions = || set.renditions.iter();
    let pictures = || renditions().filter_map(|rendition| rendition.codecs.first()?.picture());
    let sizes = pictures().map(|picture| (picture.width, picture.height));
    if let Some((width, height)) = sizes.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1))) {
        element = element
            .with_attribute(("maxWidth", width.to_string().as_str()))
            .with_attribute(("maxHeight", height.to_string().as_str()));
    }
    let rates = renditions().filter_map(|rendition| rendition.frame_rate);
    let fastest = rates.max_by(|a, b| {
        let product = |x: u32, y: u32| u64::from(x) * u64::from(y);
        product(a.0, b.1).cmp(&product(b.0, a.1))
    });
    if let Some(rate) = fastest {
        element = element.with_attribute(("maxFrameRate", frame_rate(rate).as_str()));
    }
    let largest = pictures().max_by_key(|picture| u64::from(picture.width));
    let shapes = || pictures().map(shape);
    if let Some((width, height)) = largest.map(shape)
        && shapes().all(|(w, h)| {
            let (one, other) =
                (u128::from(w) * u128::from(height), u128::from(h) * u128::from(width));
            one.abs_diff(other) * u128::from(SHAPE_TOLERANCE_PARTS) <= one
        })
    {
        let divisor = greatest_common_divisor(width, height).max(1);
        let par = format!("{}:{}", width / divisor, height / divisor);
        element = element.with_attribute(("par", par.as_str()));
    }
    element
}

/// Width and height as they are shown.
fn shape(picture: &PictureFormat) -> (u64, u64) {
    let (h, v) = picture.sample_aspect_ratio;
    (
        u64::from(picture.width) * u64::from(h.max(1)),
        u64::from(picture.height) * u64::from(v.max(1)),
    )
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_those_on_the_screen() {
        let picture = |width, height, sample_aspect_ratio| PictureFormat {
            width,
            height,
            sample_aspect_ratio,
            ..PictureFormat::default()
        };
        assert_eq!(shape(&picture(720, 576, (64, 45))), (46_080, 25_920));
        assert_eq!(shape(&picture(640, 360, (0, 0))), (640, 360));
        assert_eq!(
            (greatest_common_divisor(46_080, 25_920), frame_rate((30_000, 1_001))),
            (2_880, "30000/1001".to_owned())
        );
    }
}
