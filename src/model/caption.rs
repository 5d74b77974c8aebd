//! Closed captions that travel inside the pictures (ANSI/CTA-608-E, CTA-708-E, ATSC A/53 part 4).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::description::Description;

/// One service of captions, as `INSTREAM-ID` names it (RFC 8216 4.3.4.1): `CC1`, `SERVICE1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CaptionService {
    /// A channel of CTA-608, 1 to 4: two in each field.
    Cea608(u8),
    /// A service of CTA-708, 1 to 63.
    Cea708(u8),
}

impl CaptionService {
    /// Channels of CTA-608.
    pub const CHANNELS: std::ops::RangeInclusive<u8> = 1..=4;
    /// Services of CTA-708.
    pub const SERVICES: std::ops::RangeInclusive<u8> = 1..=63;

    /// Reads what [`fmt::Display`] writes, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let service = match text.strip_prefix("CC") {
            Some(number) => Self::Cea608(number.parse().ok()?),
            None => Self::Cea708(text.strip_prefix("SERVICE")?.parse().ok()?),
        };
        (service.is_valid() && service.to_string() == text).then_some(service)
    }

    /// Whether there is such a channel or service.
    pub fn is_valid(self) -> bool {
        match self {
            Self::Cea608(channel) => Self::CHANNELS.contains(&channel),
            Self::Cea708(service) => Self::SERVICES.contains(&service),
        }
    }
}

impl fmt::Display for CaptionService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cea608(channel) => write!(f, "CC{channel}"),
            Self::Cea708(service) => write!(f, "SERVICE{service}"),
        }
    }
}

/// A service of captions and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caption {
    /// Which.
    pub service: CaptionService,
    /// What people are told of it, if the source's master playlist says anything.
    pub description: Option<Description>,
}

impl Caption {
    /// `LANGUAGE`: a BCP 47 tag.
    pub fn language(&self) -> Option<&str> {
        self.description.as_ref()?.language.as_deref()
    }
}

/// The captions of what a manifest offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferedCaptions {
    /// Each service once, in order.
    pub services: Vec<Caption>,
    /// By stream of the presentation, which services its pictures carry.
    pub by_stream: Vec<Vec<CaptionService>>,
}

impl OfferedCaptions {
    /// Whether the pictures of a stream carry captions.
    pub fn has(&self, stream: usize) -> bool {
        self.by_stream.get(stream).is_some_and(|services| !services.is_empty())
    }

    /// The services that the pictures of any of these streams carry.
    pub fn of_streams(&self, streams: &[usize]) -> impl Iterator<Item = &Caption> {
        self.services.iter().filter(move |caption| {
            let mut carried = streams.iter().filter_map(|&stream| self.by_stream.get(stream));
            carried.any(|services| services.contains(&caption.service))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_one_spelling() {
        for name in ["CC1", "CC4", "SERVICE1", "SERVICE63"] {
            assert_eq!(CaptionService::parse(name).unwrap().to_string(), name);
        }
        for bad in ["CC0", "CC5", "CC01", "cc1", "SERVICE0", "SERVICE64", "SERVICE+1", "TXT1", ""] {
            assert_eq!(CaptionService::parse(bad), None, "{bad}");
        }
    }
}
