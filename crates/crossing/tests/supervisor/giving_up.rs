//! What cannot be made up for is told: after so many attempts, at once, or at the deadline.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossing::{
    Backoff, Config, ConnectError, Connection, Endpoint, Kind, Listener, RecvError, Sessions, Spawn,
    SupervisedEnd, Supervisor, SupervisorError,
};

use crate::process::{LIMIT, again, config, descriptors, eventually, threads, within};
use crate::{anywhere, next, quick};

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

pub(crate) fn greets_and_dies() {
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
