//! The tables of TCP and UDP: include/uapi/linux/inet_diag.h.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lab::sys::socket::TcpInfo;

use super::message::{attributes, word};

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InetSocket {
    pub(crate) protocol: Protocol,
    /// 0 where no process has it: it has been closed, or waits to be accepted.
    pub(crate) inode: u64,
    pub(crate) state: u8,
    /// IPv4 in either table: an address such as `::ffff:127.0.0.1` is the one behind it.
    pub(crate) local: SocketAddr,
    /// Where it is connected to; the port is 0 where it is not.
    pub(crate) remote: SocketAddr,
    pub(crate) queued_bytes: u64,
    pub(crate) unacknowledged_bytes: u64,
    pub(crate) info: Option<TcpInfo>,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// TCP_TIME_WAIT of include/net/tcp_states.h: what is left of a connection that no process has.
const TIME_WAIT: u32 = 6;
/// INET_DIAG_INFO.
const INFO: u16 = 2;
/// TCP_LISTEN.
const LISTEN: u8 = 10;

/// The request for all of them.
pub(super) fn request(protocol: Protocol, version_6: bool) -> Vec<u8> {
    let (number, extensions) = match protocol {
        Protocol::Tcp => (6, 1 << (INFO - 1)),
        Protocol::Udp => (17, 0),
    };
    let mut body = vec![if version_6 { AF_INET6 } else { AF_INET }, number, extensions, 0];
    body.extend((!(1_u32 << TIME_WAIT)).to_ne_bytes());
    // Of any address.
    body.extend([0; 48]);
    body
}

/// One entry; `None` of what is cut.
pub(super) fn parse(protocol: Protocol, body: &[u8]) -> Option<InetSocket> {
    let family = *body.first()?;
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let address = |at: usize| {
        let raw: [u8; 16] = body.get(at..at + 16)?.try_into().ok()?;
        match family {
            AF_INET => Some(IpAddr::V4(Ipv4Addr::new(raw[0], raw[1], raw[2], raw[3]))),
            AF_INET6 => Some(IpAddr::V6(Ipv6Addr::from(raw)).to_canonical()),
            _ => None,
        }
    };
    let socket = InetSocket {
        protocol,
        state: *body.get(1)?,
        local: SocketAddr::new(address(8)?, port(4)?),
        remote: SocketAddr::new(address(24)?, port(6)?),
        queued_bytes: word(body, 56)?.into(),
        unacknowledged_bytes: word(body, 60)?.into(),
        inode: word(body, 68)?.into(),
        info: None,
    };
    let info = attributes(body.get(72..)?).find(|(kind, _)| *kind == INFO);
    Some(InetSocket { info: info.map(|(_, raw)| TcpInfo::read(raw)), ..socket })
}

impl InetSocket {
    /// Whether it waits for connections, or for datagrams of any sender.
    pub(crate) fn listens(&self) -> bool {
        match self.protocol {
            Protocol::Tcp => self.state == LISTEN,
            Protocol::Udp => self.remote.port() == 0 && self.local.port() != 0,
        }
    }

    /// Whether it is connected.
    pub(crate) fn is_connected(&self) -> bool {
        !self.listens() && self.remote.port() != 0
    }

    /// The state's name in tcp(7).
    pub(crate) fn state_name(&self) -> &'static str {
        const NAMES: [&str; 13] = [
            "UNKNOWN",
            "ESTABLISHED",
            "SYN_SENT",
            "SYN_RECV",
            "FIN_WAIT1",
            "FIN_WAIT2",
            "TIME_WAIT",
            "CLOSE",
            "CLOSE_WAIT",
            "LAST_ACK",
            "LISTEN",
            "CLOSING",
            "SYN_RECV",
        ];
        NAMES.get(usize::from(self.state)).copied().unwrap_or(NAMES[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(family: u8) -> Vec<u8> {
        let mut body = vec![0; 72];
        (body[0], body[1]) = (family, 1);
        body[4..6].copy_from_slice(&6379_u16.to_be_bytes());
        body[6..8].copy_from_slice(&41234_u16.to_be_bytes());
        let address = if family == AF_INET {
            Ipv4Addr::LOCALHOST.octets().to_vec()
        } else {
            Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets().to_vec()
        };
        body[8..8 + address.len()].copy_from_slice(&address);
        body[24..24 + address.len()].copy_from_slice(&address);
        body[56..60].copy_from_slice(&12_u32.to_ne_bytes());
        body[68..72].copy_from_slice(&4711_u32.to_ne_bytes());
        let mut info = vec![0; 216];
        info[68..72].copy_from_slice(&25_u32.to_ne_bytes());
        body.extend((4 + info.len() as u16).to_ne_bytes());
        body.extend(INFO.to_ne_bytes());
        body.extend(info);
        body
    }

    #[test]
    fn an_entry_is_read_and_addresses_of_both_families_are_alike() {
        for family in [AF_INET, AF_INET6] {
            let socket = parse(Protocol::Tcp, &entry(family)).expect("an entry");
            assert_eq!(socket.local.to_string(), "127.0.0.1:6379");
            assert_eq!(socket.remote.to_string(), "127.0.0.1:41234");
            assert_eq!((socket.inode, socket.queued_bytes, socket.state_name()), (4711, 12, "ESTABLISHED"));
            assert_eq!(socket.info.map(|info| info.rtt_us), Some(25));
            assert!(socket.is_connected() && !socket.listens());
        }
    }

    #[test]
    fn what_is_cut_is_no_entry_and_no_panic() {
        let whole = entry(AF_INET);
        for end in 0..whole.len() {
            let cut = parse(Protocol::Udp, &whole[..end]);
            assert_eq!(cut.is_some(), end >= 72, "{end}");
            assert!(cut.is_none_or(|socket| socket.info.is_none()), "{end}");
        }
        assert_eq!(parse(Protocol::Tcp, &entry(77)), None);
        let mut state = entry(AF_INET);
        state[1] = 200;
        assert_eq!(parse(Protocol::Tcp, &state).expect("an entry").state_name(), "UNKNOWN");
    }
}
