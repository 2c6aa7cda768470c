//! What outlives a connection: a child is started again, a server is dialled again, and what was
//! received is known on both sides, whatever ends when; and an end that cannot be made up for is
//! told.

mod children;
mod giving_up;
mod greetings;
mod kills;
#[path = "../process/mod.rs"]
mod process;
mod sessions;

use std::time::Duration;

use crossing::{Address, Backoff, Generation, Kind, Supervisor};
use process::{LIMIT, again, config, for_every_kind, play, socket_path, test_each};

use children::*;
use giving_up::greets_and_dies;
use greetings::*;
use kills::{processes_as_a_child, processes_as_a_server};
use sessions::*;

pub(crate) fn anywhere(kind: Kind) -> Address {
    match kind {
        Kind::Tcp => Address::tcp("127.0.0.1:0").expect("an address"),
        kind => Address::at_path(kind, socket_path()).expect("a path like any other"),
    }
}

/// As quick as may be: what is tested does not depend on time.
pub(crate) fn quick() -> Backoff {
    let none = Duration::ZERO;
    Backoff::default().first(Duration::from_millis(1)).longest(Duration::from_millis(2)).stable(none)
}

pub(crate) fn supervised(kind: Kind, part: &'static str) -> Supervisor {
    Supervisor::spawning(kind, move |_| again(part)).config(config()).backoff(quick())
}

pub(crate) fn next(supervisor: &mut Supervisor) -> Generation {
    supervisor.next_generation_timeout(LIMIT).expect("it succeeds")
}

for_every_kind! { test_each [
    a_child_that_is_killed_is_started_again
    a_child_that_lives_on_is_ended
    what_is_sent_again_from_where_it_was_received_comes_exactly_once
    the_next_generation_ends_the_one_before
    of_a_process_that_is_new_nothing_is_said_to_be_received
    an_end_without_sessions_is_reached_plainly
    a_maker_of_connections_that_lies_is_refused
    an_other_end_that_lies_is_refused
] }

#[test]
fn second_process() {
    play(&[
        ("says its generation", says_its_generation),
        ("lives on", lives_on),
        ("greets and dies", greets_and_dies),
        ("processes as a child", processes_as_a_child),
        ("processes as a server", processes_as_a_server),
    ]);
}
