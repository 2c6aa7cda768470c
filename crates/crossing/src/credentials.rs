//! Credentials: the user of the process at the other end.
//!
//! A path names a socket, not the user that listens there: in a folder like /tmp any user can bind
//! first. So each end of a Unix socket met at an address asks the kernel for the user of the other
//! process (unix(7), `SO_PEERCRED`), before it sends or hands over anything. The kernel answers
//! with the user at the time when the other end listened or connected.
//!
//! Inside a user namespace, all unmapped users share the overflow number, 65534 by default. It
//! identifies no user, so it is refused. See user_namespaces(7).

use std::fs;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, sockopt};

use crate::error::ConnectError;
use crate::refusal::STRANGER;

/// Which users' processes an end talks to, if they met at a path or an abstract name. Both ends
/// refuse a peer of another user before they send or hand over anything.
///
/// On TCP the other process's user is unknown.
///
/// # Examples
/// ```
/// use crossing::{Config, Peers};
///
/// // Only what user 1000 runs; not even root.
/// let config = Config::default().peers(Peers::User(1000));
/// assert_eq!(Config::default().peers, Peers::SameUserOrRoot);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Peers {
    /// Those of the same effective user, and root's.
    #[default]
    SameUserOrRoot,
    /// Those of this user.
    User(u32),
    /// Any user's. The mode of the socket (0600) and its folder decide which of them can reach it.
    Anyone,
}

impl Peers {
    /// Refuses a peer that is another's. Asks nothing of what is no Unix socket.
    pub(crate) fn check(self, socket: &OwnedFd) -> Result<(), ConnectError> {
        if self == Peers::Anyone || sockopt::socket_domain(socket) != Ok(AddressFamily::UNIX) {
            return Ok(());
        }
        let peer = crate::sys::peer_credentials(socket)
            .map_err(ConnectError::io("ask for the user of the process at the other end"))?;
        let me = rustix::process::geteuid().as_raw();
        match self.fault(peer.uid, me, may_be_anybody) {
            None => Ok(()),
            Some(why) => {
                let why = format!("process {} of user {}, and {why}", peer.pid, peer.uid);
                Err(ConnectError::Refused { field: STRANGER, why })
            }
        }
    }

    /// The reason to refuse a peer of user `theirs`, for an end of user `mine`; `None` if it is
    /// allowed.
    fn fault(self, theirs: u32, mine: u32, may_be_anybody: impl Fn(u32) -> bool) -> Option<String> {
        let allowed = match self {
            Peers::SameUserOrRoot => theirs == mine || theirs == 0,
            Peers::User(user) => theirs == user,
            Peers::Anyone => true,
        };
        if !allowed {
            let allowed = match self {
                Peers::User(user) => format!("user {user}"),
                _ => format!("user {mine} and root"),
            };
            return Some(format!("this end talks to {allowed} only (Config::peers)"));
        }
        (self != Peers::Anyone && may_be_anybody(theirs)).then(|| {
            "in this user namespace that number stands for every user without one (Config::peers)".to_owned()
        })
    }
}

/// Whether this number is the one under which users are shown that have none in this namespace.
fn may_be_anybody(user: u32) -> bool {
    let overflow = fs::read_to_string("/proc/sys/kernel/overflowuid");
    let overflow = overflow.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(65534);
    user == overflow && !has_every_user(&fs::read_to_string("/proc/self/uid_map").unwrap_or_default())
}

/// Whether a namespace with this /proc/PID/uid_map has a number for every user, so that none needs the overflow number.
fn has_every_user(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_says_who_is_talked_to() {
        let none = |_| false;
        for (peers, theirs, allowed) in [
            (Peers::SameUserOrRoot, 1000, true),
            (Peers::SameUserOrRoot, 0, true),
            (Peers::SameUserOrRoot, 1001, false),
            (Peers::User(7), 7, true),
            (Peers::User(7), 0, false),
            (Peers::User(7), 1000, false),
            (Peers::Anyone, 1001, true),
        ] {
            let fault = peers.fault(theirs, 1000, none);
            assert_eq!(fault.is_none(), allowed, "{peers:?} {theirs}: {fault:?}");
        }
    }

    #[test]
    fn a_number_that_stands_for_many_is_nobodys() {
        let overflow = |user| user == 65534;
        assert!(Peers::SameUserOrRoot.fault(65534, 65534, overflow).unwrap().contains("namespace"));
        assert!(Peers::User(65534).fault(65534, 0, overflow).is_some());
        assert!(Peers::Anyone.fault(65534, 0, overflow).is_none());
        assert!(Peers::SameUserOrRoot.fault(0, 65534, overflow).is_none());
        assert!(has_every_user("         0          0 4294967295\n"));
        for map in ["", "0 1000 1\n", "0 0 65536\n", "0 0 1\n1 1 4294967294\n"] {
            assert!(!has_every_user(map), "{map}");
        }
    }

    #[test]
    fn a_pair_of_this_process_is_its_own() {
        let (here, _there) = crate::kind::Kind::Unix.rendezvous().unwrap();
        // Where this user has no number in its namespace, the check must refuse it.
        let me = rustix::process::geteuid().as_raw();
        assert_eq!(Peers::SameUserOrRoot.check(&here).is_ok(), !may_be_anybody(me));
        let error = Peers::User(me + 1).check(&here).unwrap_err().to_string();
        assert!(error.contains(&format!("process {} of user {me}", std::process::id())), "{error}");
    }
}
