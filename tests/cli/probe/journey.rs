//! One message looked through: every call is a step of its scene, and over TCP the segments have their numbers.

use crossing::Kind;
use serde_json::Value;

use crate::cannot_run::{Lacks, cannot_run};
use crate::harness::Desk;

/// The events of one message over `kind`, whose receiver sleeps.
fn journey(kind: Kind) -> Vec<Value> {
    let line = format!("probe {kind} --wait block --placement unpinned --xray --json");
    let ran = Desk::new().run(&line).ended_with(0);
    let lines = ran.stdout.lines().skip(1);
    lines.map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn of<'a>(events: &'a [Value], what: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["what"] == what).collect()
}

/// The numbers of a segment as they are told: `seq 100 to 168 (68 B), ack 7, …`.
fn numbers(text: &str) -> Option<(u32, u32, u32)> {
    let (_, behind) = text.split_once("seq ")?;
    let (from, behind) = behind.split_once(" to ")?;
    let (to, behind) = behind.split_once(" (")?;
    let (_, behind) = behind.split_once("ack ")?;
    let (ack, _) = behind.split_once(',')?;
    Some((from.parse().ok()?, to.parse().ok()?, ack.parse().ok()?))
}

#[test]
fn every_call_of_a_message_is_a_step_of_its_scene() {
    for kind in Kind::ALL {
        let events = journey(kind);
        let calls = of(&events, "syscall");
        if calls.is_empty() {
            let gone = of(&events, "unavailable");
            assert!(!gone.is_empty(), "{kind}: neither a call nor a reason: {events:#?}");
            let why = format!("{gone:?}");
            return cannot_run(Lacks::told(&why), why);
        }
        let strange: Vec<_> = calls.iter().filter(|call| call["step"].is_null()).collect();
        assert!(strange.is_empty(), "{kind}: {strange:#?}");
    }
}

#[test]
fn a_segment_goes_out_with_its_number_and_its_acknowledgement_comes_back() {
    let events = journey(Kind::Tcp);
    let packets = of(&events, "packet");
    if packets.is_empty() {
        let why = format!("at the tier of tracepoints: {:?}", of(&events, "unavailable"));
        return cannot_run(Lacks::told(&why), why);
    }
    let told = |step: &str| {
        let texts = packets
            .iter()
            .filter(|packet| packet["step"] == step)
            .filter_map(|packet| packet["text"].as_str());
        texts.filter_map(|text| Some((numbers(text)?, text.to_owned()))).collect::<Vec<_>>()
    };
    let segments = told("segment");
    let [((from, to, _), text)] = segments.as_slice() else { panic!("one segment: {packets:#?}") };
    assert_eq!(to.wrapping_sub(*from), 68, "the message, and what stands before it: {text}");
    assert!(text.contains("checksum field 0x") && text.contains("loopback computes none"), "{text}");
    let acknowledged = told("ack").iter().any(|((_, _, ack), _)| ack.wrapping_sub(*to) < 1 << 31);
    assert!(acknowledged, "nothing acknowledges up to {to}: {packets:#?}");
    let table = of(&events, "table");
    assert!(table[0]["rows"].to_string().contains("copies, as textbooks say"), "{table:#?}");
}

#[test]
fn numbers_are_read_and_none_is_made_up() {
    let text = "a segment goes out: seq 10 to 78 (68 B), ack 7, PSH ACK, checksum field 0xfe6c; …";
    assert_eq!(numbers(text), Some((10, 78, 7)));
    assert_eq!(numbers("a segment goes out: numbers not seen; …"), None);
}
