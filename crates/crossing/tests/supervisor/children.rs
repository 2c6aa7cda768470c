//! A child that ends is started again, and one that does not end is ended.

use std::thread;
use std::time::Duration;

use crossing::{Endpoint, Generation, Kind, RecvError, Sessions};
use rustix::process::Pid;

use crate::process::config;
use crate::{next, supervised};

/// Answers with its pid, the number of its generation by the session and by the environment.
pub(crate) fn says_its_generation() {
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

pub(crate) fn a_child_that_is_killed_is_started_again(kind: Kind) {
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

pub(crate) fn lives_on() {
    let endpoint = Endpoint::inherited().expect("it was given");
    let _generation = Sessions::new().accept(endpoint, &config()).expect("a supervisor");
    loop {
        thread::park();
    }
}

/// A child that goes on when its connection is over is ended before the next one starts.
pub(crate) fn a_child_that_lives_on_is_ended(kind: Kind) {
    let mut supervisor = supervised(kind, "lives on").grace(Duration::from_millis(20));
    drop(next(&mut supervisor));
    let first = Pid::from_child(supervisor.child().expect("it runs"));
    let _second = next(&mut supervisor);
    assert!(rustix::process::test_kill_process(first).is_err());
}
