//! Stages over the WebSocket: two processes that live as long as the page looks at them, and never beside a race.

use std::fs;
use std::net::TcpStream;

use crossing::Kind;
use rustix::process::Signal;
use serde_json::Value;
use tungstenite::{Message, WebSocket};

use crate::client::{LONG, Lab, SHORT, STAGE, frame, frame_that};
use crate::harness::{Desk, eventually};

/// The processes of a stage, by its header.
fn pids(header: &Value) -> [u32; 2] {
    assert_eq!(header["format"], "ipcscope-trace", "{header}");
    [0, 1].map(|place| header["processes"][place]["pid"].as_u64().expect("a pid") as u32)
}

/// Whether the process can still run. A zombie cannot (a pipe's receiver is one until the process
/// that inherits orphans reaps it).
fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The code and the reason with which the lab closes.
fn closed(socket: &mut WebSocket<TcpStream>) -> (u16, String) {
    loop {
        match socket.read() {
            Ok(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
            Ok(_) => {}
            Err(error) => panic!("closed without a reason: {error}"),
        }
    }
}

#[test]
fn messages_between_two_processes_that_are_there() {
    let lab = Lab::new();
    for kind in Kind::ALL.map(Kind::name) {
        let mut socket = lab.socket(&STAGE.replace("pipe", kind));
        let header = frame(&mut socket);
        assert_eq!((&header["scene"]["kind"], &header["size_bytes"]), (&kind.into(), &64.into()));
        let pids = pids(&header);
        assert!(pids[0] != pids[1] && pids.iter().all(|&pid| lives(pid)), "{header}");
        socket.send(r#"{"do":"send","count":3,"mode":"burst","text":"hello"}"#.into()).expect("sent");
        let mut received = 0;
        loop {
            let event = frame(&mut socket);
            received += u32::from(event["what"] == "recv-end" && event["payload"] == "hello");
            if event["what"] == "batch-end" {
                break;
            }
        }
        assert_eq!(received, 3, "{kind}");
        drop(socket);
        for pid in pids {
            eventually("the process is gone with its page", || !lives(pid));
        }
    }
}

#[test]
fn what_makes_no_sense_is_a_note_and_the_stage_goes_on() {
    let lab = Lab::new();
    let mut socket = lab.socket(STAGE);
    frame(&mut socket);
    for (command, words) in [
        ("{", "not JSON"),
        ("[]", "an object"),
        (r#"{"do":"dance"}"#, "unknown command"),
        (r#"{"do":"send","count":1001,"mode":"burst"}"#, "1 to 1000"),
        (r#"{"do":"send","count":1,"mode":"burst","more":1}"#, "unknown field"),
        (r#"{"do":"experiment","id":"../../bin/sh"}"#, "unknown experiment"),
    ] {
        socket.send(command.into()).expect("sent");
        let note = frame(&mut socket);
        assert_eq!((&note["what"], &note["tone"]), (&"note".into(), &"bad".into()), "{command}: {note}");
        assert!(note["text"].as_str().expect("a sentence").contains(words), "{command}: {note}");
    }
    socket.send(r#"{"do":"send","count":1,"mode":"burst"}"#.into()).expect("sent");
    while frame(&mut socket)["what"] != "batch-end" {}
    for asked in ["kind=smoke", "kind=pipe&wait=sometimes", "kind=pipe&size=-1", "wait=block"] {
        let target = format!("/api/stage?{asked}&token={}", lab.token());
        assert_eq!(lab.knock(&target, None).map(drop), Err(422), "{asked}");
    }
    for (asked, words) in
        [("size=0", "size 0"), ("size=99999999", "out of range"), ("placement=0,99999", "99999")]
    {
        let (code, why) = closed(&mut lab.socket(&format!("/api/stage?kind=pipe&{asked}")));
        assert!(code == 1011 && why.contains(words), "{asked}: {code} {why}");
    }
}

#[test]
fn a_fifth_stage_is_refused() {
    let lab = Lab::new();
    let mut four: Vec<_> = (0..4).map(|_| lab.socket(STAGE)).collect();
    let mut all: Vec<u32> = four.iter_mut().flat_map(|socket| pids(&frame(socket))).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 8);
    let (code, why) = closed(&mut lab.socket(STAGE));
    assert!(code == 1013 && why.contains("too many stages"), "{code} {why}");
    assert!(all.iter().all(|&pid| lives(pid)));
    four.pop();
    eventually("its place is free again", || {
        let mut socket = lab.socket(STAGE);
        matches!(socket.read(), Ok(Message::Text(_)))
    });
}

#[test]
fn a_race_has_the_machine_to_itself() {
    let lab = Lab::new();
    let mut live = lab.live();
    let mut stage = lab.socket(STAGE);
    let pids = pids(&frame(&mut stage));
    // In the middle of something.
    stage.send(r#"{"do":"send","count":1000,"mode":"step"}"#.into()).expect("sent");
    frame(&mut stage);
    lab.ask("POST", "/api/race", LONG).with(202);
    assert!(pids.iter().all(|&pid| !lives(pid)), "ended before the race begins");
    let (code, why) = closed(&mut stage);
    assert!(code == 1013 && why.contains("race"), "{code} {why}");
    frame_that(&mut live, "race");
    let (code, why) = closed(&mut lab.socket(STAGE));
    assert!(code == 1013 && why.contains("race"), "{code} {why}");
    lab.ask("DELETE", "/api/race", "").with(204);
    frame_that(&mut live, "race-ended");
    frame(&mut lab.socket(STAGE));
    lab.ask("POST", "/api/race", SHORT).with(202);
    frame_that(&mut live, "race-ended");
}

#[test]
fn a_page_that_is_gone_in_the_middle_and_a_lab_that_is_killed_leave_nobody() {
    let desk = Desk::new();
    let mut lab = Lab::start(&desk);
    let mut socket = lab.socket(STAGE);
    let left = pids(&frame(&mut socket));
    socket.send(r#"{"do":"send","count":1000,"mode":"step"}"#.into()).expect("sent");
    frame(&mut socket);
    drop(socket);
    eventually("no process is left", || left.iter().all(|&pid| !lives(pid)));
    for signal in [Signal::KILL, Signal::TERM] {
        let mut socket = lab.socket(STAGE);
        let pids = pids(&frame(&mut socket));
        socket.send(r#"{"do":"send","count":1000,"mode":"step"}"#.into()).expect("sent");
        lab.running.signal(signal);
        lab.running.wait();
        for pid in pids {
            eventually("the process is gone", || !lives(pid));
        }
        lab = Lab::start(&desk);
    }
}

#[test]
fn commands_without_end_close_the_stage() {
    let lab = Lab::new();
    let mut socket = lab.socket(STAGE);
    let pids = pids(&frame(&mut socket));
    for _ in 0..40 {
        let _ = socket.send(r#"{"do":"send","count":1000,"mode":"step"}"#.into());
    }
    let (code, why) = closed(&mut socket);
    assert!(code == 1008 && why.contains("too many commands"), "{code} {why}");
    eventually("no process is left", || pids.iter().all(|&pid| !lives(pid)));
}
