//! The names by which this lab may be asked: what stands in `Host`, in an `Origin` behind its scheme, and in an absolute target.
//!
//! A page whose own name was pointed to this machine (DNS rebinding) can reach the lab, and knows
//! or tries its port. It cannot make the browser send another name than its own. So the name
//! decides. It must be our own address or a loopback one, which cannot be pointed elsewhere, or
//! `localhost`, which is never asked of a name server (RFC 6761, 6.3). The port must be ours:
//! another port is another origin, and may be any user's program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port of a URL that names none.
const HTTP: u16 = 80;

/// A host and a port. Two are equal when a browser takes them for one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// In lower case.
    Name(String),
}

impl Authority {
    /// What `text` names; `None` when it is no authority, or one with a user in it.
    pub(crate) fn read(text: &str) -> Option<Authority> {
        let (host, rest) = if let Some(inner) = text.strip_prefix('[') {
            let (address, rest) = inner.split_once(']')?;
            (Host::Address(address.parse::<Ipv6Addr>().ok()?.into()), rest)
        } else {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Host::read(host)?, rest)
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => HTTP,
            None => return None,
            Some("") => HTTP,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        Some(Authority { host, port })
    }

    /// Whether it leads to a lab that listens at `ours`, and can lead to nothing else.
    pub(crate) fn is(&self, ours: SocketAddr) -> bool {
        let leads_here = match &self.host {
            Host::Address(address) => {
                let usual = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
                *address == ours.ip() || usual.contains(address)
            }
            Host::Name(name) => is_localhost(name),
        };
        leads_here && self.port == ours.port()
    }
}

impl Host {
    fn read(text: &str) -> Option<Host> {
        if let Ok(address) = text.strip_suffix('.').unwrap_or(text).parse::<Ipv4Addr>() {
            return Some(Host::Address(address.into()));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        (!text.is_empty() && text.bytes().all(fits)).then(|| Host::Name(text.to_ascii_lowercase()))
    }
}

/// Whether this is the name of this machine for itself, with or without the dot of the root, in any case.
pub(crate) fn is_localhost(name: &str) -> bool {
    name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, with `@` for the port that is listened on, and whether each listener answers to it.
    const TABLE: &[(&str, [bool; 3])] = &[
        // 127.0.0.1, 127.0.0.2, ::1
        ("127.0.0.1:@", [true, true, true]),
        ("127.0.0.2:@", [false, true, false]),
        ("127.0.0.3:@", [false, false, false]),
        ("127.0.0.1.:@", [true, true, true]),
        ("localhost:@", [true, true, true]),
        ("LOCALHOST:@", [true, true, true]),
        ("LocalHost.:@", [true, true, true]),
        ("[::1]:@", [true, true, true]),
        ("[0:0:0:0:0:0:0:1]:@", [true, true, true]),
        ("", [false; 3]),
        (":@", [false; 3]),
        ("@", [false; 3]),
        (".:@", [false; 3]),
        ("127.0.0.1", [false; 3]),
        ("127.0.0.1:", [false; 3]),
        ("127.0.0.1:1", [false; 3]),
        ("127.0.0.1:+@", [false; 3]),
        ("127.0.0.1:@@", [false; 3]),
        ("127.0.0.1:@ ", [false; 3]),
        ("127.0.0.1:@:@", [false; 3]),
        ("127.0.0.1..:@", [false; 3]),
        ("127.1:@", [false; 3]),
        ("localhost", [false; 3]),
        ("localhost..:@", [false; 3]),
        ("evil.example:@", [false; 3]),
        ("evil.localhost:@", [false; 3]),
        ("localhost.evil.example:@", [false; 3]),
        ("127.0.0.1:@.evil.example", [false; 3]),
        ("evil.example@127.0.0.1:@", [false; 3]),
        ("127.0.0.1/:@", [false; 3]),
        ("0.0.0.0:@", [false; 3]),
        ("[::]:@", [false; 3]),
        ("[::1%lo]:@", [false; 3]),
        ("[::1:@", [false; 3]),
        ("::1:@", [false; 3]),
        ("[::ffff:127.0.0.1]:@", [false; 3]),
        ("192.168.0.1:@", [false; 3]),
    ];

    #[test]
    fn each_listener_answers_to_the_names_that_lead_to_it_alone() {
        for (name, expected) in TABLE {
            for (ours, expected) in ["127.0.0.1:7878", "127.0.0.2:7878", "[::1]:7878"].iter().zip(expected) {
                // The last `@` but one in `user@host` is meant as it stands.
                let name = name.replace(":@", ":7878").replace(":+@", ":+7878");
                let is = Authority::read(&name).is_some_and(|name| name.is(ours.parse().unwrap()));
                assert_eq!(is, *expected, "`{name}` at {ours}");
            }
        }
    }

    #[test]
    fn a_url_leaves_the_port_of_http_out() {
        let ours = "127.0.0.1:80".parse().unwrap();
        for name in ["127.0.0.1", "127.0.0.1:80", "localhost", "[::1]"] {
            assert!(Authority::read(name).unwrap().is(ours), "{name}");
        }
        assert_eq!(Authority::read("localhost"), Authority::read("LOCALHOST:80"));
    }

    #[test]
    fn what_a_browser_takes_for_two_origins_is_two() {
        let names = ["localhost:1", "localhost.:1", "127.0.0.1:1", "[::1]:1", "localhost:2"];
        for (at, one) in names.iter().enumerate() {
            for (other_at, other) in names.iter().enumerate() {
                assert_eq!(Authority::read(one) == Authority::read(other), at == other_at, "{one} {other}");
            }
        }
    }
}
