//! What the key server does wrong on purpose, so that tests of its clients can fail.
//!
//! Faults of the connection hold for key requests, plain keys and licences; those of the answer for
//! key requests alone, except [`Fault::WrongKey`], which holds for licences and plain keys alone:
//! then media and licence disagree, as with a key server that changed its mind.

use std::str::FromStr;
use std::time::Duration;

use http::StatusCode;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every answer waits so long.
    Slow(Duration),
    /// Every answer is an error with this status.
    Status(StatusCode),
    /// The connection closes before the answer.
    Reset,
    /// The connection closes in the middle of the answer.
    Truncate,
    /// The body is no XML.
    NotXml,
    /// The answer has another `X-Speke-Version`.
    WrongVersion,
    /// `explicitIV` is the content key.
    IvEqualsKey,
    /// `ContentKey@kid` is one that nobody asked for.
    WrongKid,
    /// Licences and plain keys hold other keys than the media got.
    WrongKey,
    /// Keys have no value.
    NoKey,
    /// Keys are 15 bytes long, where they come plain.
    ShortKey,
    /// `commonEncryptionScheme` comes back as another one.
    WrongScheme,
    /// `ContentProtectionData` holds another `pssh` than `PSSH`.
    OtherPssh,
    /// What is to be told about keys stays empty.
    EmptySystems,
    /// Rules do not come back.
    NoRules,
    /// `ValueMAC` does not fit.
    BadMac,
}

/// A text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such fault; there are slow=MILLISECONDS, status=400…599, {}", names().join(", "))]
pub struct UnknownFault;

/// Faults without a value.
const NAMED: [(&str, Fault); 14] = [
    ("reset", Fault::Reset),
    ("truncate", Fault::Truncate),
    ("not-xml", Fault::NotXml),
    ("wrong-version", Fault::WrongVersion),
    ("iv-equals-key", Fault::IvEqualsKey),
    ("wrong-kid", Fault::WrongKid),
    ("wrong-key", Fault::WrongKey),
    ("no-key", Fault::NoKey),
    ("short-key", Fault::ShortKey),
    ("wrong-scheme", Fault::WrongScheme),
    ("other-pssh", Fault::OtherPssh),
    ("empty-systems", Fault::EmptySystems),
    ("no-rules", Fault::NoRules),
    ("bad-mac", Fault::BadMac),
];

fn names() -> Vec<&'static str> {
    NAMED.iter().map(|(name, _)| *name).collect()
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        match text.split_once('=') {
            Some(("slow", value)) => {
                let milliseconds = value.parse().map_err(|_| UnknownFault)?;
                Ok(Self::Slow(Duration::from_millis(milliseconds)))
            }
            Some(("status", value)) => {
                let status = value.parse::<StatusCode>().map_err(|_| UnknownFault)?;
                let is_error = status.is_client_error() || status.is_server_error();
                if is_error { Ok(Self::Status(status)) } else { Err(UnknownFault) }
            }
            _ => NAMED
                .iter()
                .find(|(name, _)| *name == text)
                .map(|(_, fault)| *fault)
                .ok_or(UnknownFault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_names() {
        assert_eq!("slow=20".parse(), Ok(Fault::Slow(Duration::from_millis(20))));
        assert_eq!("status=503".parse(), Ok(Fault::Status(StatusCode::SERVICE_UNAVAILABLE)));
        for (name, fault) in NAMED {
            assert_eq!(name.parse(), Ok(fault));
        }
        for bad in ["", "slow", "slow=x", "status=200", "status=99", "reset=1", "Reset"] {
            assert_eq!(bad.parse::<Fault>(), Err(UnknownFault), "{bad}");
        }
        assert!(UnknownFault.to_string().contains("iv-equals-key"));
    }
}
