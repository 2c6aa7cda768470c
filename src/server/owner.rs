//! The user of the process at the other end of a connection.
//!
//! Loopback is open to every user of the machine, and the lab starts processes and reads reports.
//! The kernel knows which user made the other socket and lists it in /proc/net/tcp (IPv4) and
//! /proc/net/tcp6, which is also where an IPv4 connection of an IPv6 socket stands. It is looked up
//! once, when the connection is accepted; the socket exists then, so a line that is not found means
//! that its process has closed it already, or that this machine hides the table. Both are refused:
//! without the check another user could read the token from the page, and there is nothing else
//! that tells the two apart.
//!
//! In a user namespace that maps a part of the users only, the kernel shows every other one as the
//! overflow id (65534 unless /proc/sys/kernel/overflowuid says otherwise; user_namespaces(7)). That
//! number identifies no user then: two users shown with it may differ, even where this process
//! itself is shown with it. It is refused.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};

use rustix::process::geteuid;
use tokio::net::TcpStream;

use super::refusal::Refusal;

/// The user at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionOwner {
    /// The user with this id.
    User(u32),
    /// It cannot be told, and why.
    Unknown(String),
}

impl ConnectionOwner {
    /// Why this one is not answered, if so.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self {
            ConnectionOwner::User(uid) if *uid == 0 || *uid == geteuid().as_raw() => None,
            ConnectionOwner::User(uid) => Some(Refusal::forbidden(format_args!(
                "this lab belongs to user {}, and user {uid} asks; start your own",
                geteuid().as_raw()
            ))),
            ConnectionOwner::Unknown(why) => {
                Some(Refusal::forbidden(format_args!("cannot tell whose process asks: {why}")))
            }
        }
    }

    /// The user with this number, if the number identifies one.
    fn numbered(uid: u32, users: &Users) -> ConnectionOwner {
        if uid == users.overflow && users.unmapped {
            return ConnectionOwner::Unknown(format!(
                "it is a user whom this user namespace does not map, and each of those is shown as {uid}; \
                 start the lab outside of the namespace, or in one that maps you (unshare --map-current-user, \
                 podman --userns=keep-id) and ask from within"
            ));
        }
        ConnectionOwner::User(uid)
    }

    /// Looks up the other end of a connection.
    pub(crate) fn of_connection(stream: &TcpStream, theirs: SocketAddr) -> ConnectionOwner {
        match stream.local_addr() {
            Ok(ours) => ConnectionOwner::of(theirs, ours),
            Err(error) => ConnectionOwner::Unknown(error.to_string()),
        }
    }

    /// Looks up the socket at `theirs` that is connected to `ours`.
    fn of(theirs: SocketAddr, ours: SocketAddr) -> ConnectionOwner {
        let mut told = None;
        for (table, wide) in [("/proc/net/tcp", false), ("/proc/net/tcp6", true)] {
            if !wide && theirs.is_ipv6() {
                continue;
            }
            match File::open(table).and_then(|file| find(BufReader::new(file), wide, theirs, ours)) {
                Ok(Some(uid)) => return ConnectionOwner::numbered(uid, &Users::read()),
                Ok(None) => {}
                Err(error) => told = told.or(Some(format!("{table}: {error}"))),
            }
        }
        ConnectionOwner::Unknown(
            told.unwrap_or_else(|| "its connection is not in /proc/net/tcp any more".into()),
        )
    }
}

/// The users of this user namespace.
#[derive(Debug)]
struct Users {
    /// The number shared by all unmapped users.
    overflow: u32,
    /// Whether there can be such users.
    unmapped: bool,
}

/// What the overflow id is unless the machine says otherwise (include/linux/highuid.h).
const OVERFLOW: u32 = 65_534;

/// How many ids there are; -1 is none.
const ALL_IDS: u64 = u32::MAX as u64;

impl Users {
    /// As the kernel tells it to this process. What it does not tell is taken for the worse.
    fn read() -> Users {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        Users::of(&text("/proc/sys/kernel/overflowuid"), &text("/proc/self/uid_map"))
    }

    /// From the text of both files. Each line of the map is a first id here, a first id outside, and how many.
    fn of(overflow: &str, map: &str) -> Users {
        let counts = map.lines().filter_map(|line| line.split_ascii_whitespace().nth(2)?.parse::<u64>().ok());
        Users {
            overflow: overflow.trim().parse().unwrap_or(OVERFLOW),
            unmapped: counts.fold(0, u64::saturating_add) < ALL_IDS,
        }
    }
}

/// The user of the socket that `table` lists with this pair of addresses.
fn find(table: impl BufRead, wide: bool, theirs: SocketAddr, ours: SocketAddr) -> io::Result<Option<u32>> {
    let (local, remote) = (as_listed(theirs, wide), as_listed(ours, wide));
    for line in table.lines().skip(1) {
        let line = line?;
        let mut fields = line.split_ascii_whitespace().skip(1);
        if fields.next() != Some(&local) || fields.next() != Some(&remote) {
            continue;
        }
        // state, queues, timer, retransmits, uid, timeout, inode
        let mut fields = fields.skip(4);
        let uid = fields.next().and_then(|uid| uid.parse().ok());
        let inode: Option<u64> = fields.nth(1).and_then(|inode| inode.parse().ok());
        // A socket without a process is listed as root's.
        return Ok(uid.filter(|_| inode.is_some_and(|inode| inode != 0)));
    }
    Ok(None)
}

/// An address as the tables have it: words of 32 bits in the machine's order, the port in hexadecimal.
fn as_listed(address: SocketAddr, wide: bool) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(ip) if !wide => ip.octets().to_vec(),
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (words, _) = bytes.as_chunks::<4>();
    let words: String = words.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word))).collect();
    format!("{words}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn looked_up(uid: &str, inode: &str) -> Option<u32> {
        let (theirs, ours): (SocketAddr, SocketAddr) =
            ("127.0.0.1:43210".parse().unwrap(), "127.0.0.1:7878".parse().unwrap());
        let line = |a, b, uid, inode| {
            let (a, b) = (as_listed(a, false), as_listed(b, false));
            format!("   1: {a} {b} 01 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 0\n")
        };
        // Our own end is listed with the addresses the other way round.
        let table = format!("{HEAD}{}{}", line(ours, theirs, "7", "11"), line(theirs, ours, uid, inode));
        find(table.as_bytes(), false, theirs, ours).unwrap()
    }

    #[test]
    fn the_other_end_is_told_from_our_own() {
        assert_eq!(looked_up("1000", "12"), Some(1000));
        assert_eq!(looked_up("0", "12"), Some(0));
    }

    #[test]
    fn a_socket_that_was_left_behind_is_nobodys() {
        assert_eq!(looked_up("0", "0"), None);
        assert_eq!(looked_up("", ""), None);
    }

    #[test]
    fn a_real_connection_is_ours_and_a_closed_one_is_nobodys() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (ours, peer) = listener.accept().unwrap();
            let here = ours.local_addr().unwrap();
            assert_eq!(ConnectionOwner::of(peer, here), ConnectionOwner::User(geteuid().as_raw()));
            assert_eq!(ConnectionOwner::of(peer, here).refusal(), None);
            drop(theirs);
            assert!(matches!(ConnectionOwner::of(peer, here), ConnectionOwner::Unknown(_)));
        }
    }

    #[test]
    fn an_ipv4_connection_of_an_ipv6_socket_stands_in_the_other_table() {
        let mapped = as_listed("127.0.0.1:80".parse().unwrap(), true);
        assert_eq!(mapped.len(), 32 + 1 + 4);
        assert!(mapped.starts_with("0000000000000000"), "{mapped}");
    }

    #[test]
    fn a_number_that_stands_for_many_is_nobodys() {
        const INITIAL: &str = "         0          0 4294967295\n";
        let known = |uid, overflow, map| {
            ConnectionOwner::numbered(uid, &Users::of(overflow, map)) == ConnectionOwner::User(uid)
        };
        // The initial user namespace, and one that maps every user: a user may have this number.
        assert!(known(65_534, "65534\n", INITIAL));
        assert!(known(65_534, "65534\n", "0 0 1000\n1000 1000 4294966295\n"));
        for map in ["", "0 1000 1\n", "65534 65534 1\n", "0 100000 65536\n", "0 0 4294967294\n", "nonsense"] {
            assert!(!known(65_534, "65534\n", map), "{map}");
            assert!(!known(65_534, "", map), "{map}");
            assert!(!known(99, "99\n", map), "{map}");
            assert!(known(0, "65534\n", map) && known(65_534, "99\n", map), "{map}");
        }
        let refusal = ConnectionOwner::numbered(65_534, &Users::of("65534", "")).refusal();
        let why = refusal.expect("refused to every user").error;
        assert!(why.contains("--map-current-user"), "{why}");
    }

    #[test]
    fn others_are_refused() {
        let other = if geteuid().is_root() { 1000 } else { geteuid().as_raw() + 1 };
        assert!(ConnectionOwner::User(other).refusal().is_some());
        assert!(ConnectionOwner::Unknown("x".into()).refusal().is_some());
        assert!(ConnectionOwner::User(0).refusal().is_none());
    }
}
