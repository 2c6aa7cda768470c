//! Sessions: what two processes have said to each other outlasts a connection.
//!
//! One end makes the connections of a session, one after the other, and numbers them: the
//! [supervisor](crate::supervisor). The other end keeps [`Sessions`], and finds the session of each
//! connection that comes. At the beginning of each, both [tell][greeting] how many messages they
//! have received, and continue from there. The [account] holds the numbers, a [generation] is one
//! connection.
//!
//! All of it goes through a connection like any other, as messages: no mechanism knows of it, and a
//! program in another language can take part.

mod account;
mod generation;
mod greeting;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use self::account::Account;
pub use self::generation::{Generation, GenerationReceiver, GenerationSender};
use self::greeting::{Id, NONE, SessionGreeting, draw, refused};
use crate::channel::Connection;
use crate::config::Config;
use crate::deadline;
use crate::endpoint::Endpoint;
use crate::error::ConnectError;
use crate::stopper::Stopper;

/// The sessions of which this process is the other end: of a server, or of a child.
///
/// A connection that [comes](Sessions::accept) from a [`Supervisor`](crate::Supervisor) is the
/// first or a later [generation](Generation) of its session. As long as a session is remembered,
/// its counts go on. Memory is bounded: of more sessions than the limit, the one that was used
/// least lately is forgotten, one without a connection first. A session that was forgotten begins
/// anew, as if this process were a new one.
///
/// # Examples
/// ```
/// use std::thread;
/// use crossing::{Config, Generation, Listener, Sessions};
///
/// fn serve(mut generation: Generation) {
///     println!("generation {}, {} messages before", generation.number(), generation.received());
///     let mut message = Vec::new();
///     while generation.recv_vec(&mut message).is_ok() {}
/// }
///
/// fn serve_all(listener: Listener) -> Result<(), crossing::ConnectError> {
///     let sessions = Sessions::new();
///     thread::scope(|scope| loop {
///         let endpoint = listener.accept()?;
///         let sessions = &sessions;
///         scope.spawn(move || sessions.accept(endpoint, &Config::default()).map(serve));
///     })
/// }
/// # let listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?)?;
/// # let mut supervisor = crossing::Supervisor::dialling(listener.address());
/// # thread::spawn(|| serve_all(listener));
/// # supervisor.next_generation()?.send(b"a line")?;
/// # assert_eq!(supervisor.next_generation()?.number(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sessions {
    limit: usize,
    known: Mutex<KnownSessions>,
}

#[derive(Debug, Default)]
struct KnownSessions {
    sessions: HashMap<Id, Remembered>,
    /// How often one was used.
    uses: u64,
}

#[derive(Debug)]
struct Remembered {
    account: Arc<Account>,
    /// The number of this end, as long as its counts go on.
    own: Id,
    /// When it was used last.
    used: u64,
}

/// How many are remembered unless it is said otherwise.
const LIMIT: usize = 1024;

impl Default for Sessions {
    fn default() -> Self {
        Sessions::with_limit(LIMIT)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known().sessions.len();
        f.debug_struct("Sessions").field("known", &known).field("limit", &self.limit).finish()
    }
}

impl Sessions {
    /// None yet; at most 1024 are remembered.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Endpoint, Sessions};
    ///
    /// # let (endpoint, other) = Endpoint::pair(crossing::Kind::Unix)?;
    /// # let program = std::thread::spawn(move || other.connect(&Config::default()).map(drop));
    /// // One for the whole program: it remembers each session as long as it exists.
    /// let sessions = Sessions::new();
    /// // The other end must have a supervisor. This one has none.
    /// let config = Config::default();
    /// assert!(sessions.accept(endpoint, &config).is_err());
    /// # program.join().expect("no panic")?;
    /// # Ok::<(), crossing::ConnectError>(())
    /// ```
    pub fn new() -> Sessions {
        Sessions::default()
    }

    /// None yet; at most `limit` are remembered, and at least one.
    ///
    /// # Examples
    /// ```
    /// use crossing::Sessions;
    ///
    /// // As many as this server has clients, and some to spare.
    /// let sessions = Sessions::with_limit(10_000);
    /// assert_eq!(format!("{sessions:?}"), "Sessions { known: 0, limit: 10000 }");
    /// ```
    pub fn with_limit(limit: usize) -> Sessions {
        Sessions { limit: limit.max(1), known: Mutex::default() }
    }

    /// Connects, and finds the session to which the connection belongs. Handshake and greeting
    /// together take at most [`connect_timeout`](Config::connect_timeout).
    ///
    /// # Errors
    /// Those of [`Endpoint::connect`]; [`ConnectError::Refused`] when the other end has no
    /// supervisor, or says what cannot be.
    ///
    /// # Examples
    /// ```
    /// use crossing::{Config, Endpoint, Sessions};
    ///
    /// # if std::env::var_os("CROSSING_ENDPOINT").is_none() {
    /// #     let program = std::env::current_exe()?;
    /// #     let command = move |_| std::process::Command::new(&program);
    /// #     let mut supervisor = crossing::Supervisor::spawning(crossing::Kind::Shm, command);
    /// #     assert_eq!(supervisor.next_generation()?.recv(&mut [0; 64])?, 9);
    /// #     return Ok(());
    /// # }
    /// // In a child that a supervisor has started.
    /// let mut generation = Sessions::new().accept(Endpoint::inherited()?, &Config::default())?;
    /// generation.send(b"here I am")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accept(&self, endpoint: Endpoint, config: &Config) -> Result<Generation, ConnectError> {
        let deadline = config.connect_deadline();
        let mut connection = endpoint.connect(config)?;
        let greeting = SessionGreeting::recv(&mut connection, deadline)?;
        let stopper = stopper()?;
        let (account, answer, delivered) = self.begin(&greeting, &stopper)?;
        answer.send(&mut connection, deadline)?;
        connection.set_stopper(&stopper);
        Generation::new(connection, account, greeting.generation, delivered)
    }

    fn known(&self) -> MutexGuard<'_, KnownSessions> {
        // What a panic leaves there is whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the generation that is greeted with: its account, the answer, and how much was
    /// delivered.
    fn begin(
        &self,
        greeting: &SessionGreeting,
        stopper: &Stopper,
    ) -> Result<(Arc<Account>, SessionGreeting, Option<u64>), ConnectError> {
        let mut known = self.known();
        known.uses += 1;
        let used = known.uses;
        if !known.sessions.contains_key(&greeting.session) {
            known.make_room(self.limit);
            let new = Remembered { account: Account::new(), own: draw()?, used };
            known.sessions.insert(greeting.session, new);
        }
        let Some(remembered) = known.sessions.get_mut(&greeting.session) else {
            return Err(refused("it was forgotten at once"));
        };
        remembered.used = used;
        let mut tally = remembered.account.tally();
        if greeting.generation <= tally.generation {
            let (claimed, last) = (greeting.generation, tally.generation);
            return Err(refused(format!("generation {claimed} comes after generation {last}")));
        }
        let delivered = (greeting.other == remembered.own).then_some(greeting.received);
        match delivered {
            Some(delivered) if delivered > tally.sent => {
                let sent = tally.sent;
                return Err(refused(format!("{delivered} messages received of {sent} that were sent")));
            }
            Some(delivered) => tally.sent = delivered,
            // It does not know this end: both begin with nothing.
            None => {
                remembered.own = draw()?;
                tally.forget();
            }
        }
        tally.begin(greeting.generation, stopper);
        let answer = SessionGreeting { other: remembered.own, received: tally.received, ..*greeting };
        drop(tally);
        Ok((remembered.account.clone(), answer, delivered))
    }
}

impl KnownSessions {
    /// Forgets the session that was used least lately, until there is room for one more.
    fn make_room(&mut self, limit: usize) {
        while self.sessions.len() >= limit {
            // An account that has no other holder has no connection.
            let least = |(_, it): &(&Id, &Remembered)| (Arc::strong_count(&it.account) > 1, it.used);
            let Some(id) = self.sessions.iter().min_by_key(least).map(|(id, _)| *id) else { return };
            self.sessions.remove(&id);
        }
    }
}

fn stopper() -> Result<Stopper, ConnectError> {
    let doing = "make what ends the waits of a generation";
    Stopper::new().map_err(|source| ConnectError::Io { doing: doing.into(), source })
}

/// The end that makes the connections of a session.
#[derive(Debug)]
pub(crate) struct SessionMaker {
    account: Arc<Account>,
    /// Drawn at the first need.
    session: Id,
    /// The number of the other end, since it was met first.
    other: Id,
}

impl SessionMaker {
    pub(crate) fn new() -> SessionMaker {
        SessionMaker { account: Account::new(), session: NONE, other: NONE }
    }

    /// Greets over a new connection, which becomes the generation of this number.
    pub(crate) fn greet(
        &mut self,
        mut connection: Connection,
        number: u64,
        deadline: Instant,
    ) -> Result<Generation, ConnectError> {
        if self.session == NONE {
            self.session = draw()?;
        }
        let stopper = stopper()?;
        let received = {
            let mut tally = self.account.tally();
            tally.begin(number, &stopper);
            tally.received
        };
        let greeting =
            SessionGreeting { session: self.session, other: self.other, generation: number, received };
        greeting.send(&mut connection, deadline)?;
        let answer = SessionGreeting::recv(&mut connection, deadline)?;
        let delivered = self.judge(&greeting, &answer)?;
        connection.set_stopper(&stopper);
        Generation::new(connection, self.account.clone(), number, delivered)
    }

    /// How much was delivered, by the answer.
    fn judge(
        &mut self,
        greeting: &SessionGreeting,
        answer: &SessionGreeting,
    ) -> Result<Option<u64>, ConnectError> {
        if (answer.session, answer.generation) != (greeting.session, greeting.generation)
            || answer.other == NONE
        {
            return Err(refused("it is answered for another"));
        }
        let mut tally = self.account.tally();
        if answer.other != self.other {
            if answer.received != 0 {
                let received = answer.received;
                return Err(refused(format!("{received} messages received by a process that was never met")));
            }
            self.other = answer.other;
            tally.forget();
            return Ok(None);
        }
        if answer.received > tally.sent {
            let (received, sent) = (answer.received, tally.sent);
            return Err(refused(format!("{received} messages received of {sent} that were sent")));
        }
        tally.sent = answer.received;
        Ok(Some(answer.received))
    }

    /// Makes a connection the generation of this number without a greeting: its other end takes no
    /// part in sessions.
    pub(crate) fn plainly(
        &mut self,
        mut connection: Connection,
        number: u64,
    ) -> Result<Generation, ConnectError> {
        let stopper = stopper()?;
        let mut tally = self.account.tally();
        tally.begin(number, &stopper);
        tally.forget();
        drop(tally);
        connection.set_stopper(&stopper);
        Generation::new(connection, self.account.clone(), number, None)
    }

    /// How long a deadline leaves for connecting, as a configuration.
    pub(crate) fn within(config: &Config, deadline: Instant) -> Config {
        config.clone().connect_timeout(deadline::left(deadline).min(config.connect_timeout))
    }
}
