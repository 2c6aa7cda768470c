//! What a listener may choose for itself.

use rustix::fs::Mode;

use super::address::{Address, AddressPlace};
use crate::error::ConnectError;

/// What a listener chooses for itself: [`Listener::options`](crate::Listener::options) has what
/// holds by default.
///
/// # Examples
/// ```
/// use crossing::{Address, Kind, Listener};
///
/// # let path = std::env::temp_dir().join(format!("crossing-options-{}", std::process::id()));
/// let address = Address::at_path(Kind::Shm, path)?;
/// // Of two servers that are started at once, one listens and one is told that there is another.
/// let listener = Listener::options().mode(0o660).reclaim(true).bind(&address)?;
/// let error = Listener::options().reclaim(true).bind(&address).unwrap_err();
/// assert!(error.to_string().contains("a server listens there"));
/// # Ok::<(), crossing::ConnectError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it does nothing before `bind`"]
pub struct ListenOptions {
    pub(super) mode: Option<u32>,
    pub(super) reclaim: bool,
    pub(super) backlog: u32,
    pub(super) allow_remote: bool,
    pub(super) half_open_limit: usize,
}

impl Default for ListenOptions {
    fn default() -> Self {
        ListenOptions { mode: None, reclaim: false, backlog: 128, allow_remote: false, half_open_limit: 64 }
    }
}

impl ListenOptions {
    /// The mode of a socket in the file system, whatever this process's umask is: which users may
    /// connect is what its bits for writing say. 0600 by default. Other users are met by both ends'
    /// [`Config::peers`](crate::Config::peers), too, which by default refuses them.
    ///
    /// The socket has this mode before anything can connect to it. A path is also guarded by its
    /// folder: only users that may search it reach the socket.
    ///
    /// # Examples
    /// ```
    /// use std::os::unix::fs::PermissionsExt;
    /// use crossing::{Address, Kind, Listener};
    ///
    /// # let path = std::env::temp_dir().join(format!("crossing-mode-{}", std::process::id()));
    /// let address = Address::at_path(Kind::Unix, &path)?;
    /// // Processes of this user and of the file's group may connect, whatever the umask is.
    /// let listener = Listener::options().mode(0o660).bind(&address)?;
    /// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o660);
    /// # drop(listener);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mode(self, mode: u32) -> Self {
        ListenOptions { mode: Some(mode), ..self }
    }

    /// Whether the socket that a server has left behind is taken over: its file is removed, and
    /// made anew. `false` by default.
    ///
    /// A server that is killed leaves its file, at which no process listens any more. Only such a
    /// file is removed: a socket of this process's own user at which a connection is refused. What
    /// else may stand there is left alone and named by the error: a server that lives, even if it
    /// is stopped or its queue is full; another user's socket; a symbolic link, a directory, any
    /// other file.
    ///
    /// Between looking and taking its place a listener holds the lock of the folder (flock(2)), and
    /// so does every other listener of this library. So of several that reclaim one path at once,
    /// exactly one succeeds. A server of another kind that stands between its bind(2) and its
    /// listen(2) at that moment looks as if it were gone: this library cannot know better.
    ///
    /// Abstract names and ports are free when their server is gone: there it changes nothing.
    ///
    /// # Examples
    /// ```
    /// use std::os::unix::net::UnixListener;
    /// use crossing::{Address, Kind, Listener};
    ///
    /// # let path = std::env::temp_dir().join(format!("crossing-reclaim-{}", std::process::id()));
    /// // What a server that was killed leaves: a socket at which no process listens.
    /// drop(UnixListener::bind(&path)?);
    /// let address = Address::at_path(Kind::Unix, &path)?;
    /// assert!(Listener::bind(&address).is_err());
    /// let listener = Listener::options().reclaim(true).bind(&address)?;
    /// # drop(listener);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reclaim(self, reclaim: bool) -> Self {
        ListenOptions { reclaim, ..self }
    }

    /// How many may wait to be accepted. 128 by default; the kernel gives at most
    /// /proc/sys/net/core/somaxconn. One that comes to a full queue waits, and dials again.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Endpoint, Listener};
    ///
    /// // Many come at once, and the server is busy for a while.
    /// let listener = Listener::options().backlog(1024).bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// let dial = || Endpoint::dial(listener.address(), &Config::default());
    /// let waiting = [dial()?, dial()?, dial()?];
    /// # for _ in waiting { listener.accept()?; }
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn backlog(self, backlog: u32) -> Self {
        ListenOptions { backlog, ..self }
    }

    /// TCP: whether other machines may connect. There is no authentication and no encryption: every
    /// client that reaches the port is served. `false` by default: then every address must be a
    /// loopback one (127.0.0.0/8 or `::1`), and any user of this machine can still connect.
    ///
    /// # Examples
    /// ```
    /// use crossing::Listener;
    ///
    /// let everywhere = "tcp://0.0.0.0:0".parse()?;
    /// assert!(Listener::bind(&everywhere).is_err());
    /// let listener = Listener::options().allow_remote(true).bind(&everywhere)?;
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn allow_remote(self, allow_remote: bool) -> Self {
        ListenOptions { allow_remote, ..self }
    }

    /// How many peers may be between [`accept`](crate::Listener::accept) and the end of their
    /// handshake. When one more comes, the oldest of them is shed: its handshake ends with
    /// [`ConnectError::Shed`]. At least 1. 64 by default.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, ConnectError, Endpoint, Listener};
    ///
    /// let listener = Listener::options().half_open_limit(1).bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// let dial = || Endpoint::dial(listener.address(), &Config::default());
    /// let (_silent, _next) = (dial()?, dial()?);
    /// let first = listener.accept()?;
    /// let second = listener.accept()?;        // one more than the limit: the first makes room
    /// assert_eq!(first.connect(&Config::default()).map(drop), Err(ConnectError::Shed { limit: 1 }));
    /// # drop(second);
    /// # Ok::<(), ConnectError>(())
    /// ```
    pub fn half_open_limit(self, half_open_limit: usize) -> Self {
        ListenOptions { half_open_limit, ..self }
    }

    /// The mode of the file to make.
    pub(super) fn file_mode(&self) -> Mode {
        Mode::from_raw_mode(self.mode.unwrap_or(0o600))
    }

    /// As listen(2) takes it.
    pub(super) fn queue(&self) -> i32 {
        i32::try_from(self.backlog).unwrap_or(i32::MAX)
    }

    /// Refuses what cannot be had at `address`.
    pub(super) fn check(&self, address: &Address) -> Result<(), ConnectError> {
        let Some(mode) = self.mode else { return Ok(()) };
        if mode > 0o777 {
            return Err(ConnectError::Config(format!("the mode {mode:o} has more than the bits 777")));
        }
        if !matches!(address.place(), AddressPlace::Path(_)) {
            return Err(ConnectError::Config(format!(
                "{address} has no file, and so no mode {mode:o} to keep users away (ListenOptions::mode)"
            )));
        }
        Ok(())
    }
}
