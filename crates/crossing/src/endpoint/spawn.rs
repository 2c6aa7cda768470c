//! Spawning: a child is started with the ends that it is given.

use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command};
use std::time::Duration;

use super::Endpoint;
use super::birth::{self, SpawnOrder};
use super::inherit::{self, File, Legacy};
use crate::deadline::{self, Pauses};
use crate::descriptor;
use crate::owner::Owner;

/// How long dropping a child that is killed then waits for its end.
const BURIAL: Duration = Duration::from_secs(1);

/// A child to start: the ends that it is given, and what becomes of it with this process.
///
/// The child gets these descriptors and no others beside standard input, output and error, and no
/// other child of this process gets them, whatever other threads start meanwhile. The time it takes
/// does not depend on how much memory this process has, unless something asks for a fork(2), which
/// copies the tables of that memory (40 ms a GiB): [`die_with_parent`](Spawn::die_with_parent),
/// [`Endpoint::give`], a `pre_exec` of the command's, another user or group.
///
/// # Examples
/// ```
/// use std::process::Command;
/// use crossing::{Config, Endpoint, Kind, Spawn};
///
/// # if let Ok(frames) = Endpoint::inherited_named("frames") {
/// #     let mut frames = frames.connect(&Config::default())?;
/// #     let _control = Endpoint::inherited_named("control")?;
/// #     frames.send(b"a frame")?;
/// #     return Ok(());
/// # }
/// # let camera = std::env::current_exe()?;
/// let (frames, their_frames) = Endpoint::pair(Kind::Shm)?;
/// let (control, their_control) = Endpoint::pair(Kind::Unix)?;
/// let mut child = Spawn::new(Command::new(camera))
///     .give("frames", their_frames)       // in the child: Endpoint::inherited_named("frames")
///     .give("control", their_control)
///     .kill_on_drop(true)
///     .spawn()?;
/// let mut frames = frames.connect(&Config::default())?;
/// assert_eq!(frames.recv(&mut [0; 64])?, 7);
/// # drop(control);
/// # assert!(child.wait()?.success());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "it does nothing before `spawn`"]
pub struct Spawn {
    command: Command,
    given: Vec<(Option<String>, Endpoint)>,
    kill_on_drop: bool,
    die_with_parent: bool,
}

impl Spawn {
    /// A child that is given nothing yet.
    ///
    /// # Examples
    /// ```
    /// use std::process::Command;
    /// use crossing::Spawn;
    ///
    /// let mut child = Spawn::new(Command::new("true")).kill_on_drop(true).spawn()?;
    /// assert!(child.wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(command: Command) -> Spawn {
        Spawn { command, given: Vec::new(), kill_on_drop: false, die_with_parent: false }
    }

    /// Gives the child an end, which it takes with
    /// [`Endpoint::inherited_named`](Endpoint::inherited_named). A name has 1 to 64 of the letters
    /// A-Z, a-z, 0-9 and _, and each is given once; [`spawn`](Spawn::spawn) says if that is not so.
    ///
    /// # Examples
    /// ```
    /// use std::process::Command;
    /// use crossing::{Config, Endpoint, Kind, Spawn};
    ///
    /// // The child is this program itself.
    /// if let Ok(frames) = Endpoint::inherited_named("frames") {
    ///     frames.connect(&Config::default())?.send(b"a frame")?;
    ///     return Ok(());
    /// }
    /// let (frames, theirs) = Endpoint::pair(Kind::Shm)?;
    /// let program = Command::new(std::env::current_exe()?);
    /// let mut child = Spawn::new(program).give("frames", theirs).spawn()?;
    /// assert_eq!(frames.connect(&Config::default())?.recv(&mut [0; 64])?, 7);
    /// # assert!(child.wait()?.success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give(mut self, name: &str, endpoint: Endpoint) -> Self {
        self.given.push((Some(name.to_owned()), endpoint));
        self
    }

    /// Gives the child the one end without a name, which it takes with [`Endpoint::inherited`].
    ///
    /// # Examples
    /// ```
    /// use std::process::Command;
    /// use crossing::{Config, Endpoint, Kind, Spawn};
    ///
    /// # if let Ok(end) = Endpoint::inherited() {
    /// #     end.connect(&Config::default())?.send(b"ready")?;
    /// #     return Ok(());
    /// # }
    /// # let program = std::env::current_exe()?;
    /// // As `Endpoint::spawn` does it, with a choice.
    /// let (here, there) = Endpoint::pair(Kind::Shm)?;
    /// let child = Spawn::new(Command::new(program)).give_unnamed(there).kill_on_drop(true).spawn()?;
    /// assert_eq!(here.connect(&Config::default())?.recv(&mut [0; 64])?, 5);
    /// # drop(child);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give_unnamed(mut self, endpoint: Endpoint) -> Self {
        self.given.push((None, endpoint));
        self
    }

    /// Whether dropping the [`OwnedChild`] kills the child, and takes note of its end so that no
    /// zombie is left. `false` by default, as for [`std::process::Child`].
    ///
    /// It holds for a drop. A process that is killed or aborts drops nothing:
    /// [`die_with_parent`](Spawn::die_with_parent) holds then.
    ///
    /// # Examples
    /// ```
    /// use std::path::Path;
    /// use std::process::Command;
    /// use crossing::Spawn;
    ///
    /// let mut command = Command::new("sleep");
    /// command.arg("1000");
    /// let child = Spawn::new(command).kill_on_drop(true).spawn()?;
    /// let place = format!("/proc/{}", child.id());
    /// assert!(Path::new(&place).exists());
    /// drop(child);
    /// assert!(!Path::new(&place).exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kill_on_drop(self, kill_on_drop: bool) -> Self {
        Spawn { kill_on_drop, ..self }
    }

    /// Whether the kernel kills the child (SIGKILL) when this process ends, however it ends.
    /// `false` by default. A child that executes a program with the rights of another user is
    /// spared, and so are the child's own children. It costs a fork(2).
    ///
    /// For the kernel a child's parent is the thread that started it. Here that is a thread of this
    /// library, which lasts as long as the child; so the thread that calls may end. See prctl(2),
    /// `PR_SET_PDEATHSIG`.
    ///
    /// # Examples
    /// ```
    /// use std::process::Command;
    /// use crossing::Spawn;
    ///
    /// let mut command = Command::new("sleep");
    /// command.arg("1000");
    /// // The one for a drop, the other for a parent that is killed.
    /// let child = Spawn::new(command).kill_on_drop(true).die_with_parent(true).spawn()?;
    /// # drop(child);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn die_with_parent(self, die_with_parent: bool) -> Self {
        Spawn { die_with_parent, ..self }
    }

    /// Sets a variable in the child's environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts the child. Nothing of what it was given stays in this process.
    ///
    /// # Errors
    /// Those of [`Command::spawn`]; `InvalidInput` for a name that is none, or is given twice.
    ///
    /// # Examples
    /// ```
    /// use std::io::ErrorKind;
    /// use std::process::Command;
    /// use crossing::{Endpoint, Kind, Spawn};
    ///
    /// let error = Spawn::new(Command::new("/no/such/program")).spawn().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    ///
    /// let (_here, there) = Endpoint::pair(Kind::Shm)?;
    /// let error = Spawn::new(Command::new("true")).give("no name", there).spawn().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn spawn(self) -> io::Result<OwnedChild> {
        let killer = if self.kill_on_drop { Some(Owner::me()?) } else { None };
        Ok(OwnedChild { child: self.start()?, killer })
    }

    fn start(self) -> io::Result<Child> {
        let Spawn { mut command, given, die_with_parent, .. } = self;
        let mut inherited = Vec::with_capacity(given.len());
        for (name, endpoint) in given {
            let (legacy, fd) = endpoint.bequeath()?;
            announce(&mut command, name.as_deref(), &legacy)?;
            inherited.push(fd);
        }
        birth::spawn(SpawnOrder { command, inherited, dies_with_parent: die_with_parent })
    }
}

/// Says in the environment of the child what it is given.
fn announce(command: &mut Command, name: Option<&str>, legacy: &Legacy) -> io::Result<()> {
    let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
    let variable = inherit::variable(name).map_err(invalid)?;
    if command.get_envs().any(|(key, value)| key == &*variable && value.is_some()) {
        return Err(invalid(format!("{variable} is set already: an end of this name was given before")));
    }
    command.env(variable, legacy.to_string());
    Ok(())
}

impl Endpoint {
    /// What a child is told of this end, and the socket.
    fn bequeath(self) -> io::Result<(Legacy, OwnedFd)> {
        let (kind, how) = (self.kind(), self.how());
        let fd = OwnedFd::from(self);
        let legacy = Legacy { kind, how, number: fd.as_raw_fd(), file: File::of(&fd)? };
        Ok((legacy, fd))
    }

    /// Starts `command` and gives this end to the child, which takes it with
    /// [`Endpoint::inherited`]. Nothing of it stays in this process, and no other child inherits
    /// it. [`Spawn`] gives more than one, and has more choices.
    ///
    /// The time it takes does not depend on how much memory this process has, unless the command
    /// asks for what takes a fork(2): `pre_exec`, another user or group, [`Endpoint::give`]. A
    /// thread of this library sleeps until the child has ended: for the kernel it is the child's
    /// parent, so a child that asks to be killed with its parent (prctl(2), `PR_SET_PDEATHSIG`)
    /// lives as long as this process, whatever becomes of the thread that called.
    ///
    /// # Errors
    /// Those of [`Command::spawn`].
    ///
    /// # Examples
    /// ```
    /// use std::process::Command;
    /// use crossing::{Config, Endpoint, Kind};
    ///
    /// # if let Ok(end) = Endpoint::inherited() {
    /// #     end.connect(&Config::default())?.send(b"here I am")?;
    /// #     return Ok(());
    /// # }
    /// # let program = std::env::current_exe()?;
    /// let (here, there) = Endpoint::pair(Kind::Shm)?;
    /// let mut child = there.spawn(Command::new(program))?;
    /// let mut connection = here.connect(&Config::default())?;
    /// assert_eq!(connection.recv(&mut [0; 64])?, 9);
    /// assert!(child.wait()?.success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn(self, command: Command) -> io::Result<Child> {
        Spawn::new(command).give_unnamed(self).start()
    }

    /// Gives this end to the child that `command` will start, which takes it with
    /// [`Endpoint::inherited_named`]: for children that another library starts, such as
    /// tokio::process (`give(command.as_std_mut(), …)`). The name is as for [`Spawn::give`]. No
    /// other child inherits the end.
    ///
    /// The end waits with the command, and goes to the first child that it starts. A second child
    /// of the same command is not started: `spawn` says ESTALE. If the command is dropped before it
    /// has started any, the other end is told that this one is gone.
    ///
    /// Each child of such a command is started by fork(2), whose time grows with this process's
    /// memory; [`Endpoint::spawn`] and [`Spawn`] do without.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is none, or was given before; what the system says when there
    /// are no more descriptors.
    ///
    /// # Examples
    /// ```
    /// use std::process::Command;
    /// use crossing::{Config, Endpoint, Kind};
    ///
    /// # if let Ok(frames) = Endpoint::inherited_named("frames") {
    /// #     frames.connect(&Config::default())?.send(b"a frame")?;
    /// #     return Ok(());
    /// # }
    /// # let camera = std::env::current_exe()?;
    /// let (here, there) = Endpoint::pair(Kind::Shm)?;
    /// let mut command = Command::new(camera);
    /// there.give(&mut command, "frames")?;
    /// let mut child = command.spawn()?;
    /// let mut frames = here.connect(&Config::default())?;
    /// assert_eq!(frames.recv(&mut [0; 64])?, 7);
    /// # assert!(child.wait()?.success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give(self, command: &mut Command, name: &str) -> io::Result<()> {
        let (legacy, fd) = self.bequeath()?;
        // Nothing tells this process when the command starts its child. So the end lies in a socket
        // that the child inherits, and the child takes it out there: then it is in no other
        // process.
        let (carrier, fill) = descriptor::packet_pair()?;
        descriptor::send(&fill, &[0], &[fd.as_fd()])?;
        announce(command, Some(name), &Legacy { number: carrier.as_raw_fd(), ..legacy })?;
        crate::sys::replace_before_exec(command, carrier, descriptor::receive_one);
        Ok(())
    }
}

/// A child process that this value owns: it is used as a [`std::process::Child`].
///
/// Dropping it kills the child if [`Spawn::kill_on_drop`] says so. The copy that a forked child drops kills none.
///
/// # Examples
/// ```
/// use std::process::{Command, Stdio};
/// use crossing::{OwnedChild, Spawn};
///
/// let mut command = Command::new("cat");
/// command.stdin(Stdio::piped());
/// let mut child: OwnedChild = Spawn::new(command).kill_on_drop(true).spawn()?;
/// drop(child.stdin.take());           // used as std's `Child`: `cat` ends with its input
/// assert!(child.wait()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct OwnedChild {
    child: Child,
    /// The process whose drop of it kills the child. A fork of that one drops a copy.
    killer: Option<Owner>,
}

impl Deref for OwnedChild {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for OwnedChild {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        if !self.killer.is_some_and(Owner::is_me) {
            return;
        }
        // Fails for a child whose end was noted already, and then there is none to kill.
        let _ = self.child.kill();
        // A process that the kernel cannot end at once, in the middle of a disk's work, is not
        // waited for.
        let until = deadline::after(BURIAL);
        let mut pauses = Pauses::new();
        while let Ok(None) = self.child.try_wait() {
            if pauses.pause(Some(until)).is_err() {
                return;
            }
        }
    }
}
