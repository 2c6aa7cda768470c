//! Access control: which requests are answered.
//!
//! Every user of this machine can connect to loopback, and any page on the web can make a browser
//! do so. Four checks tell them apart from the lab's own user:
//!
//! - the owner of the connection ([`super::owner`]): this user, or root;
//! - `Host`: a page cannot choose it, so a name that was rebound to 127.0.0.1 is told by exactly that ([`super::authority`]);
//! - `Origin`, and `Sec-Fetch-Site` where a browser sends it: the page behind the request;
//! - the token, which only the page carries: for all that changes something, and for both WebSockets, which no
//!   same-origin policy covers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, UPGRADE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, Uri};

use super::authority::Authority;
use super::refusal::Refusal;

/// Where the page's token is looked for when it does not open a WebSocket.
const TOKEN: &str = "x-ipcscope-token";

/// Bytes in a token: 128 bits.
const TOKEN_BYTES: usize = 16;

/// The door: the address at which the lab listens, and the token of this start.
#[derive(Debug)]
pub(crate) struct RequestGuard {
    ours: SocketAddr,
    token: String,
    policy: HeaderValue,
}

impl RequestGuard {
    /// A door with a fresh token.
    ///
    /// # Errors
    ///
    /// When the kernel gives no random bytes.
    pub(crate) fn new(ours: SocketAddr) -> std::io::Result<RequestGuard> {
        let mut random = [0; TOKEN_BYTES];
        let given = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        if given != TOKEN_BYTES {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(RequestGuard::with(ours, random.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    fn with(ours: SocketAddr, token: String) -> RequestGuard {
        // `'self'` covers WebSockets in today's browsers; older ones need them named, and have no way to name IPv6.
        let (host, port) =
            (if ours.is_ipv4() { ours.ip() } else { IpAddr::V4(Ipv4Addr::LOCALHOST) }, ours.port());
        let policy = format!(
            "default-src 'self'; connect-src 'self' ws://{host}:{port} ws://localhost:{port}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
        );
        RequestGuard { ours, token, policy: policy.parse().expect("a header's value") }
    }

    /// What the page carries.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The headers that every answer carries.
    pub(super) fn headers(&self) -> [(HeaderName, HeaderValue); 5] {
        let fixed = HeaderValue::from_static;
        [
            (CONTENT_SECURITY_POLICY, self.policy.clone()),
            (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            (REFERRER_POLICY, fixed("no-referrer")),
            (HeaderName::from_static("cross-origin-resource-policy"), fixed("same-origin")),
            (HeaderName::from_static("cross-origin-opener-policy"), fixed("same-origin")),
        ]
    }

    /// Why this request is not answered, if so.
    pub(super) fn refusal(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Refusal> {
        let Some(host) = self.host(uri, headers) else {
            return Some(Refusal::forbidden(format_args!(
                "this lab answers to {ours}, and to 127.0.0.1, localhost and [::1] with port {port}, only; \
                 a tunnel must have the same port at both ends",
                ours = self.ours,
                port = self.ours.port()
            )));
        };
        if !is_from(&host, headers) {
            return Some(Refusal::forbidden("another page may not ask this lab for anything"));
        }
        let reads = [Method::GET, Method::HEAD].contains(method);
        // A link from elsewhere may lead to the page; only the page itself requests its files.
        if !(reads && uri.path() == "/") && is_cross_site(headers) {
            return Some(Refusal::forbidden("another page may not ask this lab for anything"));
        }
        let upgrades = headers.contains_key(UPGRADE);
        if (!reads || upgrades) && !self.has_token(uri, headers, upgrades) {
            return Some(Refusal::forbidden(
                "the token is missing or of an earlier start of the lab: load the page again",
            ));
        }
        None
    }

    /// The one `Host` header, if it names this lab; the target must too, if it has a host.
    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
        let ours = |name: &str| Authority::read(name).filter(|name| name.is(self.ours));
        let host = ours(only(headers, &HOST)?.to_str().ok()?)?;
        uri.authority().is_none_or(|target| ours(target.as_str()).is_some()).then_some(host)
    }

    fn has_token(&self, uri: &Uri, headers: &HeaderMap, in_query: bool) -> bool {
        let shown = if in_query {
            let pairs = uri.query().unwrap_or_default().split('&');
            let mut tokens = pairs.filter_map(|pair| pair.strip_prefix("token="));
            tokens.next().map(str::as_bytes).filter(|_| tokens.next().is_none())
        } else {
            only(headers, &HeaderName::from_static(TOKEN)).map(HeaderValue::as_bytes)
        };
        shown.is_some_and(|shown| same(shown, self.token.as_bytes()))
    }
}

/// Whether the request came from no page, or from a page of this lab.
fn is_from(host: &Authority, headers: &HeaderMap) -> bool {
    let origins = headers.get_all(ORIGIN).iter().count();
    let origin = || Authority::read(only(headers, &ORIGIN)?.to_str().ok()?.strip_prefix("http://")?);
    origins == 0 || origin().is_some_and(|origin| origin == *host)
}

/// Whether the browser says that a foreign page made it ask.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let sites = headers.get_all("sec-fetch-site");
    sites.iter().any(|site| site != "same-origin" && site != "none")
}

/// The value of a header that there is exactly one of.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Compares without telling by its time how much was right.
fn same(shown: &[u8], expected: &[u8]) -> bool {
    let differences = shown.iter().zip(expected).fold(0, |seen, (a, b)| std::hint::black_box(seen | (a ^ b)));
    shown.len() == expected.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "127.0.0.1:7878";

    fn asked(method: Method, uri: &str, headers: &[(&str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        RequestGuard::with(OURS.parse().unwrap(), "0123".into())
            .refusal(&method, &uri.parse().unwrap(), &map)
            .is_none()
    }

    fn named(uri: &str, hosts: &[&str]) -> bool {
        asked(Method::GET, uri, &hosts.iter().map(|host| ("host", *host)).collect::<Vec<_>>())
    }

    #[test]
    fn one_name_of_ours_and_no_other() {
        for host in [OURS, "localhost:7878", "LOCALHOST.:7878", "[::1]:7878"] {
            assert!(named("/", &[host]), "{host}");
        }
        for host in ["", "localhost", "127.0.0.1:7879", "evil.example:7878", "127.0.0.2:7878"] {
            assert!(!named("/", &[host]), "{host}");
        }
        assert!(!named("/", &[]));
        assert!(!named("/", &["localhost:7878", "evil.example"]));
        assert!(!named("/", &["localhost:7878", "localhost:7878"]));
        assert!(!named("http://evil.example/", &["localhost:7878"]));
        assert!(named("http://localhost:7878/", &["localhost:7878"]));
    }

    #[test]
    fn an_origin_is_the_host_that_was_asked_or_there_is_none() {
        let from = |origins: &[&str]| {
            let mut headers = vec![("host", OURS)];
            headers.extend(origins.iter().map(|origin| ("origin", *origin)));
            asked(Method::GET, "/api/lab", &headers)
        };
        assert!(from(&[]));
        assert!(from(&["http://127.0.0.1:7878"]));
        assert!(from(&["http://127.0.0.1.:7878"]), "the same address");
        for origin in [
            "null",
            "",
            "http://evil.example",
            "https://127.0.0.1:7878",
            "http://localhost:7878",
            "http://[::1]:7878",
            "http://127.0.0.2:7878",
            "http://evil.example:7878",
            "http://evil.example@127.0.0.1:7878",
            "http://127.0.0.1:7878/",
            "http://127.0.0.1:7879",
            "http://127.0.0.1:7878.evil.example",
            "127.0.0.1:7878",
        ] {
            assert!(!from(&[origin]), "{origin}");
        }
        assert!(!from(&["http://127.0.0.1:7878", "http://127.0.0.1:7878"]));
    }

    #[test]
    fn a_foreign_page_may_link_to_the_page_and_take_nothing() {
        let site = |uri, site| asked(Method::GET, uri, &[("host", OURS), ("sec-fetch-site", site)]);
        assert!(site("/", "cross-site") && site("/", "none"));
        assert!(site("/api/lab", "same-origin") && site("/api/lab", "none"));
        for from in ["cross-site", "same-site", "anything"] {
            assert!(!site("/api/lab", from) && !site("/web/app.js", from), "{from}");
        }
    }

    #[test]
    fn what_changes_something_needs_the_token() {
        let with = |token: &[&str]| {
            let mut headers = vec![("host", OURS)];
            headers.extend(token.iter().map(|token| ("X-Ipcscope-Token", *token)));
            asked(Method::POST, "/api/race?token=0123", &headers)
        };
        assert!(with(&["0123"]));
        for wrong in [&[][..], &[""], &["012"], &["01234"], &["0124"], &["0123", "0123"]] {
            assert!(!with(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_websocket_shows_its_token_in_the_query() {
        let open =
            |uri| asked(Method::GET, uri, &[("host", OURS), ("upgrade", "websocket"), (TOKEN, "0123")]);
        assert!(open("/api/live?token=0123"));
        assert!(open("/api/stage?kind=a&token=0123&size=64"));
        for uri in
            ["/api/live", "/api/live?token=", "/api/live?token=0124", "/api/live?token=0123&token=0123"]
        {
            assert!(!open(uri), "{uri}");
        }
    }

    #[test]
    fn a_token_is_fresh_and_long() {
        let (one, two) = (
            RequestGuard::new(OURS.parse().unwrap()).unwrap(),
            RequestGuard::new(OURS.parse().unwrap()).unwrap(),
        );
        assert_ne!(one.token(), two.token());
        assert_eq!(one.token().len(), 2 * TOKEN_BYTES);
    }
}
