//! The supervisor: keeps a child running, or an address dialled, and makes one connection after the
//! other.
//!
//! It runs no thread and holds no connection. Whenever the program asks for the next
//! [generation](Generation), the supervisor ends what is left of the one before, waits as long as
//! its [back-off](Backoff) says, and tries until it has one or gives up. So the program learns of
//! each end where it works with the connection, and decides what to do.
//!
//! What counts as a failure is an attempt that made no connection, and a connection that lasted
//! shorter than [`Backoff::stable`]: a child that starts, shakes hands and dies would otherwise be
//! started again and again without a pause.

mod backoff;
mod error;

use std::fmt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

pub use self::backoff::Backoff;
pub use self::error::{SupervisedEnd, SupervisorError};
use crate::config::Config;
use crate::deadline::{self, Pauses};
use crate::endpoint::spawn::{OwnedChild, Spawn};
use crate::endpoint::{Address, Endpoint};
use crate::error::ConnectError;
use crate::kind::Kind;
use crate::session::{Generation, SessionMaker};

/// Where a child finds the number of its generation.
const GENERATION: &str = "CROSSING_GENERATION";

/// How long a child that has closed its end may take to end, before it is said to live on.
const BRIEFLY: Duration = Duration::from_millis(200);

/// Keeps a connection to a child that is started again when it ends, or to an address that is
/// dialled again.
///
/// [`next_generation`](Supervisor::next_generation) makes the first connection, and after each end
/// the next. Between attempts it [backs off](Backoff); after too many failures in a row it [gives
/// up](SupervisorError::GaveUp). The other end takes part with [`Sessions`](crate::Sessions): both
/// are told the [number](Generation::number) of the generation, and how many messages the other
/// [has received](Generation::delivered). A program that has none is reached
/// [`plainly`](Supervisor::plainly).
///
/// # What becomes of messages
///
/// | the other end | `delivered()` | sending again from there |
/// |---|---|---|
/// | the same process: only the connection had ended | what it has received, exactly | *exactly once*: no message is lost, doubled or out of order |
/// | another process: it was started again | `None` | *at least once*: only the one before knew what it had received |
/// | without `Sessions` | `None` | the same |
///
/// The promise is of receiving, by the two processes that counted. What a program had made of a
/// message before it died, only an answer can say.
///
/// # Examples
/// A child that is started again:
/// ```
/// use std::process::Command;
/// use crossing::{Kind, Supervisor};
///
/// # if let Ok(end) = crossing::Endpoint::inherited() {
/// #     let mut generation = crossing::Sessions::new().accept(end, &crossing::Config::default())?;
/// #     generation.recv(&mut [0; 64])?;
/// #     generation.send(b"answer")?;
/// #     return Ok(());
/// # }
/// # let plug_in = std::env::current_exe()?;
/// # let mut answers = 0;
/// let mut supervisor = Supervisor::spawning(Kind::Shm, move |_generation| Command::new(&plug_in));
/// loop {
///     // In the child: Sessions::new().accept(Endpoint::inherited()?, …)
///     let mut generation = supervisor.next_generation()?;
///     while generation.send(b"question").is_ok() {
///         let mut answer = Vec::new();
///         if generation.recv_vec(&mut answer).is_err() {
///             break;
///         }
///         # answers += 1;
///     }
///     # if answers == 2 { break; }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// A server that is dialled again, and a configuration:
/// ```
/// use std::time::Duration;
/// use crossing::{Backoff, Config, Supervisor};
///
/// # let path = std::env::temp_dir().join(format!("crossing-supervisor-{}.sock", std::process::id()));
/// # let address = crossing::Address::at_path(crossing::Kind::Shm, path)?;
/// # let listener = crossing::Listener::bind(&address)?;
/// # let server = std::thread::spawn(move || {
/// #     crossing::Sessions::new().accept(listener.accept()?, &Config::default())
/// # });
/// let mut supervisor = Supervisor::dialling(&address)
///     .config(Config::default().connect_timeout(Duration::from_secs(1)))
///     .backoff(Backoff::default().limit(100));
/// let mut generation = supervisor.next_generation()?;
/// # assert_eq!(server.join().expect("no panic")?.number(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it makes a connection when it is asked for one"]
pub struct Supervisor {
    way: Way,
    config: Config,
    backoff: Backoff,
    plainly: bool,
    grace: Duration,
    session: SessionMaker,
    /// The number of the last attempt.
    number: u64,
    /// How many in a row.
    failures: u32,
    /// When the next attempt may be made.
    next: Option<Instant>,
    current: Option<Current>,
}

/// How a connection is made.
enum Way {
    Child(Kind, Box<dyn FnMut(u64) -> Spawn + Send>),
    Address(Address),
}

/// The connection that was made last.
struct Current {
    since: Instant,
    child: Option<OwnedChild>,
}

/// Why an attempt failed.
enum Attempt {
    /// Another may succeed.
    Failed(SupervisedEnd),
    /// No other can.
    Hopeless(ConnectError),
}

impl From<ConnectError> for Attempt {
    fn from(error: ConnectError) -> Attempt {
        match error {
            ConnectError::Config(_)
            | ConnectError::Address { .. }
            | ConnectError::Parse(_)
            | ConnectError::WrongKind { .. } => Attempt::Hopeless(error),
            error => Attempt::Failed(SupervisedEnd::Connect(error)),
        }
    }
}

impl Supervisor {
    fn new(way: Way) -> Supervisor {
        Supervisor {
            way,
            config: Config::default(),
            backoff: Backoff::default(),
            plainly: false,
            grace: Duration::from_secs(1),
            session: SessionMaker::new(),
            number: 0,
            failures: 0,
            next: None,
            current: None,
        }
    }

    /// A child, which is started by what `command` makes for each generation: a [`Command`], or a
    /// [`Spawn`] with choices and further ends. The child takes its end with
    /// [`Endpoint::inherited`], and finds the number of the generation in `CROSSING_GENERATION`.
    ///
    /// The child belongs to the supervisor: the next generation ends the child of the one before,
    /// and dropping the supervisor kills it.
    ///
    /// # Examples
    /// ```
    /// use std::process::Command;
    /// use crossing::{Config, Endpoint, Kind, Sessions, Supervisor};
    ///
    /// // The child is this program itself, and ends after one message.
    /// if let Ok(end) = Endpoint::inherited() {
    ///     let mut generation = Sessions::new().accept(end, &Config::default())?;
    ///     generation.send(&generation.number().to_le_bytes())?;
    ///     return Ok(());
    /// }
    /// let program = std::env::current_exe()?;
    /// let mut supervisor = Supervisor::spawning(Kind::Shm, move |_number| Command::new(&program));
    /// for number in 1..=2_u64 {
    ///     let mut answer = [0; 8];
    ///     supervisor.next_generation()?.recv(&mut answer)?;
    ///     assert_eq!(u64::from_le_bytes(answer), number);     // its second child, the second time
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawning<S: Into<Spawn>>(
        kind: Kind,
        mut command: impl FnMut(u64) -> S + Send + 'static,
    ) -> Supervisor {
        Supervisor::new(Way::Child(kind, Box::new(move |number| command(number).into())))
    }

    /// A server, which is dialled at `address`.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Listener, Sessions, Supervisor};
    ///
    /// let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// let mut supervisor = Supervisor::dialling(listener.address());
    /// # let server = std::thread::spawn(move || {
    /// #     let sessions = Sessions::new();
    /// #     (0..2).try_for_each(|_| sessions.accept(listener.accept()?, &Config::default()).map(drop))
    /// # });
    /// let first = supervisor.next_generation()?;
    /// let second = supervisor.next_generation()?;     // ends the first, and dials again
    /// assert_eq!((first.number(), second.number()), (1, 2));
    /// # server.join().expect("no panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dialling(address: &Address) -> Supervisor {
        Supervisor::new(Way::Address(address.clone()))
    }

    /// The choices of this end of each connection. Its
    /// [`connect_timeout`](Config::connect_timeout) is that of one attempt.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::{Config, Supervisor};
    ///
    /// // Each attempt may take a second, and messages are long.
    /// let config = Config::default().connect_timeout(Duration::from_secs(1)).max_message(1 << 20);
    /// let supervisor = Supervisor::dialling(&"shm:@log".parse()?).config(config);
    /// # drop(supervisor);
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn config(self, config: Config) -> Self {
        Supervisor { config, ..self }
    }

    /// How long it waits between attempts, and when it gives up.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Backoff, Supervisor, SupervisorError};
    ///
    /// # let nowhere = format!("shm:@crossing-backoff-{}", std::process::id()).parse()?;
    /// // One attempt, and one more.
    /// let backoff = Backoff::default().limit(1);
    /// let mut supervisor = Supervisor::dialling(&nowhere).backoff(backoff);
    /// match supervisor.next_generation() {
    ///     Err(SupervisorError::GaveUp { failures, .. }) => assert_eq!(failures, 2),
    ///     other => panic!("no server is there: {other:?}"),
    /// }
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn backoff(self, backoff: Backoff) -> Self {
        Supervisor { backoff, ..self }
    }

    /// For an other end without [`Sessions`](crate::Sessions), such as a program in another
    /// language: each generation begins with nothing, and the first message is the program's.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Listener, Supervisor};
    ///
    /// // A server that knows of no sessions.
    /// let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
    /// # let address = listener.address().clone();
    /// let server = std::thread::spawn(move || listener.accept()?.connect(&Config::default()));
    /// let mut generation = Supervisor::dialling(&address).plainly().next_generation()?;
    /// generation.send(b"the first message")?;
    /// assert_eq!(generation.delivered(), None);
    /// # assert_eq!(server.join().expect("no panic")?.recv(&mut [0; 64])?, 17);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn plainly(self) -> Self {
        Supervisor { plainly: true, ..self }
    }

    /// How long the child of a generation that is over may take to end by itself, before it is
    /// killed. 1 s by default.
    ///
    /// # Examples
    /// ```
    /// use std::process::Command;
    /// use std::time::Duration;
    /// use crossing::{Kind, Supervisor};
    ///
    /// // A plug-in that writes a file before it ends may take its time for that.
    /// let supervisor = Supervisor::spawning(Kind::Shm, |_| Command::new("./plug-in"))
    ///     .grace(Duration::from_secs(30));
    /// # drop(supervisor);
    /// ```
    pub fn grace(self, grace: Duration) -> Self {
        Supervisor { grace, ..self }
    }

    /// The child of the current generation.
    ///
    /// # Examples
    /// ```
    /// use std::process::Command;
    /// use crossing::{Kind, Supervisor};
    ///
    /// # if let Ok(end) = crossing::Endpoint::inherited() {
    /// #     let connection = end.connect(&crossing::Config::default())?;
    /// #     std::thread::sleep(std::time::Duration::from_secs(1000));
    /// #     drop(connection);
    /// # }
    /// # let program = std::env::current_exe()?;
    /// let mut supervisor = Supervisor::spawning(Kind::Unix, move |_| Command::new(&program)).plainly();
    /// assert!(supervisor.child().is_none());
    /// let mut generation = supervisor.next_generation()?;
    /// // It does not answer: end it, and learn of that by the connection.
    /// if let Some(child) = supervisor.child() {
    ///     assert_eq!(generation.peer().pid(), Some(child.id()));
    ///     child.kill()?;
    /// }
    /// assert!(generation.recv(&mut [0; 64]).is_err_and(|error| error.is_closed()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn child(&mut self) -> Option<&mut OwnedChild> {
        self.current.as_mut()?.child.as_mut()
    }

    /// The first connection, or the one that follows the last, which is over from now on. It waits
    /// for as long as the [back-off](Backoff) says, and makes attempts until one succeeds.
    ///
    /// # Errors
    /// [`SupervisorError::GaveUp`] after more failures in a row than
    /// [`Backoff::limit`]; [`SupervisorError::Hopeless`] when no attempt can succeed.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Backoff, SupervisedEnd, Supervisor, SupervisorError};
    ///
    /// # let nowhere = format!("shm:@crossing-next-{}", std::process::id()).parse()?;
    /// let mut supervisor = Supervisor::dialling(&nowhere).backoff(Backoff::default().limit(0));
    /// match supervisor.next_generation() {
    ///     Ok(generation) => println!("connection {}", generation.number()),
    ///     Err(SupervisorError::GaveUp { last: SupervisedEnd::Connect(why), .. }) => println!("{why}"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # assert!(supervisor.next_generation().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_generation(&mut self) -> Result<Generation, SupervisorError> {
        self.until(None)
    }

    /// The same, until `deadline`. The child of the generation before may take its
    /// [grace](Supervisor::grace) beyond that.
    ///
    /// # Errors
    /// Those of [`next_generation`](Supervisor::next_generation), and [`SupervisorError::Timeout`].
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    /// use crossing::{Supervisor, SupervisorError};
    ///
    /// # let nowhere = format!("shm:@crossing-deadline-{}", std::process::id()).parse()?;
    /// let mut supervisor = Supervisor::dialling(&nowhere);
    /// let deadline = Instant::now() + Duration::from_millis(1);
    /// match supervisor.next_generation_deadline(deadline) {
    ///     Err(SupervisorError::Timeout) => println!("do something else, and ask again"),
    ///     other => panic!("no server is there: {other:?}"),
    /// }
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn next_generation_deadline(&mut self, deadline: Instant) -> Result<Generation, SupervisorError> {
        self.until(Some(deadline))
    }

    /// The same, for `timeout`.
    ///
    /// # Errors
    /// Those of [`next_generation_deadline`](Supervisor::next_generation_deadline).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::Supervisor;
    ///
    /// # let nowhere = format!("shm:@crossing-timeout-{}", std::process::id()).parse()?;
    /// let mut supervisor = Supervisor::dialling(&nowhere);
    /// let outcome = supervisor.next_generation_timeout(Duration::from_millis(1));
    /// assert!(outcome.is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), crossing::ParseError>(())
    /// ```
    pub fn next_generation_timeout(&mut self, timeout: Duration) -> Result<Generation, SupervisorError> {
        self.until(Some(deadline::after(timeout)))
    }

    fn until(&mut self, until: Option<Instant>) -> Result<Generation, SupervisorError> {
        self.config.check().map_err(SupervisorError::Hopeless)?;
        if let Some(Current { since, child }) = self.current.take() {
            let lasted = since.elapsed();
            let status = child.and_then(|child| bury(child, self.grace));
            if lasted >= self.backoff.stable {
                (self.failures, self.next) = (0, None);
            } else {
                self.failed(SupervisedEnd::Brief(status))?;
            }
        }
        loop {
            self.wait(until)?;
            match self.attempt(until) {
                Ok(generation) => return Ok(generation),
                Err(Attempt::Hopeless(error)) => return Err(SupervisorError::Hopeless(error)),
                // Cut short: it may have succeeded.
                Err(Attempt::Failed(SupervisedEnd::Connect(ConnectError::Timeout)))
                    if until.is_some_and(|until| deadline::left(until).is_zero()) =>
                {
                    return Err(SupervisorError::Timeout);
                }
                Err(Attempt::Failed(end)) => self.failed(end)?,
            }
        }
    }

    /// Waits until the next attempt may be made.
    fn wait(&mut self, until: Option<Instant>) -> Result<(), SupervisorError> {
        if let Some(next) = self.next {
            let end = until.map_or(next, |until| until.min(next));
            loop {
                let left = deadline::left(end);
                if left.is_zero() {
                    break;
                }
                crate::pause::pause(left);
            }
        }
        match until {
            Some(until) if deadline::left(until).is_zero() => Err(SupervisorError::Timeout),
            _ => Ok(()),
        }
    }

    /// Counts a failure, and says when the next attempt may be made, or that none will be.
    fn failed(&mut self, last: SupervisedEnd) -> Result<(), SupervisorError> {
        self.failures += 1;
        let failures = self.failures;
        if failures > self.backoff.limit {
            (self.failures, self.next) = (0, None);
            return Err(SupervisorError::GaveUp { failures, last });
        }
        self.next = Some(deadline::after(self.backoff.pause(failures)));
        Ok(())
    }

    fn attempt(&mut self, until: Option<Instant>) -> Result<Generation, Attempt> {
        self.number += 1;
        let deadline = self.config.connect_deadline();
        let deadline = until.map_or(deadline, |until| until.min(deadline));
        let config = SessionMaker::within(&self.config, deadline);
        let number = self.number;
        let (plainly, session) = (self.plainly, &mut self.session);
        let mut greet = |connection| {
            if plainly {
                session.plainly(connection, number)
            } else {
                session.greet(connection, number, deadline)
            }
        };
        let (generation, child) = match &mut self.way {
            Way::Address(address) => {
                let connection = crate::channel::Connection::dial(address, &config)?;
                (greet(connection)?, None)
            }
            Way::Child(kind, command) => {
                let (here, there) = Endpoint::pair(*kind)?;
                let spawn = command(number).give_unnamed(there).env(GENERATION, &number.to_string());
                let spawn = spawn.kill_on_drop(true);
                let mut child =
                    spawn.spawn().map_err(|error| Attempt::Failed(SupervisedEnd::Spawn(error)))?;
                match here.connect(&config).and_then(greet) {
                    Ok(generation) => (generation, Some(child)),
                    Err(error) => {
                        // One that has died tells more than its end of a socket does.
                        let told = Attempt::from(error);
                        return Err(match (ended(&mut child, BRIEFLY), told) {
                            (Some(status), Attempt::Failed(_)) => {
                                Attempt::Failed(SupervisedEnd::Child(status))
                            }
                            (_, told) => told,
                        });
                    }
                }
            }
        };
        self.current = Some(Current { since: Instant::now(), child });
        Ok(generation)
    }
}

/// Waits for a child's end, at most for `limit`.
fn ended(child: &mut OwnedChild, limit: Duration) -> Option<ExitStatus> {
    let until = deadline::after(limit);
    let mut pauses = Pauses::new();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if pauses.pause(Some(until)).is_ok() => {}
            _ => return None,
        }
    }
}

/// Ends a child: how it ended, if it was in time to end by itself.
fn bury(mut child: OwnedChild, grace: Duration) -> Option<ExitStatus> {
    // One that lives on is killed when it is dropped.
    ended(&mut child, grace)
}

impl From<Command> for Spawn {
    fn from(command: Command) -> Spawn {
        Spawn::new(command)
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = match &self.way {
            Way::Child(kind, _) => format!("a child over {kind}"),
            Way::Address(address) => address.to_string(),
        };
        f.debug_struct("Supervisor")
            .field("to", &to)
            .field("generation", &self.number)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}
