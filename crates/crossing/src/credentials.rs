//! Credentials: whose process may be at the other end.
//!
//! A path names a socket, not the user that listens there: in a folder like /tmp any user can bind
//! first. So each end of a Unix socket met at an address asks the kernel for the
//! [user of the other process](crate::peer), before it sends or hands over anything.
//!
//! Inside a user namespace, all unmapped users share the overflow number, 65534 by default. It
//! identifies no user, so it is refused. See user_namespaces(7).

use std::os::fd::{AsFd, OwnedFd};

use crate::error::ConnectError;
use crate::peer::{Identity, Peer, may_be_anybody};
use crate::refusal::STRANGER;

/// Which processes an end talks to, if they met at an address. Both ends refuse a peer that is
/// another's before they send or hand over anything.
///
/// On TCP the other process is unknown, and only [`Peers::Ask`] is asked. The ends of a
/// [pair](crate::Endpoint::pair) were handed to their processes by the one that made them, and are
/// not checked.
///
/// # Examples
/// ```
/// use crossing::{Config, Peers};
///
/// // Only what user 1000 runs; not even root.
/// let config = Config::default().peers(Peers::User(1000));
/// assert_eq!(Config::default().peers, Peers::SameUserOrRoot);
///
/// // Two users' processes, and those of one group.
/// let config = config.peers(Peers::Ask(|peer| {
///     matches!(peer.uid(), Some(0 | 1000)) || peer.gid() == Some(27)
/// }));
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub enum Peers {
    /// Those of the same effective user, and root's.
    #[default]
    SameUserOrRoot,
    /// Those of this user.
    User(u32),
    /// Any user's. The mode of the socket (0600) and its folder decide which of them can reach it.
    Anyone,
    /// Those that this function allows. It is asked once for each connection that meets at an
    /// address, on TCP too, where it is told nothing of the [`Peer`].
    Ask(fn(&Peer) -> bool),
}

/// Functions are compared by their addresses, of which the compiler may give one function several.
impl PartialEq for Peers {
    fn eq(&self, other: &Peers) -> bool {
        match (*self, *other) {
            (Peers::SameUserOrRoot, Peers::SameUserOrRoot) | (Peers::Anyone, Peers::Anyone) => true,
            (Peers::User(user), Peers::User(other)) => user == other,
            (Peers::Ask(allows), Peers::Ask(other)) => std::ptr::fn_addr_eq(allows, other),
            _ => false,
        }
    }
}

impl Eq for Peers {}

impl Peers {
    /// Refuses a peer that is another's, and says which process the peer is.
    pub(crate) fn check(self, socket: &OwnedFd) -> Result<Identity, ConnectError> {
        let identity = match Identity::of_socket(socket) {
            Err(_) if self == Peers::Anyone => Identity::default(),
            identity => {
                identity.map_err(ConnectError::io("ask for the user of the process at the other end"))?
            }
        };
        let refused = |why| Err(ConnectError::Refused { field: STRANGER, why });
        if let Peers::Ask(allows) = self {
            let peer = Peer::new(identity, Some(socket.as_fd()), None);
            return if allows(&peer) {
                Ok(identity)
            } else {
                refused(format!("{identity}, and the function of Config::peers does not allow it"))
            };
        }
        let Some(credentials) = identity.0 else { return Ok(identity) };
        let me = crate::sys::own_user().map_err(ConnectError::io("ask for the user of this process"))?;
        match self.fault(credentials.uid, me, |user| may_be_anybody("uid", user)) {
            None => Ok(identity),
            Some(why) => refused(format!("{identity}, and {why}")),
        }
    }

    /// The reason to refuse a peer of user `theirs`, for an end of user `mine`; `None` if it is
    /// allowed.
    fn fault(self, theirs: u32, mine: u32, may_be_anybody: impl Fn(u32) -> bool) -> Option<String> {
        let allowed = match self {
            Peers::SameUserOrRoot => theirs == mine || theirs == 0,
            Peers::User(user) => theirs == user,
            Peers::Anyone | Peers::Ask(_) => true,
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
    }

    #[test]
    fn a_pair_of_this_process_is_its_own() {
        let (here, _there) = crate::kind::Kind::Unix.rendezvous().unwrap();
        // Where this user has no number in its namespace, the check must refuse it.
        let me = rustix::process::geteuid().as_raw();
        assert_eq!(Peers::SameUserOrRoot.check(&here).is_ok(), !may_be_anybody("uid", me));
        let error = Peers::User(me + 1).check(&here).unwrap_err().to_string();
        assert!(error.contains(&format!("process {} of user {me}", std::process::id())), "{error}");
    }
}
