//! How the two processes of a stage start and end, whatever ends them.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use crossing::{Kind, WaitStrategy};
use lab::trace::{Event, Side, Tone, What};
use rustix::process::Signal;

use super::{Watched, exists, notes, received};
use crate::cannot_run::{Lacks, cannot_run};
use crate::harness::{Desk, Running, eventually};

fn send(signal: Signal, pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, signal).expect("the signal is sent");
}

fn kill(pid: u32) {
    send(Signal::KILL, pid);
}

/// Whether the kernel says that it is stopped.
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
}

const SEND_3: &str = r#"{"do":"send","count":3,"mode":"step"}"#;

#[test]
fn the_two_processes_are_real_and_leave_with_the_stage() {
    for kind in Kind::ALL {
        let stage = Watched::open(kind);
        let [sender, receiver] = stage.pids();
        assert_ne!(sender, receiver);
        for pid in [sender, receiver] {
            let program = fs::read_link(format!("/proc/{pid}/exe")).expect("a process");
            assert_eq!(program, Path::new(env!("CARGO_BIN_EXE_ipcscope")), "{kind}");
        }
        let parents = stage.stage.header().processes.each_ref().map(|process| process.parent);
        let second = match kind {
            // The two ends of a pipe are parent and child.
            Kind::Pipe => sender,
            Kind::Shm | Kind::Unix | Kind::Tcp => std::process::id(),
        };
        assert_eq!(parents, [std::process::id(), second], "{kind}");
        drop(stage);
        assert!(!exists(sender) && !exists(receiver), "{kind}: not even a zombie is left");
    }
}

#[test]
fn a_process_that_is_killed_is_told_of_and_the_next_command_says_what_to_do() {
    for kind in Kind::ALL {
        for victim in [0, 1] {
            let side = [Side::Sender, Side::Receiver][victim];
            let mut stage = Watched::open(kind);
            let pid = stage.pids()[victim];
            // In the middle of a batch: as soon as its first message has arrived.
            let mut lives = true;
            let murder = |event: &Event| {
                if lives && matches!(event.what, What::RecvEnd { .. }) {
                    lives = false;
                    kill(pid);
                }
            };
            let (events, outcome) = stage.tried_with(r#"{"do":"send","count":1000,"mode":"step"}"#, murder);
            let died: Vec<Option<Side>> = events
                .iter()
                .filter(|event| matches!(event.what, What::Died { .. }))
                .map(|event| event.side)
                .collect();
            assert!(died.contains(&Some(side)), "{kind}: {events:#?}");
            let why = outcome.expect_err("the stage is over");
            assert!(why.contains(&format!("the {} (pid {pid}) ", side.name())), "{kind}: {why}");
            assert_eq!(notes(&events, Tone::Bad), [why.as_str()]);
            let (events, outcome) = stage.tried(r#"{"do":"look"}"#);
            assert_eq!((notes(&events, Tone::Bad), outcome), (vec![why.as_str()], Err(why.clone())));
            stage.is_a_trace();
            let pids = stage.pids();
            drop(stage);
            // The process that inherits orphans reaps a child whose parent was killed.
            eventually("not even a zombie is left", || !pids.into_iter().any(exists));
        }
    }
}

#[test]
fn a_process_that_is_killed_while_nothing_happens_is_told_of_without_a_command() {
    let (word, _open) = std::os::unix::net::UnixStream::pair().expect("a line");
    for kind in Kind::ALL {
        for victim in [0, 1] {
            let side = [Side::Sender, Side::Receiver][victim];
            let mut stage = Watched::open(kind);
            let pid = stage.pids()[victim];
            kill(pid);
            let mut events = Vec::new();
            // It would sleep for ever if the death rang no bell.
            let outcome = stage.stage.rest(word.as_fd(), &mut |event| events.push(event));
            let why = outcome.expect_err("the stage is over").to_string();
            let said = format!("the {} (pid {pid}) was ended by SIGKILL from outside", side.name());
            assert!(why.contains(&said), "{kind}: {why}");
            assert_eq!(notes(&events, Tone::Bad), [why.as_str()]);
            let what = What::Died { signal: Some("SIGKILL".into()), exit_code: None };
            assert!(events.iter().any(|event| event.what == what && event.side == Some(side)), "{events:#?}");
            let (_, outcome) = stage.tried(SEND_3);
            assert_eq!(outcome, Err(why));
        }
    }
}

#[test]
fn a_stage_at_rest_is_woken_by_a_word() {
    let (word, mut say) = std::os::unix::net::UnixStream::pair().expect("a line");
    let mut stage = Watched::open(Kind::Unix);
    say.write_all(b"x").expect("it is said");
    assert_eq!(stage.stage.rest(word.as_fd(), &mut |event| panic!("{event:?}")), Ok(()));
}

#[test]
fn a_process_that_is_stopped_is_told_of_before_anything_is_sent() {
    for kind in Kind::ALL {
        let mut stage = Watched::open(kind);
        let pid = stage.pids()[1];
        send(Signal::STOP, pid);
        eventually("it is stopped", || is_stopped(pid));
        let told =
            format!("the receiver (pid {pid}) is stopped (SIGSTOP): continue it with `kill -CONT {pid}`");
        let events = stage.run(SEND_3);
        assert_eq!((notes(&events, Tone::Bad), events.len()), (vec![told.as_str()], 1), "{kind}");
        send(Signal::CONT, pid);
        eventually("it goes on", || !is_stopped(pid));
        let events = stage.run(SEND_3);
        assert_eq!(received(&events).len(), 3, "{kind}: {events:#?}");
    }
}

#[test]
fn a_process_that_is_stopped_in_the_middle_is_told_of_and_may_be_let_go() {
    for mode in ["step", "burst", "paced"] {
        let mut stage = Watched::open(Kind::Unix);
        let pid = stage.pids()[1];
        // As soon as the batch has begun; one that is faster than the signal is sent again.
        let mut told = Vec::new();
        let mut stopped = false;
        let meddle = |event: &Event| match &event.what {
            What::BatchBegin { .. } if !stopped => {
                stopped = true;
                send(Signal::STOP, pid);
            }
            What::Note { tone: Tone::Bad } => {
                told.extend(event.text.clone());
                send(Signal::CONT, pid);
            }
            _ => {}
        };
        let send_1 = format!(r#"{{"do":"send","count":1,"mode":"{mode}"}}"#);
        let (events, outcome) = stage.tried_with(&send_1, meddle);
        assert_eq!((outcome, received(&events).len()), (Ok(()), 1), "{mode}: {events:#?}");
        assert_eq!(told.len(), 1, "{mode}");
        assert!(told[0].contains(&format!("(pid {pid}) is stopped (SIGSTOP)")), "{told:?}");
        stage.is_a_trace();
    }
}

#[test]
fn a_process_that_is_traced_is_told_of_and_does_what_it_is_told() {
    let mut stage = Watched::open(Kind::Pipe);
    let pid = stage.pids()[0];
    let strace = Command::new("strace")
        .args(["-o", "/dev/null", "-p", &pid.to_string()])
        .stderr(Stdio::null())
        .spawn();
    let mut tracer = match strace {
        Ok(child) => Running(child),
        Err(error) => return cannot_run(Lacks::Tool, format!("strace: {error} (./check installs it)")),
    };
    let traced = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    };
    let mut refused = false;
    eventually("it is traced, or strace may not", || {
        refused = tracer.0.try_wait().expect("a child").is_some();
        refused || traced()
    });
    if refused {
        return cannot_run(Lacks::Right, "strace may not trace");
    }
    let events = stage.run(SEND_3);
    let told = format!(
        "the sender (pid {pid}) is traced by pid {}: its times include the work of the tracer",
        tracer.0.id()
    );
    assert_eq!(notes(&events, Tone::Plain), [told.as_str()]);
    assert_eq!(received(&events).len(), 3);
}

#[test]
fn a_process_that_stays_stopped_ends_the_batch_and_is_named() {
    let mut stage = Watched::open(Kind::Pipe);
    let pid = stage.pids()[1];
    let stop = |event: &Event| {
        if matches!(event.what, What::BatchBegin { .. }) {
            send(Signal::STOP, pid);
        }
    };
    let (events, outcome) = stage.tried_with(SEND_3, stop);
    let why = outcome.expect_err("the stage is over");
    let said = format!("the receiver (pid {pid}) is stopped (SIGSTOP), and did not go on in time");
    assert_eq!((why.as_str(), events.last().and_then(|event| event.text.as_deref())), (&*said, Some(&*said)));
}

#[test]
fn a_stage_can_be_stopped_in_the_middle() {
    let mut stage = Watched::with(Kind::Tcp, WaitStrategy::Block, 64);
    let stopper = stage.stage.stopper();
    let stop = |event: &Event| {
        if matches!(event.what, What::RecvEnd { .. }) {
            stopper.store(true, Ordering::Relaxed);
        }
    };
    let (_, outcome) = stage.tried_with(r#"{"do":"send","count":1000,"mode":"step"}"#, stop);
    assert_eq!(outcome, Err("the stage was told to stop".into()));
}

#[test]
fn no_process_outlives_a_lab_that_is_killed() {
    let desk = Desk::new();
    for kind in Kind::ALL {
        let line = format!("show {kind} --messages 1000 --placement unpinned --wait spin");
        let child = desk.command(line.split_whitespace()).spawn().expect("the binary starts");
        let lab = child.id();
        let mut running = Running(child);
        let children = |pid: u32| -> Vec<u32> {
            // Those that any of its threads has started.
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
            lists
                .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                .filter_map(|pid| pid.parse().ok())
                .collect()
        };
        let mut workers = Vec::new();
        eventually("two processes are there", || {
            workers = children(lab);
            let of_children: Vec<u32> = workers.iter().flat_map(|&pid| children(pid)).collect();
            workers.extend(of_children);
            workers.len() == 2
        });
        running.signal(rustix::process::Signal::KILL);
        running.wait();
        let running = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
        };
        eventually("they are gone", || !workers.iter().any(running));
    }
}
