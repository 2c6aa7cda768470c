//! The body of a process of a stage: it does what it is told, order by order, and stamps each call itself.
//!
//! Between two orders it sleeps in poll(2) on the lab's line. In a call of the channel it does
//! nothing else, so that an observer sees it sleep where the mechanism puts it to sleep.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crossing::{Address, Config, Connection, Endpoint, Kind, Listener, Peers, RecvError, SendError};

use super::order::{Course, Sight, StageOrder, Textbook, Told, Wrong};
use super::textbook::{self, SLOT_BYTES};
use crate::control::{Control, LineEnded, Silence};
use crate::itself::THIS_PROGRAM;
use crate::job::{Job, PairJob};
use crate::mechanism::{self, Overwritten};
use crate::message::{Glimpse, compose};
use crate::peer;
use crate::sys::stray;

/// Runs a process of a stage until the lab goes away.
pub(crate) fn run(mut control: Control, job: &Job) -> Result<(), LineEnded> {
    let (endpoint, child) = match birth(&mut control, job) {
        Ok(born) => born,
        Err(why) => return Err(control.fail(why)),
    };
    control.placed(job.core(), child.as_ref().map(Child::id))?;
    StageActor::new(control, &job.pair, endpoint, child).serve()
}

/// A descriptor beside the job is the line of a peer that this process is to start itself: then the two ends
/// of the channel are made here, and the child inherits one.
fn birth(control: &mut Control, job: &Job) -> Result<(Option<Endpoint>, Option<Child>), String> {
    let Some(line) = control.descriptor() else { return Ok((None, None)) };
    let (here, there) = Endpoint::pair(job.pair.kind).map_err(|error| error.to_string())?;
    let command = peer::command(THIS_PROGRAM.as_ref(), line);
    let child = command.and_then(|command| peer::spawn(command, Some(there)));
    let child = child.map_err(|error| format!("cannot start a child: {error}"))?;
    Ok((Some(here), Some(child)))
}

struct StageActor<'a> {
    control: Control,
    job: &'a PairJob,
    /// The end that was made here, when the peer was started here.
    endpoint: Option<Endpoint>,
    child: Option<Child>,
    connection: Option<Connection>,
    textbook: Option<textbook::TextbookBoard>,
    /// Memory for one message.
    message: Vec<u8>,
    /// … and for the one that is expected.
    expected: Vec<u8>,
}

impl<'a> StageActor<'a> {
    fn new(control: Control, job: &'a PairJob, endpoint: Option<Endpoint>, child: Option<Child>) -> Self {
        let size = job.size();
        StageActor {
            control,
            job,
            endpoint,
            child,
            connection: None,
            textbook: None,
            message: vec![0; size],
            expected: vec![0; size],
        }
    }

    fn serve(mut self) -> Result<(), LineEnded> {
        let never = AtomicBool::new(false);
        loop {
            let order: StageOrder = match self.control.hear(None, &never) {
                Ok(order) => order,
                Err(Silence::Gone) => return Ok(()),
                Err(_) => return Err(LineEnded),
            };
            match self.obey(order) {
                Ok(Some(told)) => self.control.answer(told)?,
                Ok(None) => {}
                Err(why) => return Err(self.control.fail(why)),
            }
        }
    }

    /// Does what is asked for. An error is the last word: only for what leaves no sense in going on.
    fn obey(&mut self, order: StageOrder) -> Result<Option<Told>, String> {
        Ok(Some(match order {
            StageOrder::Connect => {
                let endpoint = self.endpoint.take().map_or_else(Endpoint::inherited, Ok);
                self.connect(endpoint.map_err(|error| error.to_string())?)?
            }
            StageOrder::Listen { path } => {
                let listener =
                    Listener::bind(&address(self.job.kind, path)?).map_err(|error| error.to_string())?;
                self.say(Told::Listening)?;
                let endpoint = listener.accept().map_err(|error| error.to_string())?;
                self.connect(endpoint)?
            }
            StageOrder::Dial { path } => {
                let endpoint = Endpoint::dial(&address(self.job.kind, path)?, &Config::default())
                    .map_err(|error| error.to_string())?;
                self.connect(endpoint)?
            }
            StageOrder::Send(course) => self.send(&course)?,
            StageOrder::SendOn(course) => self.send_on(&course)?,
            StageOrder::Recv(course) => self.recv(&course)?,
            // It came too late: everything was sent already.
            StageOrder::Enough => return Ok(None),
            StageOrder::Stray => match stray::over_what_may_only_be_read() {
                // The first store ends this process, so there is something to say only if there was none.
                Ok(stores) => Told::Refused { why: format!("{stores} stores, and still here") },
                Err(error) => Told::Refused { why: error.to_string() },
            },
            StageOrder::Scribble { number, by, what } => self.scribble(number, by, what)?,
            StageOrder::Textbook(act) => self.textbook(act)?,
            StageOrder::Bury => self.bury(),
        }))
    }

    fn connect(&mut self, endpoint: Endpoint) -> Result<Told, String> {
        let size = self.job.size();
        // Both were started by the lab, and meet in a folder that only its user can enter: also where that user has no number
        // of its own in this namespace, and could not be told from others.
        let peers = Peers::Anyone;
        let config = Config::default().max_message(size).wait(self.job.wait).peers(peers);
        self.connection = Some(endpoint.connect(&config).map_err(|error| error.to_string())?);
        Ok(Told::Connected)
    }

    fn send(&mut self, course: &Course) -> Result<Told, String> {
        let clock = self.job.clock;
        let (connection, message) = (connected(&mut self.connection)?, &mut self.message);
        let mut notes = Notes::new(course.count);
        if course.announce {
            say(&self.control, Told::About)?;
        }
        for number in course.first..course.first + course.count {
            if course.gap_us > 0 {
                crossing::pause(Duration::from_micros(course.gap_us));
            }
            compose(message, number, course.text.as_deref());
            let began = clock.now();
            let outcome = connection.send(message);
            let ended = clock.now();
            let fault = outcome.err().map(|error| ActorFault::Ended(send_word(&error)));
            if notes.take(number, [began, ended], Some(Glimpse::of(message)), fault) {
                break;
            }
        }
        Ok(notes.told())
    }

    /// Sends until it is told that it is enough, and notes only the last call.
    fn send_on(&mut self, course: &Course) -> Result<Told, String> {
        let clock = self.job.clock;
        let (connection, message) = (connected(&mut self.connection)?, &mut self.message);
        let mut last = Notes::new(1);
        let mut count = 0;
        for number in course.first..course.first + course.count {
            compose(message, number, None);
            let began = clock.now();
            let outcome = connection.send(message);
            let ended = clock.now();
            let fault = outcome.err().map(|error| ActorFault::Ended(send_word(&error)));
            count += u64::from(fault.is_none());
            last.0.clear();
            let over = last.take(number, [began, ended], Some(Glimpse::of(message)), fault);
            if over || self.control.has_something() {
                break;
            }
        }
        Ok(Told::Done { calls: last.sights(), count })
    }

    fn recv(&mut self, course: &Course) -> Result<Told, String> {
        let clock = self.job.clock;
        let connection = connected(&mut self.connection)?;
        let (message, expected) = (&mut self.message, &mut self.expected);
        let mut notes = Notes::new(course.count);
        if course.announce {
            say(&self.control, Told::About)?;
        }
        for number in course.first..course.first + course.count {
            compose(expected, number, course.text.as_deref());
            let began = clock.now();
            let outcome = connection.recv(message);
            let ended = clock.now();
            let (glimpse, fault) = match outcome {
                Ok(len) if message[..len] == expected[..] => (Some(Glimpse::of(message)), None),
                Ok(len) => (Some(Glimpse::of(&message[..len])), Some(ActorFault::Damaged)),
                Err(error) => (None, Some(ActorFault::Ended(recv_word(&error)))),
            };
            let over = notes.take(number, [began, ended], glimpse, fault);
            notes.ahead(connection.receiver().bytes_ahead());
            if over {
                break;
            }
        }
        Ok(notes.told())
    }

    fn scribble(&mut self, number: u64, by: i32, what: usize) -> Result<Told, String> {
        let connection = connected(&mut self.connection)?;
        compose(&mut self.message, number, None);
        let glimpse = Glimpse::of(&self.message);
        let mut notes = Notes::new(1);
        let began = self.job.clock.now();
        let mut send = |message: &[u8]| connection.send(message).map_err(io::Error::other);
        let (kind, message) = (self.job.kind, &mut self.message[..]);
        let overwrite = mechanism::of(kind).overwrites.get(what).ok_or("no such overwrite")?;
        match (overwrite.how)(Overwritten { kind, send: &mut send, by, message }) {
            Ok(()) => {
                notes.take(number, [began, self.job.clock.now()], Some(glimpse), None);
                Ok(notes.told())
            }
            Err(error) => Ok(Told::Refused { why: error.to_string() }),
        }
    }

    fn textbook(&mut self, act: Textbook) -> Result<Told, String> {
        if let Some(fd) = self.control.descriptor() {
            self.textbook = Some(textbook::TextbookBoard::map(&fd).map_err(|error| error.to_string())?);
        }
        let board = self.textbook.as_ref().ok_or("told of a region that never came")?;
        let (mut message, mut expected) = ([0; SLOT_BYTES], [0; SLOT_BYTES]);
        let now = || self.job.clock.now();
        let mut notes = Notes::new(0);
        match act {
            Textbook::Write { first, count } => {
                for number in first..first + count {
                    compose(&mut message, number, None);
                    let began = now();
                    board.write(number, &message);
                    notes.take(number, [began, now()], Some(Glimpse::of(&message)), None);
                }
            }
            Textbook::Read { first, count } => {
                for number in first..first + count {
                    compose(&mut expected, number, None);
                    let began = now();
                    message = board.read(number);
                    let fault = (message != expected).then_some(ActorFault::Damaged);
                    notes.take(number, [began, now()], Some(Glimpse::of(&message)), fault);
                }
            }
            Textbook::Stray => return Ok(Told::Done { calls: Vec::new(), count: board.stray() }),
        }
        Ok(notes.told())
    }

    fn bury(&mut self) -> Told {
        match self.child.take().map(|mut child| child.wait()) {
            Some(Ok(status)) => Told::Buried { signal: status.signal(), exit_code: status.code() },
            _ => Told::Refused { why: "this process has no child".into() },
        }
    }

    fn say(&self, told: Told) -> Result<(), String> {
        say(&self.control, told)
    }
}

fn say(control: &Control, told: Told) -> Result<(), String> {
    control.answer(told).map_err(|LineEnded| "the lab is gone".into())
}

fn connected(connection: &mut Option<Connection>) -> Result<&mut Connection, String> {
    connection.as_mut().ok_or_else(|| "told to use a channel before it was connected".into())
}

/// Why a call brought no message, or not the one that was due.
#[derive(Debug, Clone, Copy)]
enum ActorFault {
    Ended(&'static str),
    Damaged,
}

/// The calls of one order, in memory that was taken before the first of them.
struct Notes(Vec<Note>);

struct Note {
    number: u64,
    began: u64,
    ended: u64,
    cpu: Option<u32>,
    glimpse: Option<Glimpse>,
    ahead_bytes: usize,
    fault: Option<ActorFault>,
}

impl Notes {
    fn new(count: u64) -> Notes {
        Notes(Vec::with_capacity(usize::try_from(count).unwrap_or(0)))
    }

    /// Notes a call. Whether it was the last one: it ended without a message.
    fn take(
        &mut self,
        number: u64,
        [began, ended]: [u64; 2],
        glimpse: Option<Glimpse>,
        fault: Option<ActorFault>,
    ) -> bool {
        let cpu = u32::try_from(rustix::thread::sched_getcpu()).ok();
        self.0.push(Note { number, began, ended, cpu, glimpse, ahead_bytes: 0, fault });
        matches!(fault, Some(ActorFault::Ended(_)))
    }

    /// Adds to the last call how many bytes it has read beyond its message.
    fn ahead(&mut self, bytes: usize) {
        if let Some(last) = self.0.last_mut() {
            last.ahead_bytes = bytes;
        }
    }

    fn sights(self) -> Vec<Sight> {
        let sight = |Note { number, began, ended, cpu, glimpse, ahead_bytes, fault }: Note| Sight {
            number,
            began,
            ended,
            cpu,
            words: glimpse.map(|glimpse| glimpse.words()),
            ahead_bytes: ahead_bytes as u64,
            fault: fault.map(|fault| match fault {
                ActorFault::Ended(word) => Wrong::Ended(word.into()),
                ActorFault::Damaged => Wrong::Damaged,
            }),
        };
        self.0.into_iter().map(sight).collect()
    }

    /// All of them, and how many brought a message.
    fn told(self) -> Told {
        let calls = self.sights();
        let count = calls.iter().filter(|call| !matches!(call.fault, Some(Wrong::Ended(_)))).count();
        Told::Done { calls, count: count as u64 }
    }
}

fn address(kind: Kind, path: String) -> Result<Address, String> {
    Address::at_path(kind, path).map_err(|error| error.to_string())
}

/// How a send ended, in a word.
fn send_word(error: &SendError) -> &'static str {
    match error {
        SendError::Full => "full",
        SendError::Timeout => "timeout",
        SendError::Unfinished => "unfinished",
        SendError::TooLong { .. } => "too-long",
        SendError::Disconnected => "disconnected",
        SendError::Reset => "reset",
        SendError::Poisoned(_) => "poisoned",
        SendError::Forked => "forked",
        SendError::Stopped => "stopped",
        SendError::Io(_) => "io",
        _ => "other",
    }
}

/// How a receive ended, in a word.
fn recv_word(error: &RecvError) -> &'static str {
    match error {
        RecvError::Empty => "empty",
        RecvError::Timeout => "timeout",
        RecvError::TooLong { .. } => "too-long",
        RecvError::Disconnected => "disconnected",
        RecvError::Reset => "reset",
        RecvError::Poisoned(_) => "poisoned",
        RecvError::Forked => "forked",
        RecvError::Stopped => "stopped",
        RecvError::Io(_) => "io",
        _ => "other",
    }
}
