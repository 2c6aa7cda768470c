//! Many halves waited for at once: nothing is missed, every one has its turn, and idle ones cost nothing.

mod process;

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossing::{
    Address, Config, Connection, Endpoint, Interest, Kind, Listener, Poll, PollError, Pollable, Ready,
    Receiver, RecvError, SendError, Sender, Stopper, WaitStrategy,
};
use process::{LIMIT, Second, again, descriptors, forked, message, play, socket_path, within};
use rustix::event::{PollFd, PollFlags, Timespec, poll as poll_fds};

const WAYS: [WaitStrategy; 3] = [WaitStrategy::Spin, WaitStrategy::HYBRID, WaitStrategy::Block];

fn config() -> Config {
    Config::small().connect_timeout(LIMIT)
}

fn pair(kind: Kind) -> (Connection, Connection) {
    Connection::pair(kind, &config()).expect("a pair")
}

/// What is expected next of each half that a poll holds.
type Numbered = (Connection, (usize, u64));

/// Receives what is there for one half, at most `most` messages. Whether its end was told.
fn take((connection, (_, next)): &mut Numbered, most: usize) -> bool {
    let mut buffer = [0; 256];
    for _ in 0..most {
        match connection.receiver().try_recv(&mut buffer) {
            Ok(len) => {
                assert!(buffer[..len] == *message(*next, 100), "message {next} is another one");
                *next += 1;
            }
            Err(RecvError::Empty) => return false,
            Err(RecvError::Disconnected) => return true,
            Err(error) => panic!("{error}"),
        }
    }
    false
}

/// Many senders at their own pace, and one thread that receives from all of them, however few messages it takes at a turn.
#[test]
fn everything_that_is_sent_to_many_arrives_in_order() {
    const HALVES: usize = 24;
    const MESSAGES: u64 = 400;
    for kind in Kind::ALL {
        for wait in WAYS {
            within(&format!("{kind} {wait}"), move || {
                let mut poll = Poll::new().expect("a descriptor is free");
                poll.set_wait(wait);
                let mut ends = Vec::new();
                for number in 0..HALVES {
                    let (here, there) = pair(kind);
                    ends.push(here);
                    poll.insert((there, (number, 0))).expect("it can be waited for");
                }
                thread::scope(|scope| {
                    for (index, mut ends) in (0..4).zip(chunks(ends, HALVES / 4)) {
                        scope.spawn(move || {
                            for number in 0..MESSAGES {
                                for (at, end) in ends.iter_mut().enumerate() {
                                    end.send(message(number, 100)).expect("it is received");
                                    if (number as usize + at + index) % 37 == 0 {
                                        thread::sleep(Duration::from_micros(200));
                                    }
                                }
                            }
                        });
                    }
                    let mut turn = 0;
                    while !poll.is_empty() {
                        turn += 1;
                        let (key, half) = poll.next().expect("some are left");
                        let over = take(half, turn % 5);
                        let (_, (number, next)) = *half;
                        if over {
                            assert_eq!(next, MESSAGES, "half {number} got everything");
                            poll.remove(key).expect("it was there");
                        }
                    }
                });
            });
        }
    }
}

fn chunks<T>(mut all: Vec<T>, len: usize) -> Vec<Vec<T>> {
    let mut chunks = Vec::new();
    while !all.is_empty() {
        chunks.push(all.split_off(all.len().saturating_sub(len)));
    }
    chunks
}

/// The one that had its turn just before is polled and not armed, so the kernel cannot tell of it.
#[test]
fn a_half_that_is_polled_has_its_turn_beside_a_busy_one() {
    for kind in Kind::ALL {
        within(&format!("{kind}"), move || {
            let mut poll = Poll::new().expect("a descriptor is free");
            let ((mut busy, there), (mut quiet, other)) = (pair(kind), pair(kind));
            // Messages that are there already: neither descriptor is ever rung.
            busy.send(b"more").and_then(|()| busy.send(b"and more")).expect("there is room");
            poll.insert(there).expect("it can be waited for");
            quiet.send(b"once").expect("there is room");
            let key_of_quiet = poll.insert(other).expect("it can be waited for");
            let mut buffer = [0; 64];
            for _ in 0..3 {
                let turns = (0..600).position(|turn| {
                    if turn == 5 {
                        quiet.send(b"once").expect("there is room");
                    }
                    let (key, half) = poll.next().expect("one of them is ready");
                    half.receiver().try_recv(&mut buffer).expect("it is ready");
                    if key != key_of_quiet {
                        busy.send(b"more").expect("there is room");
                    }
                    key == key_of_quiet
                });
                assert!(turns.is_some(), "{kind}: the other never has its turn");
            }
        });
    }
}

/// One that always has something to say takes no turn of the others': at most as many turns go by as the documentation says.
#[test]
fn a_busy_half_keeps_no_other_from_its_turn() {
    for kind in Kind::ALL {
        within(&format!("{kind}"), move || {
            let mut poll = Poll::new().expect("a descriptor is free");
            let (mut busy, there) = pair(kind);
            let key_of_busy = poll.insert(there).expect("it can be waited for");
            let mut others = Vec::new();
            for _ in 0..20 {
                let (here, there) = pair(kind);
                poll.insert(there).expect("it can be waited for");
                others.push(here);
            }
            let mut buffer = [0; 64];
            for other in &mut others {
                busy.send(b"more").and_then(|()| busy.send(b"and more")).expect("there is room");
                let mut turns = 0;
                loop {
                    if turns == 5 {
                        other.send(b"once").expect("there is room");
                    }
                    let (key, half) = poll.next().expect("one of them is ready");
                    half.receiver().try_recv(&mut buffer).expect("it is ready");
                    if key != key_of_busy {
                        break;
                    }
                    busy.send(b"more").expect("there is room");
                    turns += 1;
                    assert!(turns <= 262, "{kind}: the other waits for its turn");
                }
                // What the busy one has left.
                while let Ok((_, half)) = poll.try_next() {
                    half.receiver().try_recv(&mut buffer).expect("it is ready");
                }
            }
        });
    }
}

/// A thousand idle halves: no thread, no descriptor more than one, and the busy one is found.
#[test]
fn a_thousand_idle_halves_are_waited_for_without_a_thread_or_a_descriptor_each() {
    Second(again("thousand").stdout(std::process::Stdio::inherit()).spawn().expect("it starts again")).done();
}

fn thousand() {
    const HALVES: usize = 1000;
    process::limit_to(rustix::process::Resource::Nofile, 6 * HALVES as u64 + 200);
    let (here, there): (Vec<_>, Vec<_>) = (0..HALVES).map(|_| pair(Kind::Shm)).unzip();
    let before = (descriptors().len(), process::threads());
    let mut poll = Poll::new().expect("a descriptor is free");
    for (number, half) in there.into_iter().enumerate() {
        poll.insert((half, number)).expect("it can be waited for");
    }
    let mut here = here;
    let mut buffer = [0; 64];
    for number in (0..HALVES).step_by(7).chain([3, 3, 3]) {
        here[number].send(b"it is me").expect("there is room");
        let (_, (half, found)) = poll.next().expect("one is ready");
        half.receiver().try_recv(&mut buffer).expect("it is ready");
        assert_eq!(*found, number);
    }
    assert_eq!(poll.try_next().err(), Some(PollError::Nothing));
    assert_eq!((descriptors().len(), process::threads()), (before.0 + 1, before.1));
    // Nothing happens: the process sleeps.
    let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let began = cpu();
    assert_eq!(poll.next_timeout(Duration::from_millis(300)).err(), Some(PollError::Timeout));
    let took = cpu();
    let micros = (took.tv_sec - began.tv_sec) * 1_000_000 + (took.tv_nsec - began.tv_nsec) / 1000;
    println!("poll: {HALVES} idle halves: {micros} us of CPU in 300 ms");
}

/// Ends are told as messages are: the peer's close, and its death.
#[test]
fn a_half_whose_peer_ends_is_ready() {
    for kind in Kind::ALL {
        within(&format!("{kind}"), move || {
            let mut poll = Poll::new().expect("a descriptor is free");
            let (here, there) = pair(kind);
            let closed = poll.insert(there).expect("it can be waited for");
            let (left, theirs) = Endpoint::pair(kind).expect("a pair of endpoints");
            let mut second = Second(theirs.spawn(again("stay")).expect("it starts again"));
            let killed = poll.insert(left.connect(&config()).expect("the two sides agree"));
            let killed = killed.expect("it can be waited for");
            assert_eq!(poll.try_next().err(), Some(PollError::Nothing));
            drop(here);
            let told = |poll: &mut Poll<Connection>| {
                let (key, half) = poll.next().expect("one is ready");
                let outcome = half.recv(&mut [0; 8]);
                // On TCP a process that dies may cut the connection.
                let told = matches!(outcome, Err(RecvError::Disconnected | RecvError::Reset));
                assert!(told, "{kind}: {outcome:?}");
                key
            };
            assert_eq!(told(&mut poll), closed);
            // An end that is not removed is told again.
            assert_eq!(told(&mut poll), closed);
            assert!(poll.remove(closed).is_some() && poll.remove(closed).is_none());
            second.kill();
            assert_eq!(told(&mut poll), killed);
            poll.remove(killed);
            assert_eq!(poll.next().err(), Some(PollError::Vacant));
        });
    }
}

fn stay() {
    let mut here = Endpoint::inherited().expect("it was handed over").connect(&config()).expect("they agree");
    let _ = here.recv(&mut [0; 8]);
}

/// Both halves of one connection, and a door, in one set: an enum as the documentation has it.
enum Source {
    In(Receiver),
    Out(Sender),
    Door(Listener),
}

impl Source {
    fn any(&self) -> &dyn Pollable {
        match self {
            Source::In(receiver) => receiver,
            Source::Out(sender) => sender,
            Source::Door(listener) => listener,
        }
    }

    fn any_mut(&mut self) -> &mut dyn Pollable {
        match self {
            Source::In(receiver) => receiver,
            Source::Out(sender) => sender,
            Source::Door(listener) => listener,
        }
    }
}

impl Pollable for Source {
    fn descriptor(&self) -> std::os::fd::BorrowedFd<'_> {
        self.any().descriptor()
    }

    fn interest(&self) -> Interest {
        self.any().interest()
    }

    fn arm(&mut self) -> Ready {
        self.any_mut().arm()
    }

    fn is_ready(&mut self) -> bool {
        self.any_mut().is_ready()
    }
}

#[test]
fn both_halves_and_a_listener_are_waited_for_together() {
    for kind in process::local() {
        within(&format!("{kind}"), move || {
            let address = Address::at_path(kind, socket_path()).expect("a path");
            let mut poll = Poll::new().expect("a descriptor is free");
            let door = Listener::bind(&address).expect("a free path");
            poll.insert(Source::Door(door)).expect("it can be waited for");
            assert_eq!(poll.try_next().err(), Some(PollError::Nothing));
            let client = thread::spawn(move || {
                let mut client = Connection::dial(&address, &config()).expect("a server listens");
                let mut buffer = [0; 8192];
                // Only once the server's sender has found no room.
                let outcome = client.recv(&mut buffer).and_then(|_| client.recv(&mut buffer));
                outcome.expect("the server sends");
                client.send(b"thanks").expect("the server receives");
                while client.recv(&mut buffer).expect("the server sends") != 4 {}
            });
            let (_, Source::Door(door)) = poll.next().expect("a client comes") else { panic!("only a door") };
            let server = door.accept().expect("it is there").connect(&config()).expect("they agree");
            let (mut sender, receiver) = server.split();
            while !matches!(sender.try_send(&[7; 8000]), Err(SendError::Full | SendError::Unfinished)) {}
            poll.insert(Source::In(receiver)).expect("it can be waited for");
            let out = poll.insert(Source::Out(sender)).expect("it can be waited for");
            let mut thanked = false;
            let mut last = false;
            while !(thanked && last) {
                let (key, source) = poll.next().expect("one becomes ready");
                match source {
                    Source::In(receiver) => thanked = receiver.try_recv(&mut [0; 64]) == Ok(6),
                    Source::Out(sender) => {
                        sender.flush().and_then(|()| sender.send(b"last")).expect("it is ready");
                        last = true;
                        poll.remove(key).expect("it was there");
                    }
                    Source::Door(_) => panic!("no other client comes"),
                }
            }
            assert!(poll.get_mut(out).is_none());
            client.join().expect("it does not panic");
        });
    }
}

/// A poll is a descriptor itself: a loop of another kind can wait for it.
#[test]
fn a_poll_can_be_waited_for() {
    for kind in Kind::ALL {
        let mut poll = Poll::new().expect("a descriptor is free");
        let (mut here, there) = pair(kind);
        poll.insert(there).expect("it can be waited for");
        assert_eq!(poll.try_next().err(), Some(PollError::Nothing));
        let ready = |poll: &Poll<Connection>| {
            let mut fds = [PollFd::from_borrowed_fd(poll.as_fd(), PollFlags::IN)];
            poll_fds(&mut fds, Some(&Timespec::default())).expect("it can be polled") == 1
        };
        assert!(!ready(&poll), "{kind}");
        here.send(b"hello").expect("there is room");
        assert!(ready(&poll), "{kind}");
        let (_, half) = poll.try_next().expect("it is ready");
        half.receiver().try_recv(&mut [0; 8]).expect("it is there");
    }
}

#[test]
fn a_forked_child_is_told_that_the_poll_is_its_parents() {
    let mut poll = Poll::new().expect("a descriptor is free");
    let (mut here, there) = pair(Kind::Shm);
    poll.insert(there).expect("it can be waited for");
    let another = pair(Kind::Pipe).0;
    forked("a child with a poll", || {
        if poll.next().err() != Some(PollError::Forked) {
            return Err("it lends".into());
        }
        let refused = poll.insert(another).err().map(|error| error.kind());
        if refused != Some(std::io::ErrorKind::PermissionDenied) {
            return Err(format!("{refused:?}"));
        }
        Ok(())
    });
    // The parent's goes on.
    here.send(b"hello").expect("there is room");
    let (_, half) = poll.next().expect("it is ready");
    half.receiver().try_recv(&mut [0; 8]).expect("it is there");
}

/// Before it waits, while it waits, and again.
#[test]
fn a_stopper_ends_the_waits_of_a_poll() {
    for wait in WAYS {
        within(&format!("{wait}"), move || {
            let mut poll = Poll::new().expect("a descriptor is free");
            poll.set_wait(wait);
            let (mut here, there) = pair(Kind::Shm);
            poll.insert(there).expect("it can be waited for");
            let stopper = Stopper::new().expect("a descriptor is free");
            poll.set_stopper(&stopper).expect("it can be waited for");
            let waits = &AtomicBool::new(false);
            thread::scope(|scope| {
                let waiting = scope.spawn(move || {
                    waits.store(true, Ordering::Release);
                    assert_eq!(poll.next().err(), Some(PollError::Stopped), "{wait}");
                    poll
                });
                while !waits.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                thread::sleep(Duration::from_millis(5));
                stopper.stop();
                let mut poll = waiting.join().expect("it does not panic");
                let deadline = Instant::now() + LIMIT;
                assert_eq!(poll.next_deadline(deadline).err(), Some(PollError::Stopped));
                assert_eq!(poll.try_next().err(), Some(PollError::Nothing), "it does not wait");
                // What is ready is lent all the same.
                here.send(b"hello").expect("there is room");
                let (_, half) = poll.next().expect("it is ready");
                half.receiver().try_recv(&mut [0; 8]).expect("it is there");
            });
        });
    }
}

#[test]
fn second_process() {
    play(&[("thousand", thousand), ("stay", stay)]);
}
