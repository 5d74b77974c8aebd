//! Which addresses outgoing requests may reach (INTERFACE section 6).
//!
//! Sources and key servers are named by people who may register assets, and those are not
//! necessarily people who may look into the network that this program runs in. So a request
//! reaches public addresses only, unless the operator's `egress.allow_hosts` names the host or the
//! address. The rule is held in three places, because a URL is not an address:
//!
//! - [`EgressPolicy::check_url`] before a request: hosts that are written as an address;
//! - [`GuardedResolver`] when a name is resolved: the very addresses that are connected to are
//!   filtered, so a name that changes its mind between check and use gains nothing;
//! - the redirect policy of [`client`]: each hop is checked like the first request.
//!
//! [`client`] ignores proxy settings of the environment: behind a proxy we would see neither name
//! resolution nor address. Endpoints of S3 and OSS come from the settings file alone; they are the
//! operator's word, and do not pass through here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use url::{Host, Url};

use crate::config::{AllowedHost, Egress};

/// A web server that redirects more often than this goes round in circles.
const MAX_REDIRECTS: usize = 5;

/// Decides whether an address may be reached. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    allowed: Arc<Allowed>,
}

#[derive(Debug, Default)]
struct Allowed {
    names: Vec<String>,
    networks: Vec<IpNet>,
}

/// An address that may not be reached, or a URL that names none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressRefused {
    /// The host is, or resolves to, addresses that are not public.
    #[error(
        "{host} is on a private or reserved address ({address}); if that is meant, name the host \
         or the address in egress.allow_hosts"
    )]
    PrivateAddress {
        /// The host as the URL writes it.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// Only HTTP and HTTPS are spoken.
    #[error("{scheme} is neither http nor https")]
    Scheme {
        /// What the URL says.
        scheme: String,
    },
    /// The URL has no host.
    #[error("the URL has no host")]
    NoHost,
    /// The server keeps redirecting.
    #[error("the server redirects more than {MAX_REDIRECTS} times")]
    TooManyRedirects,
}

impl EgressPolicy {
    /// Public addresses, and what the settings name.
    pub fn new(egress: &Egress) -> Self {
        let mut allowed = Allowed::default();
        for entry in &egress.allow_hosts {
            match entry {
                AllowedHost::Name(name) => allowed.names.push(name.clone()),
                AllowedHost::Network(network) => allowed.networks.push(*network),
            }
        }
        Self { allowed: Arc::new(allowed) }
    }

    /// Whether this address may be connected to, whatever its name.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        // `::ffff:10.0.0.1` is 10.0.0.1 to the kernel.
        let address = address.to_canonical();
        is_public(address) || self.allowed.networks.iter().any(|net| net.contains(&address))
    }

    /// Whether the settings name this host, so that its addresses do not matter.
    pub fn allows_host(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.allowed.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    /// What can be said of a URL before names are resolved.
    pub fn check_url(&self, url: &Url) -> Result<(), EgressRefused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EgressRefused::Scheme { scheme: url.scheme().to_owned() });
        }
        let address: IpAddr = match url.host() {
            None => return Err(EgressRefused::NoHost),
            // The resolver looks at it.
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
        };
        if self.allows_address(address) {
            return Ok(());
        }
        Err(EgressRefused::PrivateAddress { host: address.to_string(), address })
    }

    /// The addresses of `host` that may be connected to. An error if none is left; a host with no
    /// address at all is the caller's to report.
    pub fn filter(
        &self,
        host: &str,
        addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, EgressRefused> {
        if self.allows_host(host) {
            return Ok(addresses);
        }
        let first = addresses.first().map(SocketAddr::ip);
        let allowed: Vec<SocketAddr> =
            addresses.into_iter().filter(|address| self.allows_address(address.ip())).collect();
        match first {
            Some(address) if allowed.is_empty() => {
                Err(EgressRefused::PrivateAddress { host: host.to_owned(), address })
            }
            _ => Ok(allowed),
        }
    }

    fn check_redirect(&self, attempt: Attempt<'_>) -> reqwest::redirect::Action {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error(EgressRefused::TooManyRedirects);
        }
        match self.check_url(attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(refused) => attempt.error(refused),
        }
    }
}

/// A client that keeps to `policy`. The caller checks the first URL with
/// [`EgressPolicy::check_url`]; the client never hands addresses in URLs to its resolver.
pub fn client(
    policy: &EgressPolicy,
    connect_timeout: Duration,
) -> Result<reqwest::Client, reqwest::Error> {
    client_builder(policy, connect_timeout).build()
}

/// What [`client`] builds, for callers that add certificates of their own.
pub fn client_builder(policy: &EgressPolicy, connect_timeout: Duration) -> reqwest::ClientBuilder {
    let redirects = policy.clone();
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(connect_timeout)
        .redirect(Policy::custom(move |attempt| redirects.check_redirect(attempt)))
        // A referrer would carry the first URL's signature to the second host.
        .referer(false)
        .dns_resolver(GuardedResolver { policy: policy.clone() })
}

/// The refusal that caused `error`, if one did.
pub fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a EgressRefused> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(refused) = error.downcast_ref::<EgressRefused>() {
            return Some(refused);
        }
        next = error.source();
    }
    None
}

/// The system's resolver with the policy behind it.
#[derive(Clone)]
pub struct GuardedResolver {
    policy: EgressPolicy,
}

impl fmt::Debug for GuardedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardedResolver")
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy.clone();
        Box::pin(async move {
            // Port 0 stands for the port of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = policy.filter(name.as_str(), found.collect())?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether anybody on the Internet could be asked at this address. From the special-purpose
/// registries of IANA (RFC 6890 and its successors): everything that is not globally reachable,
/// and multicast.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        // "This network", with the unspecified address (RFC 791 3.2).
        [0, ..] => false,
        // Private (RFC 1918).
        [10, ..] | [192, 168, ..] => false,
        [172, b, ..] if b & 0xf0 == 16 => false,
        // Carrier-grade NAT (RFC 6598).
        [100, b, ..] if b & 0xc0 == 64 => false,
        // Loopback, link-local (where clouds keep their metadata).
        [127, ..] | [169, 254, ..] => false,
        // Protocol assignments, documentation, the old 6to4 relay.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => false,
        // Benchmarks (RFC 2544).
        [198, 18 | 19, ..] => false,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => false,
        _ => true,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // Mapped IPv4 (::ffff:0:0/96): callers have it in canonical form, but nothing hangs on it.
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        // NAT64 (RFC 6052): what is reached is the IPv4 address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4 (RFC 3056): likewise.
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo and other protocol assignments (2001::/23), documentation (RFC 3849, RFC 9637).
        [0x2001, second, ..] if second < 0x200 => false,
        [0x2001, 0xdb8, ..] => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Global unicast is 2000::/3; loopback, link-local, unique local, multicast and the
        // unspecified address all lie outside of it.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(entries: &[AllowedHost]) -> EgressPolicy {
        EgressPolicy::new(&Egress { allow_hosts: entries.to_vec(), ..Egress::default() })
    }

    fn name(name: &str) -> AllowedHost {
        AllowedHost::Name(name.to_owned())
    }

    fn network(text: &str) -> AllowedHost {
        AllowedHost::Network(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_allowed_and_all_others_refused() {
        let policy = EgressPolicy::default();
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ] {
            assert!(policy.allows_address(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1.1.1.1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!policy.allows_address(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn networks_of_the_settings_are_allowed() {
        let policy = policy(&[network("10.1.0.0/16"), network("fd00::1/128")]);
        for (address, allowed) in [
            ("10.1.255.1", true),
            ("::ffff:10.1.0.1", true),
            ("10.2.0.1", false),
            ("fd00::1", true),
            ("fd00::2", false),
        ] {
            assert_eq!(policy.allows_address(address.parse().unwrap()), allowed, "{address}");
        }
    }

    #[test]
    fn urls_are_checked_before_names_are_resolved() {
        let policy = policy(&[network("10.0.0.7/32")]);
        let check = |url: &str| policy.check_url(&Url::parse(url).unwrap());
        assert_eq!(check("https://example.com/x"), Ok(()));
        assert_eq!(check("https://1.1.1.1/"), Ok(()));
        assert_eq!(check("http://10.0.0.7:9000/"), Ok(()));
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://10.0.0.8/",
        ] {
            let error = check(url).unwrap_err();
            assert!(matches!(error, EgressRefused::PrivateAddress { .. }), "{url}: {error}");
        }
        assert_eq!(check("ftp://h/"), Err(EgressRefused::Scheme { scheme: "ftp".to_owned() }));
    }

    #[test]
    fn resolved_names_keep_their_public_addresses_only() {
        let addresses = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
        };
        let policy = policy(&[name("keys.internal")]);
        let mixed = addresses(&["10.0.0.1", "1.1.1.1", "::1"]);
        assert_eq!(policy.filter("a.example", mixed.clone()), Ok(addresses(&["1.1.1.1"])));
        assert_eq!(policy.filter("KEYS.internal.", mixed.clone()), Ok(mixed));
        let error = policy.filter("rebind.example", addresses(&["127.0.0.1"])).unwrap_err();
        assert!(error.to_string().contains("rebind.example"), "{error}");
        assert!(error.to_string().contains("egress.allow_hosts"), "{error}");
        assert!(policy.filter("not-keys.internal", addresses(&["127.0.0.1"])).is_err());
        assert_eq!(policy.filter("a.example", Vec::new()), Ok(Vec::new()));
    }
}
