//! The contract of [`crossing`]: one list of sentences, held for every mechanism, within one process and
//! between two.
//!
//! A sentence has two sides, `here` and `there`, each a function that gets one end of a fresh connection. In
//! one process they run in two threads; between two processes `there` runs in this program started again.
//! Beside the connection runs a line, on which they tell each other how far they are: no sentence waits for a
//! time to pass where it can wait for an event.

mod arming;
mod batching;
mod duplex;
mod ends;
mod forks;
mod forms;
mod gathering;
mod messages;
#[path = "../process/mod.rs"]
mod process;
mod receiving;
mod stopping;
mod waiting;

use std::thread;

use crossing::{Config, Connection, Endpoint, Kind, RecvError};
use process::{Line, Second, again, for_every_kind, part, within};

use arming::*;
use batching::*;
use duplex::*;
use ends::*;
use forks::*;
use forms::*;
use gathering::*;
use messages::*;
use receiving::*;
use stopping::*;
use waiting::*;

sentences! {
    boundaries_and_order_are_kept,
    empty_messages_are_messages,
    too_long_is_said_before_anything_is_sent,
    the_lesser_max_message_holds_for_both,
    a_buffer_too_short_keeps_the_message,
    a_length_comes_before_its_message,
    messages_of_a_mebibyte_pass,
    both_directions_run_at_once,
    halves_work_in_threads_of_their_own,
    every_way_of_waiting_serves_every_form,
    nothing_there_is_empty,
    a_full_channel_says_so_and_loses_nothing,
    a_receiver_that_is_out_of_time_loses_nothing,
    a_sender_that_is_out_of_time_loses_nothing,
    what_is_there_is_received_however_late,
    an_unfinished_message_goes_with_the_next_send,
    for_ever_is_a_time,
    a_plain_send_is_published_at_once,
    a_cork_holds_until_it_is_flushed,
    a_cork_that_is_full_publishes,
    a_cork_that_is_dropped_publishes,
    a_cork_publishes_before_its_owner_receives,
    a_claim_is_written_in_place,
    a_claim_that_is_dropped_sends_nothing,
    a_claim_that_is_forgotten_sends_nothing,
    a_dropped_sender_ends_its_direction_only,
    a_dropped_receiver_ends_the_sends,
    a_dropped_connection_ends_both_directions,
    what_was_published_outlives_its_sender,
    a_close_is_told_as_one,
    a_drop_loses_nothing_while_the_other_side_reads,
    what_a_drop_gives_up_never_ends_cleanly,
    a_panic_waits_in_no_drop,
    a_granted_claim_commits_without_waiting,
    a_dropped_cork_never_waits,
    every_form_waits_no_longer_than_it_may,
    a_vector_grows_to_the_message,
    an_end_leaves_a_vector_empty,
    a_skipped_message_is_gone_and_no_other,
    the_newest_is_received_and_the_older_are_counted,
    the_newest_is_kept_for_a_longer_buffer,
    every_message_is_received_or_counted,
    what_is_pending_is_there,
    every_form_sends_the_same_message,
    a_corked_claim_is_written_in_line,
    a_corked_connection_asks_before_it_listens,
    an_iterator_ends_where_the_other_side_closed,
    an_iterator_tells_an_end_that_is_no_close,
    an_armed_receiver_is_told_of_each_message,
    what_is_there_is_not_waited_for,
    an_armed_sender_is_told_of_room,
    an_armed_half_is_told_of_its_directions_end,
    two_halves_are_waited_for_in_two_places,
    an_armed_half_may_be_used_as_if_it_were_not,
    an_edge_triggered_epoll_misses_nothing,
    a_connection_is_waited_for_like_its_receiver,
    a_stopped_receiver_loses_nothing,
    a_stopped_sender_loses_nothing,
    a_stopped_cork_says_so,
    a_forked_child_is_told_by_every_call,
    a_forked_child_sends_nothing_of_its_parents,
}

/// One end of the connection, and of the line beside it.
pub(crate) struct Side {
    pub(crate) kind: Kind,
    pub(crate) connection: Connection,
    pub(crate) line: Line,
}

impl Side {
    fn new(endpoint: Endpoint, config: &Config, line: Line) -> Side {
        let kind = endpoint.kind();
        let connection = endpoint.connect(config).expect("the two sides agree");
        assert_eq!(connection.kind(), kind);
        Side { kind, connection, line }
    }

    /// Sends the message with this number.
    pub(crate) fn send(&mut self, number: u64, len: usize) {
        self.connection.send(process::message(number, len)).expect("the other side receives");
    }

    /// Receives the message with this number, and nothing else.
    pub(crate) fn expect(&mut self, number: u64, len: usize) {
        expect(self.connection.receiver(), number, len);
    }
}

/// Receives the message with this number, and nothing else.
pub(crate) fn expect(receiver: &mut crossing::Receiver, number: u64, len: usize) {
    let mut buffer = vec![0; receiver.max_message()];
    let received = receiver.recv(&mut buffer).expect("the other side sends");
    judge(&buffer[..received], number, len);
}

/// Asks without waiting until a message is there whole: of a long one the length is known before its end has come.
pub(crate) fn try_until_there(
    receiver: &mut crossing::Receiver,
    buffer: &mut [u8],
) -> Result<usize, RecvError> {
    until_there(|| receiver.try_recv(buffer))
}

/// Asks in a form that does not wait until it says something else than `Empty`.
pub(crate) fn until_there<T>(mut ask: impl FnMut() -> Result<T, RecvError>) -> Result<T, RecvError> {
    loop {
        match ask() {
            Err(RecvError::Empty) => thread::yield_now(),
            outcome => return outcome,
        }
    }
}

/// Fails unless `received` is the message with this number.
pub(crate) fn judge(received: &[u8], number: u64, len: usize) {
    assert_eq!(received.len(), len, "the length of message {number}");
    assert!(received == process::message(number, len), "message {number} is another one");
}

/// What both sides do, and with which configurations.
pub(crate) struct Sentence {
    here: fn(Side),
    there: fn(Side),
    config_here: Config,
    config_there: Config,
}

/// A sentence with the default configuration.
pub(crate) fn sentence(here: fn(Side), there: fn(Side)) -> Sentence {
    let config = process::config();
    Sentence { here, there, config_here: config.clone(), config_there: config }
}

impl Sentence {
    fn configured(self, config_here: Config, config_there: Config) -> Sentence {
        Sentence { config_here, config_there, ..self }
    }

    fn in_one_process(self, kind: Kind) {
        within("both sides", move || {
            let (here, there) = Endpoint::pair(kind).expect("a pair of endpoints");
            let (line_here, line_there) = Line::pair();
            thread::scope(|scope| {
                scope.spawn(|| (self.there)(Side::new(there, &self.config_there, line_there)));
                (self.here)(Side::new(here, &self.config_here, line_here));
            });
        });
    }

    fn in_two_processes(self, kind: Kind, name: &str) {
        let (here, there) = Endpoint::pair(kind).expect("a pair of endpoints");
        let (line_here, line_there) = Line::pair();
        let mut command = again(name);
        command.stdin(line_there);
        let second = Second(there.spawn(command).expect("this program starts again"));
        within("this side", move || (self.here)(Side::new(here, &self.config_here, line_here)));
        second.done();
    }
}

#[test]
fn second_process() {
    let Some(part) = part() else { return };
    let (_, sentence) = SENTENCES.iter().find(|(name, _)| *name == part).expect("a sentence of this list");
    let sentence = sentence();
    within("the second process", move || {
        let endpoint = Endpoint::inherited().expect("an endpoint was handed over");
        (sentence.there)(Side::new(endpoint, &sentence.config_there, Line::inherited()));
    });
}

/// The list, and a test for each sentence, mechanism and setting.
macro_rules! sentences {
    ($($sentence:ident),* $(,)?) => {
        /// Every sentence by its name.
        const SENTENCES: &[(&str, fn() -> Sentence)] = &[$((stringify!($sentence), $sentence)),*];
        for_every_kind! { each_kind [$($sentence)*] }
    };
}

macro_rules! each_kind {
    ([$($name:ident $kind:ident),*] $sentences:tt) => { $(each_setting! { $name $kind $sentences })* };
}

macro_rules! each_setting {
    ($name:ident $kind:ident [$($sentence:ident)*]) => {
        mod $name {
            mod one_process {
                $(#[test]
                fn $sentence() {
                    crate::$sentence().in_one_process(crossing::Kind::$kind);
                })*
            }
            mod two_processes {
                $(#[test]
                fn $sentence() {
                    crate::$sentence().in_two_processes(crossing::Kind::$kind, stringify!($sentence));
                })*
            }
        }
    };
}

use {each_kind, each_setting, sentences};
