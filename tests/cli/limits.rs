//! What a peer can take that does not read, does not speak, or is another user: no more than its own, and never for ever.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tungstenite::WebSocket;

use crate::cannot_run::{Lacks, cannot_run};
use crate::client::{Lab, SHORT, STAGE, frame, frame_that};
use crate::harness::eventually;

/// The most memory that the lab has had at once, in bytes.
fn most_memory(lab: &Lab) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", lab.running.0.id())).expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// The sockets that the lab holds.
fn sockets(lab: &Lab) -> usize {
    let fds = fs::read_dir(format!("/proc/{}/fd", lab.running.0.id())).expect("/proc").flatten();
    let links = fds.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

/// Writes `piece` until `total` bytes were taken, or the lab takes no more and ends it. Others are served meanwhile.
fn flood(lab: &Lab, mut stream: TcpStream, piece: &[u8], total: usize) {
    let block: Vec<u8> = piece.iter().copied().cycle().take(piece.len() * 1_000).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut sent = 0;
            while sent < total && stream.write_all(&block).is_ok() {
                sent += block.len();
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut served = 0;
        while !done.load(Ordering::Relaxed) || served < 3 {
            lab.get("/api/runs").with(200);
            served += 1;
            thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn pings_whose_pongs_are_not_read_take_no_memory() {
    let lab = Lab::new();
    for target in ["/api/live", STAGE] {
        let socket = lab.socket(target);
        let before = most_memory(&lab);
        // A masked ping of 125 bytes: a pong of as many.
        let mut ping = vec![0x89, 0x80 | 125, 0, 0, 0, 0];
        ping.extend([b'x'; 125]);
        flood(&lab, socket.get_ref().try_clone().expect("a descriptor"), &ping, 200 << 20);
        let grown = most_memory(&lab) - before;
        assert!(grown < 64 << 20, "{target}: {} MiB", grown >> 20);
    }
}

#[test]
fn requests_whose_answers_are_not_read_take_no_memory() {
    let lab = Lab::new();
    for method in ["HEAD", "GET"] {
        let before = most_memory(&lab);
        let ask = format!("{method} /api/runs HTTP/1.1\r\nHost: {}\r\n\r\n", lab.host());
        flood(&lab, lab.connect(), ask.as_bytes(), 16 << 20);
        let grown = most_memory(&lab) - before;
        assert!(grown < 32 << 20, "{method}: {} MiB", grown >> 20);
    }
}

#[test]
fn reports_that_never_end_take_the_memory_of_a_few() {
    const LONG: usize = 16 << 20;
    const MANY: usize = 30;
    let lab = Lab::new();
    let (host, token) = (lab.host(), lab.token().to_owned());
    let before = most_memory(&lab);
    let head = format!(
        "POST /api/runs HTTP/1.1\r\nHost: {host}\r\nX-Ipcscope-Token: {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {LONG}\r\n\r\n"
    );
    // Each sends all but the last byte, or as much as is taken of it.
    let sending = |_| {
        let (mut stream, head) = (lab.connect(), head.clone());
        stream.set_write_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        thread::spawn(move || {
            let all =
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![b' '; LONG - 1]));
            (stream, all.is_ok())
        })
    };
    let sending: Vec<_> = (0..MANY).map(sending).collect();
    let sent: Vec<_> = sending.into_iter().map(|sending| sending.join().expect("no panic")).collect();
    let whole = sent.iter().filter(|(_, whole)| *whole).count();
    let grown = most_memory(&lab) - before;
    assert!(whole <= 8 && grown < 20 * LONG as u64, "{whole} of {MANY} were taken: {} MiB", grown >> 20);
    lab.get("/api/runs").with(200);
}

/// A stage that has much to say, to a page that hears nothing of it.
fn unread_stage(lab: &Lab) -> WebSocket<TcpStream> {
    let mut stage = lab.socket(STAGE);
    frame(&mut stage);
    for _ in 0..12 {
        stage.send(r#"{"do":"send","count":1000,"mode":"burst"}"#.into()).expect("sent");
    }
    stage
}

/// Waits until the lab can write no more to this peer.
fn stuck(stage: &WebSocket<TcpStream>) {
    let waiting = || {
        let mut buffer = vec![0; 64 << 20];
        stage.get_ref().peek(&mut buffer).expect("something was sent")
    };
    let mut last = 0;
    eventually("nothing more comes", || {
        thread::sleep(Duration::from_millis(500));
        std::mem::replace(&mut last, waiting()) == last
    });
}

#[test]
fn a_page_that_does_not_read_its_stage_holds_nobody() {
    let lab = Lab::new();
    let mut live = lab.live();
    let unread: Vec<_> = (0..4).map(|_| unread_stage(&lab)).collect();
    unread.iter().for_each(stuck);
    // Twice: the curtain has fallen for good.
    for _ in 0..2 {
        lab.ask("POST", "/api/race", SHORT).with(202);
        frame_that(&mut live, "race-ended");
    }
    lab.is_alone_again();
    frame(&mut lab.socket(STAGE));
}

#[test]
fn a_stage_that_is_not_read_is_given_up() {
    let lab = Lab::new();
    let stage = unread_stage(&lab);
    eventually("its processes are gone", || lab.running.children().is_empty());
    drop(stage);
}

#[test]
fn a_page_that_never_answers_the_closing_frame_holds_nobody() {
    let lab = Lab::new();
    let mut live = lab.live();
    let mut stage = lab.socket(STAGE);
    frame(&mut stage);
    // From here on raw: a client that takes every byte and answers none.
    let mut raw = stage.get_ref().try_clone().expect("a descriptor");
    let taking = thread::spawn(move || raw.read_to_end(&mut Vec::new()).map(drop));
    lab.ask("POST", "/api/race", SHORT).with(202);
    frame_that(&mut live, "race-ended");
    // The lab closes without its answer.
    let _ = taking.join().expect("no panic");
    drop(stage);
}

/// Opens `count` connections as another user; `None` where only root could.
fn as_another_user(lab: &Lab, count: usize, says: &str) -> Option<Vec<TcpStream>> {
    use rustix::thread::{Uid, set_thread_res_uid};
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let nobody = Uid::from_raw(65_534);
    let opened = thread::scope(|scope| {
        let opening = scope.spawn(|| {
            // Of this thread only; it ends with it.
            set_thread_res_uid(nobody, nobody, nobody).expect("root may");
            let open = |_| {
                let mut stream = lab.connect();
                let _ = stream.write_all(says.as_bytes());
                stream
            };
            (0..count).map(open).collect()
        });
        opening.join().expect("no panic")
    });
    Some(opened)
}

#[test]
fn three_hundred_connections_of_another_user_do_not_keep_the_owner_out() {
    let lab = Lab::new();
    let (quiet, token) = (sockets(&lab), lab.token().to_owned());
    let whole = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", lab.host());
    for says in ["", "GET / HTTP/1.1\r\nHo", &whole, &whole.repeat(1_000)] {
        let Some(strangers) = as_another_user(&lab, 300, says) else {
            return cannot_run(Lacks::Right, "only root can connect as another user");
        };
        // While they are there.
        lab.get("/").with(200);
        let held = sockets(&lab) - quiet;
        assert!(held <= 8 + 2, "{held} places are held by those who said {says:.20?}");
        for mut stream in strangers {
            let mut answer = String::new();
            // Closed at once, or after a word; never left open.
            let read = stream.read_to_string(&mut answer);
            assert!(
                !matches!(&read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
                "{read:?}"
            );
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 403"), "{answer}");
            assert!(!answer.contains(&token));
        }
    }
}
