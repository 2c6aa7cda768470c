//! A message in flight: the gauges of the scene, and which process sleeps in which call.

use std::path::Path;

use crossing::{Kind, WaitStrategy};
use lab::trace::Side;
use serde_json::Value;

use super::{Watched, gauges, received, slept_in};

#[test]
fn in_a_step_the_message_is_seen_on_its_way() {
    for kind in Kind::ALL {
        let (field, frame) = match kind {
            Kind::Shm => ("tail", 72),
            Kind::Pipe => ("pipe_bytes", 68),
            Kind::Unix | Kind::Tcp => ("queued_bytes", 68),
        };
        assert_eq!(
            kind.frame_bytes(64),
            frame,
            "{kind}: what crossing says that a message of 64 bytes takes"
        );
        let mut stage = Watched::open(kind);
        let before = stage.run(r#"{"do":"look"}"#);
        assert_eq!(gauges(&before)[0].get(field), Some(&0.into()), "{kind}: `{field}`");
        for (direction, prefix) in [("forward", ""), ("back", "back_")] {
            let events =
                stage.run(&format!(r#"{{"do":"send","count":1,"mode":"step","direction":"{direction}"}}"#));
            let field = format!("{prefix}{field}");
            let seen: Vec<&Value> = gauges(&events).into_iter().map(|values| &values[&field]).collect();
            // What was written to a ring stays counted; what was in a queue is gone.
            let after = if kind == Kind::Shm { frame } else { 0 };
            assert_eq!(seen, [frame, after], "{kind} {direction}");
        }
    }
}

#[test]
fn every_gauge_of_the_scene_is_filled_and_no_other() {
    for kind in Kind::ALL {
        let mut stage = Watched::open(kind);
        stage.run(r#"{"do":"send","count":1,"mode":"burst"}"#);
        let events = stage.run(r#"{"do":"look"}"#);
        let filled: Vec<&str> = gauges(&events)[0].keys().map(String::as_str).collect();
        let parts = &stage.stage.header().scene.stage;
        let mut named: Vec<&str> =
            parts.iter().flat_map(|part| &part.gauges).map(|gauge| gauge.field.as_str()).collect();
        named.sort_unstable();
        assert_eq!(filled, named, "{kind}");
    }
}

#[test]
fn shared_memory_is_one_page_that_one_process_may_write() {
    let mut stage = Watched::open(Kind::Shm);
    let events = stage.run(r#"{"do":"send","count":1,"mode":"step","text":"look at me"}"#);
    let values = gauges(&events)[0];
    assert_eq!(values["sender_region_access"], "sender reads and writes, receiver reads");
    assert_eq!(values["receiver_region_access"], "sender reads, receiver reads and writes");
    assert_eq!(values["sender_region_message"], "look at me");
    let page = values["sender_region_page"].as_str().expect("a text");
    assert!(page.contains("under both addresses"), "{page}");
}

#[test]
fn a_unix_socket_says_where_they_met_and_who_is_there() {
    let mut stage = Watched::open(Kind::Unix);
    let [sender, receiver] = stage.pids();
    let events = stage.run(r#"{"do":"look"}"#);
    let values = gauges(&events)[0];
    let text = |field: &str| values[field].as_str().expect("a text").to_owned();
    assert!(text("sender_credentials").starts_with(&format!("pid {sender}, uid ")), "{values:?}");
    assert!(text("receiver_credentials").starts_with(&format!("pid {receiver}, uid ")), "{values:?}");
    assert!(text("address").ends_with("/ipc.sock"));
    assert!(!Path::new(&text("address")).exists(), "a path is of use for the moment of meeting only");
}

#[test]
fn a_receiver_that_came_first_is_seen_asleep() {
    for kind in Kind::ALL {
        let call = match kind {
            Kind::Shm => "futex_waitv",
            Kind::Pipe => "read",
            Kind::Unix | Kind::Tcp => "recvfrom",
        };
        let mut stage = Watched::open(kind);
        for (direction, side) in [("forward", Side::Receiver), ("back", Side::Sender)] {
            let events = stage.run(&format!(
                r#"{{"do":"send","count":2,"mode":"step","receiver_first":true,"direction":"{direction}"}}"#
            ));
            assert_eq!(slept_in(&events, side), [call; 2], "{kind} {direction}");
            if kind == Kind::Shm {
                // The flag that makes the other one wake it.
                let flag = format!("{}_asleep", side.name());
                let raised: Vec<&Value> = gauges(&events).into_iter().map(|values| &values[&flag]).collect();
                assert_eq!(raised, [true, false, true, false], "{direction}");
            }
            assert_eq!(received(&events).len(), 2);
        }
    }
}

#[test]
fn a_message_that_fits_nowhere_is_seen_from_a_sleeping_sender() {
    for kind in Kind::ALL {
        // The first call writes the length and the beginning of the message, the others write the rest.
        let calls = match kind {
            Kind::Shm => continue,
            Kind::Pipe => ["writev", "write"],
            Kind::Unix | Kind::Tcp => ["sendmsg", "sendto"],
        };
        // A receiver that keeps up ends a sleep before it is inspected: not each time, however busy
        // the machine is.
        let mut slept = (0..200).map(|_| {
            let mut stage = Watched::with(kind, WaitStrategy::Block, 16 << 20);
            let events = stage.run(r#"{"do":"send","count":1,"mode":"step","text":"large"}"#);
            assert_eq!(received(&events), [(0, "large".to_owned(), Side::Receiver)], "{kind}");
            slept_in(&events, Side::Sender).join(", ")
        });
        let seen = slept.find(|calls| !calls.is_empty());
        let seen = seen.unwrap_or_else(|| panic!("{kind}: its sender was never seen asleep"));
        assert!(calls.contains(&&*seen), "{kind}: {seen}");
    }
}
