//! What outlives a connection: a child is started again, a server is dialled again, and what was
//! received is known on both sides, whatever ends when; and an end that cannot be made up for is
//! told.

#[path = "process/cannot_run.rs"]
mod cannot_run;
mod process;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossing::{
    Address, Backoff, Config, ConnectError, Connection, Endpoint, Generation, Kind, Listener, RecvError,
    SendError, Sessions, Spawn, SupervisedEnd, Supervisor, SupervisorError,
};
use process::seed::seed;
use process::{
    LIMIT, again, config, descriptors, eventually, for_every_kind, play, socket_path, threads, within,
};
use rustix::process::Pid;

fn anywhere(kind: Kind) -> Address {
    match kind {
        Kind::Tcp => Address::tcp("127.0.0.1:0").expect("an address"),
        kind => Address::at_path(kind, socket_path()).expect("a path like any other"),
    }
}

/// As quick as may be: what is tested does not depend on time.
fn quick() -> Backoff {
    let none = Duration::ZERO;
    Backoff::default().first(Duration::from_millis(1)).longest(Duration::from_millis(2)).stable(none)
}

fn supervised(kind: Kind, part: &'static str) -> Supervisor {
    Supervisor::spawning(kind, move |_| again(part)).config(config()).backoff(quick())
}

fn next(supervisor: &mut Supervisor) -> Generation {
    supervisor.next_generation_timeout(LIMIT).expect("it succeeds")
}

/// Answers with its pid, the number of its generation by the session and by the environment.
fn says_its_generation() {
    let endpoint = Endpoint::inherited().expect("it was given");
    let mut generation = Sessions::new().accept(endpoint, &config()).expect("a supervisor");
    assert_eq!((generation.delivered(), generation.received(), generation.sent()), (None, 0, 0));
    let told: u64 = std::env::var("CROSSING_GENERATION").expect("it is set").parse().expect("a number");
    let mut buffer = [0; 8];
    while generation.recv(&mut buffer).is_ok() {
        for number in [std::process::id().into(), generation.number(), told] {
            if generation.send(&u64::to_le_bytes(number)).is_err() {
                return;
            }
        }
    }
}

fn asks(generation: &mut Generation) -> [u64; 3] {
    generation.send(b"?").expect("it lives");
    [(); 3].map(|()| {
        let mut answer = [0; 8];
        assert_eq!(generation.recv(&mut answer).expect("it lives"), 8);
        u64::from_le_bytes(answer)
    })
}

fn a_child_that_is_killed_is_started_again(kind: Kind) {
    let mut supervisor = supervised(kind, "says its generation");
    let mut pids = Vec::new();
    for number in 1..=3 {
        let mut generation = next(&mut supervisor);
        assert_eq!((generation.number(), generation.delivered()), (number, None), "a new process");
        let [pid, by_session, by_environment] = asks(&mut generation);
        assert_eq!((by_session, by_environment), (number, number));
        let child = supervisor.child().expect("it runs");
        assert_eq!(pid, u64::from(child.id()));
        child.kill().expect("it is not reaped");
        let outcome = generation.recv(&mut [0; 8]);
        assert!(matches!(outcome, Err(RecvError::Disconnected | RecvError::Reset)), "{outcome:?}");
        pids.push(pid);
    }
    pids.dedup();
    assert_eq!(pids.len(), 3, "each was another process");
    // The last one goes with its supervisor, which leaves no zombie.
    let mut generation = next(&mut supervisor);
    let [pid, ..] = asks(&mut generation);
    drop(supervisor);
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not zero");
    assert!(rustix::process::test_kill_process(pid).is_err());
}

fn lives_on() {
    let endpoint = Endpoint::inherited().expect("it was given");
    let _generation = Sessions::new().accept(endpoint, &config()).expect("a supervisor");
    loop {
        thread::park();
    }
}

/// A child that goes on when its connection is over is ended before the next one starts.
fn a_child_that_lives_on_is_ended(kind: Kind) {
    let mut supervisor = supervised(kind, "lives on").grace(Duration::from_millis(20));
    drop(next(&mut supervisor));
    let first = Pid::from_child(supervisor.child().expect("it runs"));
    let _second = next(&mut supervisor);
    assert!(rustix::process::test_kill_process(first).is_err());
}

/// How many messages each side sends in all, and one of how many is followed by a cut.
const MESSAGES: u64 = 3000;
const CUTS: u64 = 100;

/// A sequence that looks random and can be had again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// One side of a duplex stream of numbered messages over as many connections as it takes.
struct Ledger {
    dice: Dice,
    /// The number of the next message that must come.
    due: u64,
    /// The most that the other side was ever told to have received.
    delivered: u64,
}

impl Ledger {
    fn new(seed: u64) -> Ledger {
        Ledger { dice: Dice(seed), due: 0, delivered: 0 }
    }

    /// Goes on over one connection until it ends, by either side. Whether both directions are
    /// through.
    fn go_on(&mut self, mut generation: Generation) -> bool {
        let mut number = generation.delivered().unwrap_or(0);
        assert_eq!(generation.received(), self.due, "what this side was told it has received");
        assert!(number >= self.delivered, "what was received stays received");
        self.delivered = number;
        let mut buffer = [0; 64];
        loop {
            if self.dice.roll(CUTS) == 0 {
                return false;
            }
            if number < MESSAGES {
                match generation.try_send(&number.to_le_bytes()) {
                    Ok(()) | Err(SendError::Unfinished) => number += 1,
                    Err(SendError::Full) => {}
                    Err(_) => return false,
                }
            }
            match generation.try_recv(&mut buffer) {
                Ok(8) => {
                    let came = u64::from_le_bytes(buffer[..8].try_into().expect("eight bytes"));
                    assert_eq!(came, self.due, "no message is lost, doubled or out of order");
                    self.due += 1;
                }
                // The last word: this side has everything.
                Ok(1) => return true,
                Ok(len) => panic!("a message of {len} bytes"),
                Err(RecvError::Empty) => thread::yield_now(),
                Err(_) => return false,
            }
        }
    }
}

/// Both processes live; connections come and go, with messages in them that were never read.
fn what_is_sent_again_from_where_it_was_received_comes_exactly_once(kind: Kind) {
    let seed = seed("cuts");
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    let address = listener.address().clone();
    let config = || config().linger(Duration::ZERO);
    let over = AtomicU64::new(0);
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            let sessions = Sessions::new();
            let mut ledger = Ledger::new(seed);
            while over.load(Ordering::Relaxed) == 0 {
                let Ok(endpoint) = listener.accept_deadline(Instant::now() + Duration::from_millis(100))
                else {
                    continue;
                };
                // The client may go while it greets.
                if let Ok(generation) = sessions.accept(endpoint, &config()) {
                    assert!(generation.delivered().is_some() || ledger.due == 0);
                    ledger.go_on(generation);
                }
            }
            ledger
        });
        let mut supervisor = Supervisor::dialling(&address).config(config()).backoff(quick().limit(1000));
        let mut ledger = Ledger::new(!seed);
        let mut generations = 0;
        while ledger.due < MESSAGES || ledger.delivered < MESSAGES {
            ledger.go_on(next(&mut supervisor));
            generations += 1;
        }
        over.store(1, Ordering::Relaxed);
        let server = server.join().expect("no panic");
        assert_eq!((ledger.due, server.due), (MESSAGES, MESSAGES));
        assert!(generations > 10, "{generations} connections: it was cut too seldom");
    });
}

/// A server that has not noticed that the connection before is over, with and without something
/// unread.
fn the_next_generation_ends_the_one_before(kind: Kind) {
    for unread in [false, true] {
        let listener = Listener::bind(&anywhere(kind)).expect("a free place");
        let address = listener.address().clone();
        let mut supervisor = Supervisor::dialling(&address).config(config()).backoff(quick());
        let sessions = Sessions::new();
        thread::scope(|scope| {
            let accept = || {
                let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                sessions.accept(end, &config()).expect("a supervisor")
            };
            let accepting = scope.spawn(accept);
            let mut first = next(&mut supervisor);
            let mut there = accepting.join().expect("no panic");
            for message in [b"one", b"two", b"six"] {
                first.send(message).expect("room");
            }
            there.send(b"answer").expect("room");
            for _ in 0..2 {
                assert_eq!(there.recv(&mut [0; 8]).expect("it was sent"), 3);
            }
            let (mut sending, mut receiving) = there.split();
            let (read, go) = std::sync::mpsc::channel();
            let waiting = scope.spawn(move || {
                assert_eq!(receiving.recv(&mut [0; 8]).expect("it was sent"), 3);
                read.send(()).expect("the test waits");
                (receiving.recv(&mut [0; 8]), receiving)
            });
            go.recv().expect("it says so");
            if unread {
                first.send(b"unread").expect("room");
            }
            let accepting = scope.spawn(accept);
            let second = next(&mut supervisor);
            let there = accepting.join().expect("no panic");
            // The half that waits is woken, and neither end of the connection before has gone.
            let (outcome, mut receiving) = waiting.join().expect("no panic");
            // What is unread may have been received before the next generation began, and then it
            // counts.
            let received = 3 + u64::from(outcome.is_ok());
            match outcome {
                Ok(6) if unread => {}
                outcome => assert_eq!(outcome, Err(RecvError::Disconnected)),
            }
            assert_eq!((second.delivered(), there.received()), (Some(received), received));
            assert_eq!((there.delivered(), second.received()), (Some(0), 0), "the answer was not received");
            assert_eq!(receiving.recv(&mut [0; 8]), Err(RecvError::Disconnected));
            assert_eq!(sending.send(b"late"), Err(SendError::Disconnected));
            assert_eq!(first.send(b"late"), Err(SendError::Disconnected));
            assert_eq!(first.recv(&mut [0; 8]), Err(RecvError::Disconnected), "also what lies there unread");
            assert_eq!((there.sent(), second.sent()), (0, received));
        });
    }
}

/// A server that was started again knows of no session, and no message is said to be received.
fn of_a_process_that_is_new_nothing_is_said_to_be_received(kind: Kind) {
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    let mut supervisor = Supervisor::dialling(listener.address()).config(config()).backoff(quick());
    for number in 1..=4 {
        thread::scope(|scope| {
            let accepting = scope.spawn(|| {
                let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                // A new process has new ones.
                Sessions::new().accept(end, &config()).expect("a supervisor")
            });
            let mut here = next(&mut supervisor);
            let mut there = accepting.join().expect("no panic");
            assert_eq!((here.number(), here.delivered(), there.delivered()), (number, None, None));
            assert_eq!((here.sent(), here.received(), there.sent(), there.received()), (0, 0, 0, 0));
            here.send(b"message").expect("room");
            there.recv(&mut [0; 8]).expect("it was sent");
            there.send(b"message").expect("room");
            here.recv(&mut [0; 8]).expect("it was sent");
        });
    }
}

fn an_end_without_sessions_is_reached_plainly(kind: Kind) {
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    let address = listener.address().clone();
    let mut supervisor = Supervisor::dialling(&address).config(config()).backoff(quick()).plainly();
    for number in 1..=3 {
        thread::scope(|scope| {
            let server = scope.spawn(|| {
                let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                let mut connection = end.connect(&config()).expect("a client");
                let mut buffer = [0; 8];
                let len = connection.recv(&mut buffer).expect("it was sent");
                connection.send(&buffer[..len]).expect("room");
            });
            let mut generation = next(&mut supervisor);
            assert_eq!((generation.number(), generation.delivered()), (number, None));
            generation.send(b"plain").expect("room");
            assert_eq!(generation.recv(&mut [0; 8]).expect("an answer"), 5);
            server.join().expect("no panic");
        });
    }
}

/// What stands in a greeting, for ends that lie: see `session/greeting.rs`.
fn greeting(session: u8, other: u8, generation: u64, received: u64) -> Vec<u8> {
    let numbers = [generation.to_le_bytes(), received.to_le_bytes()].concat();
    [b"SESSION1".to_vec(), vec![session; 16], vec![other; 16], numbers].concat()
}

/// The number of the other end in an answer.
fn number_of(answer: &[u8]) -> [u8; 16] {
    answer[24..40].try_into().expect("sixteen bytes")
}

fn a_maker_of_connections_that_lies_is_refused(kind: Kind) {
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    let sessions = Sessions::new();
    let says = |first: &[u8]| {
        thread::scope(|scope| {
            let accepting = scope.spawn(|| {
                let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                sessions.accept(end, &config())
            });
            let mut here = Connection::dial(listener.address(), &config()).expect("it listens");
            here.send(first).expect("room");
            let mut answer = vec![0; 64];
            let len = here.recv(&mut answer).unwrap_or(0);
            answer.truncate(len);
            (accepting.join().expect("no panic"), answer)
        })
    };
    let refused = |first: &[u8], why: &str| {
        let (outcome, answer) = says(first);
        let error = outcome.expect_err(why).to_string();
        assert!(error.contains("session") && error.contains(why), "{error}");
        assert!(answer.is_empty());
    };
    for first in [&b""[..], b"hello", &[0; 56], &[0xff; 56], &[0; 57], &greeting(1, 0, 0, 0)] {
        refused(first, "is no greeting");
    }
    let (generation, answer) = says(&greeting(1, 0, 5, 99));
    let generation = generation.expect("an unknown end has received nothing");
    assert_eq!((generation.number(), generation.delivered()), (5, None));
    assert_eq!(answer.len(), 56);
    drop(generation);
    let number = number_of(&answer);
    let mut known = greeting(1, 0, 6, 1);
    known[24..40].copy_from_slice(&number);
    // More than was sent.
    refused(&known, "1 messages received of 0");
    for generation in [5, 4] {
        refused(&greeting(1, 0, generation, 0), "comes after generation 5");
    }
    // What is refused changes nothing; a right one goes on.
    known[48..].copy_from_slice(&0_u64.to_le_bytes());
    let (generation, answer) = says(&known);
    assert_eq!(generation.expect("it is right").delivered(), Some(0));
    assert_eq!(number_of(&answer), number);
}

/// What an end answers to a greeting.
type Lie<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

fn an_other_end_that_lies_is_refused(kind: Kind) {
    let listener = Listener::bind(&anywhere(kind)).expect("a free place");
    let answers = |answer: Lie<'_>, supervisor: &mut Supervisor| {
        thread::scope(|scope| {
            let (begun, begins) = std::sync::mpsc::channel();
            let asking = scope.spawn(move || {
                begun.send(()).expect("the test waits");
                supervisor.next_generation_timeout(LIMIT)
            });
            begins.recv().expect("it begins");
            let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
            let mut there = end.connect(&config()).expect("a client");
            let mut greeting = [0; 64];
            let len = there.recv(&mut greeting).expect("it greets");
            assert_eq!(len, 56);
            there.send(&answer(&greeting[..len])).expect("room");
            let outcome = asking.join().expect("no panic");
            (outcome, there)
        })
    };
    let supervisor = || Supervisor::dialling(listener.address()).config(config()).backoff(quick().limit(0));
    let with = |at: usize, bytes: &[u8], greeting: &[u8]| {
        let mut answer = greeting.to_vec();
        // Its own number, so that all else is right.
        answer[24..40].copy_from_slice(&[7; 16]);
        answer[at..at + bytes.len()].copy_from_slice(bytes);
        answer
    };
    let lies: [(&str, Lie<'_>); 6] = [
        ("is no greeting", &|_| b"hello".to_vec()),
        ("answered for another", &|it| with(8, &[1; 16], it)),
        ("answered for another", &|it| with(24, &[0; 16], it)),
        ("answered for another", &|it| with(40, &9_u64.to_le_bytes(), it)),
        ("is no greeting", &|it| with(40, &0_u64.to_le_bytes(), it)),
        ("never met", &|it| with(48, &1_u64.to_le_bytes(), it)),
    ];
    for (why, lie) in lies {
        let (outcome, _there) = answers(lie, &mut supervisor());
        let error = outcome.expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    }
    // More than was sent to it.
    let mut one = supervisor();
    let (outcome, mut there) = answers(&|it| with(48, &[], it), &mut one);
    let mut generation = outcome.expect("it is right");
    for _ in 0..3 {
        generation.send(b"x").expect("room");
        there.recv(&mut [0; 8]).expect("it was sent");
    }
    drop(there);
    let (outcome, _there) = answers(&|it| with(48, &4_u64.to_le_bytes(), it), &mut one);
    let error = outcome.expect_err("three were sent").to_string();
    assert!(error.contains("4 messages received of 3"), "{error}");
    let (outcome, _there) = answers(&|it| with(48, &3_u64.to_le_bytes(), it), &mut one);
    assert_eq!(outcome.expect("it is right").delivered(), Some(3));
}

macro_rules! each_kind {
    ([$($name:ident $kind:ident),*] $sentences:tt) => { $(each_kind! { @ $name $kind $sentences })* };
    (@ $name:ident $kind:ident [$($sentence:ident)*]) => {
        mod $name {
            $(#[test]
            fn $sentence() {
                crate::within(stringify!($sentence), || crate::$sentence(crossing::Kind::$kind));
            })*
        }
    };
}

for_every_kind! { each_kind [
    a_child_that_is_killed_is_started_again
    a_child_that_lives_on_is_ended
    what_is_sent_again_from_where_it_was_received_comes_exactly_once
    the_next_generation_ends_the_one_before
    of_a_process_that_is_new_nothing_is_said_to_be_received
    an_end_without_sessions_is_reached_plainly
    a_maker_of_connections_that_lies_is_refused
    an_other_end_that_lies_is_refused
] }

/// A supervisor of what `start` makes, and how often it was asked to.
fn counted(start: impl Fn() -> Spawn + Send + 'static) -> (Supervisor, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counts = count.clone();
    let supervisor = Supervisor::spawning(Kind::Shm, move |_| {
        counts.fetch_add(1, Ordering::Relaxed);
        start()
    });
    (supervisor.config(config()).backoff(quick().limit(5)), count)
}

#[test]
fn a_child_that_dies_at_once_for_ever_is_given_up() {
    within("a supervisor of what cannot live", || {
        // The first connection starts the thread that watches.
        drop(Connection::pair(Kind::Shm, &config()).expect("a pair"));
        let before = (descriptors(), threads());
        let fails = |program: &'static str| {
            move || {
                let mut command = Command::new(program);
                command.stdin(Stdio::null());
                Spawn::new(command)
            }
        };
        let (mut supervisor, count) = counted(fails("false"));
        match supervisor.next_generation().expect_err("it dies at once") {
            SupervisorError::GaveUp { failures: 6, last: SupervisedEnd::Child(status) } => {
                assert_eq!(status.code(), Some(1));
            }
            other => panic!("{other:?}"),
        }
        // As many attempts as it has said, and no more: it does not run in circles.
        assert_eq!(count.load(Ordering::Relaxed), 6);
        // Asked again, it begins anew.
        let error = supervisor.next_generation().expect_err("it dies at once");
        assert!(error.to_string().contains("6 attempts in a row"), "{error}");
        assert_eq!(count.load(Ordering::Relaxed), 12);

        let (mut supervisor, count) = counted(fails("/no/such/program"));
        match supervisor.next_generation().expect_err("it is not there") {
            SupervisorError::GaveUp { failures: 6, last: SupervisedEnd::Spawn(error) } => {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(count.load(Ordering::Relaxed), 6);
        drop(supervisor);
        eventually("as before", || (descriptors(), threads()) == before);
    });
}

fn greets_and_dies() {
    let endpoint = Endpoint::inherited().expect("it was given");
    let generation = Sessions::new().accept(endpoint, &config()).expect("a supervisor");
    std::mem::forget(generation);
    std::process::exit(7);
}

/// A child that does all that is right and then dies is no better.
#[test]
fn a_child_that_dies_as_soon_as_it_is_connected_is_given_up() {
    within("a supervisor of what hardly lives", || {
        let (supervisor, count) = counted(|| Spawn::new(again("greets and dies")));
        let mut supervisor = supervisor.backoff(quick().limit(3).stable(LIMIT));
        let mut generations = 0;
        let error = loop {
            match supervisor.next_generation() {
                Ok(mut generation) => {
                    generations += 1;
                    let outcome = generation.recv(&mut [0; 8]);
                    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
                }
                Err(error) => break error,
            }
        };
        match error {
            SupervisorError::GaveUp { failures: 4, last: SupervisedEnd::Brief(Some(status)) } => {
                assert_eq!(status.code(), Some(7));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!((generations, count.load(Ordering::Relaxed)), (4, 4));
        // The control: where it counts as stable, its end is no failure.
        let (supervisor, _) = counted(|| Spawn::new(again("greets and dies")));
        let mut supervisor = supervisor.backoff(quick().limit(0));
        for _ in 0..5 {
            drop(next(&mut supervisor));
        }
    });
}

#[test]
fn what_no_attempt_can_have_is_not_tried_again() {
    let address = anywhere(Kind::Unix);
    let error = Supervisor::dialling(&address)
        .config(Config::default().max_message(usize::MAX))
        .next_generation()
        .expect_err("no connection has such messages");
    assert!(matches!(error, SupervisorError::Hopeless(ConnectError::Config(_))), "{error:?}");
    // Messages too short for a greeting.
    within("a session of short messages", || {
        let listener = Listener::bind(&anywhere(Kind::Unix)).expect("a free path");
        let mut supervisor = Supervisor::dialling(listener.address()).config(config().max_message(8));
        thread::scope(|scope| {
            scope.spawn(|| {
                let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                Sessions::new().accept(end, &config()).expect_err("it says nothing");
            });
            let error = supervisor.next_generation().expect_err("it cannot greet");
            assert!(error.to_string().contains("needs messages of 56 bytes"), "{error}");
        });
    });
}

#[test]
fn a_deadline_ends_an_attempt_and_the_next_goes_on() {
    within("a supervisor with a deadline", || {
        let address = anywhere(Kind::Unix);
        let long = Backoff::default().first(LIMIT).longest(LIMIT);
        let mut supervisor = Supervisor::dialling(&address).config(config()).backoff(long);
        let late = Duration::from_millis(20);
        for _ in 0..3 {
            let error = supervisor.next_generation_timeout(late).expect_err("no server is there");
            assert!(error.is_timeout(), "{error:?}");
        }
        // A pause is a pause, however often it is asked for: one attempt was made.
        assert!(format!("{supervisor:?}").contains("generation: 1"), "{supervisor:?}");
        // A server that accepts and greets never.
        let listener = Listener::bind(&address).expect("a free path");
        let mut supervisor = Supervisor::dialling(&address).config(config()).backoff(quick());
        let error = supervisor.next_generation_timeout(late).expect_err("it is not answered");
        assert!(error.is_timeout(), "{error:?}");
        let sessions = Sessions::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                // The first connection is over by now.
                loop {
                    let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                    if let Ok(generation) = sessions.accept(end, &config()) {
                        return drop(generation);
                    }
                }
            });
            let generation = next(&mut supervisor);
            assert_eq!(generation.number(), 2);
        });
    });
}

/// A peer that connects and says nothing holds a server's thread for as long as a handshake may
/// take.
#[test]
fn a_peer_that_never_greets_is_a_timeout() {
    within("a peer that never greets", || {
        let soon = Config::default().connect_timeout(Duration::from_millis(50));
        let (here, there) = Endpoint::pair(Kind::Shm).expect("a pair");
        let silent = thread::spawn(move || here.connect(&config()));
        let error = Sessions::new().accept(there, &soon).expect_err("it says nothing");
        assert!(error.is_timeout(), "{error:?}");
        // On a busy machine not even its handshake is in time.
        let _ = silent.join().expect("no panic");
    });
}

#[test]
fn sessions_are_forgotten_beyond_their_limit_the_least_lately_used_first() {
    within("more sessions than are remembered", || {
        let listener = Listener::bind(&anywhere(Kind::Unix)).expect("a free path");
        let sessions = Sessions::with_limit(2);
        let meet = |supervisor: &mut Supervisor| {
            thread::scope(|scope| {
                let accepting = scope.spawn(|| {
                    let end = listener.accept_deadline(Instant::now() + LIMIT).expect("it comes");
                    sessions.accept(end, &config()).expect("a supervisor")
                });
                let here = next(supervisor);
                (here, accepting.join().expect("no panic"))
            })
        };
        let new = || Supervisor::dialling(listener.address()).config(config()).backoff(quick());
        let (mut first, mut second, mut third) = (new(), new(), new());
        let (kept, other) = meet(&mut first);
        drop(meet(&mut second));
        // The first was used less lately, but has a connection: the second is forgotten.
        drop(meet(&mut third));
        drop((kept, other));
        assert_eq!(meet(&mut first).0.delivered(), Some(0));
        assert_eq!(meet(&mut second).0.delivered(), None);
        // That took the place of the third, which was used least lately.
        assert_eq!(meet(&mut first).0.delivered(), Some(0));
        assert_eq!(meet(&mut third).0.delivered(), None);
    });
}

#[test]
fn second_process() {
    play(&[
        ("says its generation", says_its_generation),
        ("lives on", lives_on),
        ("greets and dies", greets_and_dies),
    ]);
}
