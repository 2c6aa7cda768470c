//! What is sent on a stage arrives, and what cannot be had is said.

use crossing::{Kind, WaitStrategy};
use lab::stage::{Stage, StageSetup};
use lab::trace::{Side, Tone};

use super::{Watched, notes, received};

#[test]
fn every_message_arrives_once_in_order_and_with_its_words() {
    for kind in Kind::ALL {
        let mut stage = Watched::open(kind);
        let mut first = 0;
        for mode in ["step", "burst", "paced"] {
            for (direction, side) in [("forward", Side::Receiver), ("back", Side::Sender)] {
                let events = stage.run(&format!(
                    r#"{{"do":"send","count":5,"mode":"{mode}","text":"grüße","direction":"{direction}"}}"#
                ));
                let due: Vec<_> =
                    (first..first + 5).map(|number| (number, "grüße".to_owned(), side)).collect();
                assert_eq!(received(&events), due, "{kind} {mode} {direction}");
                assert!(
                    events.is_sorted_by_key(|event| event.t_ns),
                    "{kind} {mode} {direction}: {events:#?}"
                );
                let back = events.iter().filter(|event| event.message.is_some()).all(|event| event.back);
                assert_eq!(back, direction == "back");
                first += 5;
            }
        }
        stage.is_a_trace();
    }
}

#[test]
fn every_way_of_waiting_can_be_had() {
    for kind in Kind::ALL {
        for wait in [WaitStrategy::Spin, WaitStrategy::HYBRID] {
            let mut stage = Watched::with(kind, wait, 100);
            for first in ["false", "true"] {
                let events = stage
                    .run(&format!(r#"{{"do":"send","count":3,"mode":"step","receiver_first":{first}}}"#));
                assert_eq!(received(&events).len(), 3, "{kind} {wait}");
            }
            assert_eq!(received(&stage.run(r#"{"do":"send","count":100,"mode":"burst"}"#)).len(), 100);
        }
    }
}

#[test]
fn words_are_cut_to_the_message() {
    let mut stage = Watched::with(Kind::Pipe, WaitStrategy::Block, 5);
    let events = stage.run(r#"{"do":"send","count":2,"mode":"step","text":"grün und mehr"}"#);
    let words: Vec<String> = received(&events).into_iter().map(|(_, words, _)| words).collect();
    assert_eq!(words, ["grün", "grün"]);
    let mut stage = Watched::with(Kind::Shm, WaitStrategy::Block, 1);
    assert_eq!(received(&stage.run(r#"{"do":"send","count":2,"mode":"burst"}"#)).len(), 2);
}

#[test]
fn what_cannot_be_had_is_said_and_the_stage_goes_on() {
    let mut stage = Watched::open(Kind::Pipe);
    let long = "x".repeat(65);
    for (command, words) in [
        (r#"{"do":"send","count":0,"mode":"step"}"#.to_owned(), "count 0 is out of range: 1 to 1000"),
        (r#"{"do":"send","count":1001,"mode":"burst"}"#.to_owned(), "count 1001 is out of range"),
        (
            format!(r#"{{"do":"send","count":1,"mode":"step","text":"{long}"}}"#),
            "65 bytes, and 64 are the most",
        ),
        (r#"{"do":"send","count":1,"mode":"step","text":"a\u0000b"}"#.to_owned(), "zero byte"),
        (r#"{"do":"experiment","id":"wild"}"#.to_owned(), "unknown experiment `wild`: one of fill"),
        (r#"{"do":"experiment","id":""}"#.to_owned(), "unknown experiment ``"),
    ] {
        let events = stage.run(&command);
        assert_eq!(events.len(), 1, "{events:#?}");
        let notes = notes(&events, Tone::Bad);
        assert!(notes.len() == 1 && notes[0].contains(words), "{command}: {notes:?}");
    }
    assert_eq!(received(&stage.run(r#"{"do":"send","count":1000,"mode":"burst"}"#)).len(), 1000);
    for size_bytes in [0, (16 << 20) + 1] {
        let refused = Stage::open(&StageSetup { size_bytes, ..StageSetup::of(Kind::Pipe) }).unwrap_err();
        assert!(refused.to_string().contains("1 to 16777216 bytes"), "{refused}");
    }
    let nobody = StageSetup { program: "/nonexistent".into(), ..StageSetup::of(Kind::Shm) };
    assert!(Stage::open(&nobody).unwrap_err().to_string().starts_with("cannot start a process: "));
}
