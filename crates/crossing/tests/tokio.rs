//! Futures: the same contract, on one thread of a runtime, and nothing lost or leaked however often a future is dropped.

mod process;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use crossing::tokio::{AsyncConnection, AsyncListener, AsyncReceiver, AsyncSender, connect, dial};
use crossing::{Address, Config, ConnectError, End, Endpoint, Kind, RecvError, SendError, Spawn};
use process::{LIMIT, Second, again, descriptors, eventually, message, play, socket_path, within};
use tokio::runtime::{Builder, Runtime};

/// How often a future is dropped at each place.
const DROPS: u64 = 10_000;

fn config() -> Config {
    Config::small().connect_timeout(LIMIT)
}

/// One thread, which does everything.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn on_one_thread<T: Send + 'static>(what: &str, body: impl Future<Output = T> + Send + 'static) -> T {
    within(what, || runtime().block_on(body))
}

fn pair(kind: Kind) -> (AsyncConnection, AsyncConnection) {
    let (here, there) = crossing::Connection::pair(kind, &config()).expect("a pair");
    (
        AsyncConnection::new(here).expect("it is registered"),
        AsyncConnection::new(there).expect("it is registered"),
    )
}

/// Polls a future once, and drops it. What it said, if it was ready.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn messages_go_both_ways_in_order_on_one_thread() {
    const MESSAGES: u64 = 2000;
    for kind in Kind::ALL {
        on_one_thread(&format!("{kind}"), async move {
            async fn talk((mut sender, mut receiver): (AsyncSender, AsyncReceiver)) {
                let sending = tokio::spawn(async move {
                    for number in 0..MESSAGES {
                        sender
                            .send(message(number, number as usize % 8000))
                            .await
                            .expect("the peer receives");
                    }
                    sender
                });
                let mut buffer = vec![0; 8192];
                for number in 0..MESSAGES {
                    let len = receiver.recv(&mut buffer).await.expect("the peer sends");
                    assert!(buffer[..len] == *message(number, number as usize % 8000), "message {number}");
                }
                drop(sending.await.expect("it does not panic"));
            }
            let (here, there) = pair(kind);
            let there = tokio::spawn(talk(there.split()));
            talk(here.split()).await;
            there.await.expect("it does not panic");
        });
    }
}

/// Long messages, of which the kernel takes a part at a time.
#[test]
fn long_messages_pass() {
    const LEN: usize = 3 << 20;
    for kind in Kind::ALL {
        on_one_thread(&format!("{kind}"), async move {
            let config = Config::default().max_message(LEN).connect_timeout(LIMIT);
            let (here, there) = crossing::Connection::pair(kind, &config).expect("a pair");
            let (mut here, mut there) =
                (AsyncConnection::new(here).unwrap(), AsyncConnection::new(there).unwrap());
            let sending = tokio::spawn(async move {
                for number in 0..3 {
                    here.send(&vec![number; LEN]).await.expect("the peer receives");
                }
                here
            });
            let mut buffer = vec![0; LEN];
            for number in 0..3 {
                assert_eq!(there.recv(&mut buffer).await.expect("the peer sends"), LEN);
                assert!(buffer.iter().all(|&byte| byte == number), "{kind}: message {number}");
            }
            drop(sending.await.expect("it does not panic"));
            let outcome = there.recv(&mut buffer).await;
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
            assert!(there.end().is_some());
        });
    }
}

/// A task that always has a message lets a timer's task run.
#[test]
fn a_task_whose_messages_never_end_lets_others_run() {
    for kind in Kind::ALL {
        on_one_thread(&format!("{kind}"), async move {
            let (mut here, mut there) = pair(kind);
            let over = Arc::new(AtomicBool::new(false));
            let ends = over.clone();
            let busy = tokio::spawn(async move {
                let mut buffer = [0; 64];
                while !over.load(Ordering::Relaxed) {
                    here.send(b"more").await.expect("the peer receives");
                    there.recv(&mut buffer).await.expect("it is there");
                }
            });
            // Without turns for others the runtime would never come to this.
            tokio::time::sleep(Duration::from_millis(1)).await;
            ends.store(true, Ordering::Relaxed);
            busy.await.expect("it does not panic");
        });
    }
}

#[test]
fn a_thousand_connections_share_one_thread() {
    Second(again("thousand").stdout(std::process::Stdio::inherit()).spawn().expect("it starts again")).done();
}

fn thousand() {
    const CONNECTIONS: usize = 1000;
    process::limit_to(rustix::process::Resource::Nofile, 6 * CONNECTIONS as u64 + 200);
    let before = descriptors().len();
    let ends: Vec<_> =
        (0..CONNECTIONS).map(|_| crossing::Connection::pair(Kind::Shm, &config()).expect("a pair")).collect();
    let held = descriptors().len() - before;
    let threads = process::threads();
    runtime().block_on(async {
        let mut clients = Vec::new();
        let mut echoes = tokio::task::JoinSet::new();
        for (here, there) in ends {
            let mut there = AsyncConnection::new(there).expect("it is registered");
            clients.push(AsyncConnection::new(here).expect("it is registered"));
            echoes.spawn(async move {
                let mut buffer = [0; 64];
                while let Ok(len) = there.recv(&mut buffer).await {
                    there.send(&buffer[..len]).await.expect("the peer receives");
                }
            });
        }
        let mut buffer = [0; 64];
        for round in 0..3_u64 {
            for (number, client) in (0..).zip(&mut clients) {
                client.send(message(number * round, 50)).await.expect("the peer receives");
            }
            for (number, client) in (0..).zip(&mut clients) {
                let len = client.recv(&mut buffer).await.expect("the peer answers");
                assert!(buffer[..len] == *message(number * round, 50));
            }
        }
        assert_eq!(process::threads(), threads, "no thread stands behind a channel");
        // The runtime's own few.
        assert!(descriptors().len() - before <= held + 8, "no descriptor either");
        drop(clients);
        while echoes.join_next().await.is_some() {}
    });
    println!("tokio: {CONNECTIONS} connections, {held} descriptors for both ends of each, on one thread");
}

/// However often a receive is dropped before it is ready, everything is received, once and in order.
#[test]
fn a_receive_that_is_dropped_loses_nothing() {
    for kind in Kind::ALL {
        on_one_thread(&format!("{kind}"), async move {
            let (mut here, mut there) = pair(kind);
            let mut buffer = [0; 256];
            let (mut sent, mut received) = (0, 0);
            for drops in 0..DROPS {
                let outcome = poll_once(there.recv(&mut buffer));
                match outcome {
                    None => {}
                    Some(outcome) => {
                        let len = outcome.expect("the peer sends");
                        assert!(buffer[..len] == *message(received, 200), "{kind}: message {received}");
                        received += 1;
                    }
                }
                // Sometimes before a poll, sometimes between two of the same wait; and the runtime sees the event or not.
                if drops % 3 == 0 {
                    here.send(message(sent, 200)).await.expect("there is room");
                    sent += 1;
                }
                if drops % 5 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            while received < sent {
                let len = there.recv(&mut buffer).await.expect("it was sent");
                assert!(buffer[..len] == *message(received, 200), "{kind}: message {received}");
                received += 1;
            }
            assert!(poll_once(there.recv(&mut buffer)).is_none(), "{kind}: nothing came twice");
            eprintln!("tokio: {kind}: {DROPS} receives polled once and dropped, {received} messages, lost=0");
        });
    }
}

/// A send that is dropped was taken whole or not at all.
#[test]
fn a_send_that_is_dropped_was_taken_whole_or_not_at_all() {
    for kind in Kind::ALL {
        on_one_thread(&format!("{kind}"), async move {
            let (mut here, mut there) = pair(kind);
            let mut buffer = vec![0; 8192];
            let (mut sent, mut received) = (0, 0);
            let mut pending = 0;
            for drops in 0..DROPS {
                let len = 3000 + (sent as usize * 37) % 4000;
                let before = here.sender().has_in_line();
                match poll_once(here.send(message(sent, len))) {
                    Some(outcome) => {
                        outcome.expect("the peer receives");
                        sent += 1;
                    }
                    None => {
                        pending += 1;
                        // What is in line now and was not before is this message.
                        if !before && here.sender().has_in_line() {
                            sent += 1;
                        }
                    }
                }
                if drops % 7 == 0 {
                    tokio::task::yield_now().await;
                }
                if drops % 2 == 0 && received < sent {
                    if let Some(outcome) = poll_once(there.recv(&mut buffer)) {
                        let len = outcome.expect("the peer sends");
                        let expected = 3000 + (received as usize * 37) % 4000;
                        assert!(buffer[..len] == *message(received, expected), "{kind}: message {received}");
                        received += 1;
                    }
                }
            }
            assert!(pending > 0, "{kind}: a send had to wait");
            let finishing = tokio::spawn(async move {
                here.flush().await.expect("the peer receives");
                here
            });
            while received < sent {
                let len = there.recv(&mut buffer).await.expect("it was sent");
                let expected = 3000 + (received as usize * 37) % 4000;
                assert!(buffer[..len] == *message(received, expected), "{kind}: message {received}");
                received += 1;
            }
            drop(finishing.await.expect("it does not panic"));
            let outcome = there.recv(&mut buffer).await;
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{kind}: {outcome:?}");
            eprintln!("tokio: {kind}: {pending} sends dropped while they waited, {received} messages, cut=0");
        });
    }
}

/// Accepting loses no peer, and leaves nothing behind.
#[test]
fn an_accept_that_is_dropped_loses_no_peer() {
    for kind in process::local() {
        on_one_thread(&format!("{kind}"), async move {
            let address = Address::at_path(kind, socket_path()).expect("a path");
            let listener = crossing::Listener::bind(&address).expect("a free path");
            let mut listener = AsyncListener::new(listener).expect("it is registered");
            let before = descriptors().len();
            let dialled = Arc::new(AtomicU64::new(0));
            let mut accepted = 0;
            let mut waiting = Vec::new();
            for drops in 0..DROPS {
                if drops % 50 == 0 {
                    waiting.push(Endpoint::dial(&address, &config()).expect("it listens"));
                    dialled.fetch_add(1, Ordering::Relaxed);
                }
                if drops % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                if let Some(outcome) = poll_once(listener.accept()) {
                    drop(outcome.expect("a peer"));
                    accepted += 1;
                }
            }
            while accepted < dialled.load(Ordering::Relaxed) {
                drop(listener.accept().await.expect("a peer"));
                accepted += 1;
            }
            drop(waiting);
            eventually("nothing is left", || descriptors().len() == before);
        });
    }
}

/// A dial that is dropped, before it begins, while it runs and when it is done, leaves nothing behind.
#[test]
fn a_dial_that_is_dropped_leaves_nothing() {
    const DIALS: u64 = 400;
    for kind in process::local() {
        within(&format!("{kind}"), move || {
            let address = Address::at_path(kind, socket_path()).expect("a path");
            let listener = crossing::Listener::bind(&address).expect("a free path");
            let over = Arc::new(AtomicBool::new(false));
            let ends = over.clone();
            let server = thread::spawn(move || {
                let mut met = 0;
                while !ends.load(Ordering::Relaxed) {
                    match listener.try_accept().expect("nothing is short") {
                        None => thread::sleep(Duration::from_micros(100)),
                        Some(endpoint) => met += u64::from(endpoint.connect(&config()).is_ok()),
                    }
                }
                met
            });
            // What stays: the watcher, and what tokio keeps for signals from the first runtime on.
            drop(crossing::Connection::pair(Kind::Shm, &config()).expect("a pair"));
            drop(runtime());
            let before = descriptors().len();
            runtime().block_on(async {
                let config = config();
                for number in 0..DIALS {
                    let mut dialling = pin!(dial(&address, &config));
                    for _ in 0..number % 4 {
                        let ready = std::future::poll_fn(|context| {
                            let polled = dialling.as_mut().poll(context);
                            Poll::Ready(polled.is_ready())
                        });
                        if ready.await {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                }
                // The control: one that is not dropped.
                drop(dial(&address, &config).await.expect("it listens"));
            });
            over.store(true, Ordering::Relaxed);
            assert!(server.join().expect("it does not panic") > 0, "some were met");
            eventually("nothing is left", || descriptors().len() == before - 1);
        });
    }
}

/// Ends are told: a close, a death, and a dropped receiver to a sender that waits.
#[test]
fn ends_are_told_to_what_waits() {
    for kind in Kind::ALL {
        on_one_thread(&format!("{kind}"), async move {
            let (here, there) = pair(kind);
            let mut here = here;
            let waiting = tokio::spawn(async move { here.recv(&mut [0; 64]).await });
            tokio::task::yield_now().await;
            drop(there);
            let outcome = waiting.await.expect("it does not panic");
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{kind}: {outcome:?}");

            let (left, theirs) = Endpoint::pair(kind).expect("a pair of endpoints");
            let mut second = Second(theirs.spawn(again("stay")).expect("it starts again"));
            let (mut sender, mut receiver) = connect(left, &config()).await.expect("they agree").split();
            let receiving = tokio::spawn(async move { receiver.recv(&mut [0; 64]).await });
            let sending = tokio::spawn(async move {
                loop {
                    if let Err(error) = sender.send(message(0, 4000)).await {
                        return error;
                    }
                }
            });
            tokio::time::sleep(Duration::from_millis(5)).await;
            second.kill();
            let error = sending.await.expect("it does not panic");
            let told = matches!(error, SendError::Disconnected | SendError::Reset | SendError::Unfinished);
            assert!(told, "{kind}: {error}");
            let outcome = receiving.await.expect("it does not panic");
            assert!(
                matches!(outcome, Err(RecvError::Disconnected | RecvError::Reset)),
                "{kind}: {outcome:?}"
            );
        });
    }
}

fn stay() {
    let _here = Endpoint::inherited().expect("it was handed over").connect(&config()).expect("they agree");
    loop {
        thread::park();
    }
}

/// The round trips of the test below.
const TRIPS: u64 = 20_000;

/// Binds this thread to a core, if there is such a core.
fn bind_to(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// Two processes, each of which waits by futures, on two cores. A thread of the one that answers has ended on its core, which
/// makes the kernel's barrier miss it (Linux 6.18): without a look after that, an end sleeps for ever after some hundred trips.
#[test]
fn two_processes_that_wait_by_futures_miss_nothing() {
    for kind in Kind::ALL {
        let (left, theirs) = Endpoint::pair(kind).expect("a pair of endpoints");
        let second = Second(theirs.spawn(again("echo")).expect("it starts again"));
        on_one_thread(&format!("{kind}"), async move {
            bind_to(0);
            let mut here = connect(left, &config()).await.expect("they agree");
            let mut buffer = [0; 4096];
            for number in 0..TRIPS {
                here.send(message(number, 4000)).await.expect("the peer receives");
                let len = here.recv(&mut buffer).await.expect("the peer answers");
                assert!(buffer[..len] == *message(number, 4000), "{kind}: message {number}");
            }
        });
        second.done();
    }
}

fn echo() {
    bind_to(1);
    let here = Endpoint::inherited().expect("it was handed over").connect(&config()).expect("they agree");
    runtime().block_on(async {
        let mut here = AsyncConnection::new(here).expect("it is registered");
        let mut buffer = [0; 4096];
        for number in 0..TRIPS {
            if number % 100 == 0 {
                thread::spawn(|| {}).join().expect("it does not panic");
            }
            let len = here.recv(&mut buffer).await.expect("the peer sends");
            here.send(&buffer[..len]).await.expect("the peer receives");
        }
    });
}

/// The runtime takes note of its children's ends, and so does the thread behind each of this library's: neither takes the other's.
#[test]
fn a_child_of_the_runtimes_is_given_an_end_and_reaped_beside_one_of_this_librarys() {
    async fn answers(connection: &mut AsyncConnection) {
        connection.send(b"still there?").await.expect("it receives");
        assert_eq!(connection.recv(&mut [0; 64]).await.expect("it answers"), 12);
    }
    let start = |kind| {
        let (here, theirs) = Endpoint::pair(kind).expect("a pair of endpoints");
        let mut command = tokio::process::Command::from(again("talk"));
        theirs.give(command.as_std_mut(), "end").expect("it is new");
        (here, command.kill_on_drop(true).spawn().expect("it starts"))
    };
    for kind in Kind::ALL {
        on_one_thread(&format!("two children over {kind}"), async move {
            let (here, mut theirs) = start(kind);
            let mut given = connect(here, &config()).await.expect("they agree");
            let (here, there) = Endpoint::pair(kind).expect("a pair of endpoints");
            let own = Spawn::new(again("talk")).give("end", there).kill_on_drop(true);
            let mut own = own.spawn().expect("it starts");
            let mut spawned = connect(here, &config()).await.expect("they agree");
            answers(&mut given).await;
            drop(given);
            assert!(theirs.wait().await.expect("it is the runtime's").success());
            answers(&mut spawned).await;
            drop(spawned);
            assert!(own.wait().expect("it is ours").success());
            // One that is dropped is killed, and its connection says so.
            let (here, theirs) = start(kind);
            let mut given = connect(here, &config()).await.expect("they agree");
            answers(&mut given).await;
            drop(theirs);
            let outcome = given.recv(&mut [0; 64]).await;
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{kind}: {outcome:?}");
            assert_eq!(given.end(), Some(End::Abrupt), "{kind}");
        });
    }
}

fn talk() {
    let end = Endpoint::inherited_named("end").expect("it was given");
    let mut connection = end.connect(&config()).expect("they agree");
    let mut buffer = [0; 64];
    while let Ok(len) = connection.recv(&mut buffer) {
        connection.send(&buffer[..len]).expect("the parent receives");
    }
}

/// A half goes into a runtime and comes out of it again.
#[test]
fn a_half_can_be_taken_back() {
    on_one_thread("a half", async {
        let (mut here, there) = pair(Kind::Unix);
        let (sender, receiver) = there.split();
        let (mut sender, mut receiver) = (sender.into_inner(), receiver.into_inner());
        sender.send(b"hello").expect("there is room");
        assert_eq!(here.recv(&mut [0; 8]).await.expect("it was sent"), 5);
        here.send(b"hello").await.expect("there is room");
        assert_eq!(receiver.recv(&mut [0; 8]).expect("it was sent"), 5);
        let mut again = AsyncReceiver::new(receiver).expect("it is registered");
        here.send(b"again").await.expect("there is room");
        assert_eq!(again.recv(&mut [0; 8]).await.expect("it was sent"), 5);
    });
}

#[test]
fn a_refused_dial_says_why() {
    on_one_thread("a dial", async {
        let nowhere = Address::at_path(Kind::Shm, socket_path()).expect("a path");
        let error = dial(&nowhere, &config()).await.expect_err("no server is there");
        assert!(matches!(error, ConnectError::Io { .. }), "{error}");
    });
}

#[test]
fn second_process() {
    play(&[("thousand", thousand), ("stay", stay), ("echo", echo), ("talk", talk)]);
}
