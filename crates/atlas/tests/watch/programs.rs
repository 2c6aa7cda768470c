//! Programs of others: the watch must count what they themselves say, or what they were given to do.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use atlas::EdgeKind;

use crate::cannot_run::{Lacks, cannot_run};
use crate::child::alone;
use crate::{edge_of, watch_calls};

/// How long a program may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that ends with the test.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Option<Running> {
        // What the command holds of the channel is closed with it.
        match command.spawn() {
            Ok(child) => Some(Running(child)),
            Err(error) => {
                cannot_run(Lacks::Tool, format!("{:?}: {error}", command.get_program()));
                None
            }
        }
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only where it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `dd | wc`: each block that dd is given is one write, and wc says how many bytes it has read.
#[test]
fn what_dd_gives_to_wc_is_counted_to_the_call_and_to_the_byte() {
    const BLOCKS: usize = 700;
    let _alone = alone();
    let (read, write) = std::io::pipe().expect("descriptors are free");
    let mut dd = Command::new("dd");
    dd.args(["bs=3000", "iflag=fullblock", "status=none"]).stdin(Stdio::piped()).stdout(write);
    let Some(mut dd) = Running::start(dd) else { return };
    let mut wc = Command::new("wc");
    wc.arg("-c").stdin(read).stdout(Stdio::piped());
    let Some(mut wc) = Running::start(wc) else { return };
    let (map, edge) = edge_of(&[dd.pid(), wc.pid()], EdgeKind::Pipe);
    let mut given = dd.0.stdin.take();
    let report = watch_calls(&map, &edge, |_| {
        if let Some(mut given) = given.take() {
            given.write_all(&vec![b'x'; 3000 * BLOCKS]).expect("dd reads");
        }
        !matches!(wc.0.try_wait(), Ok(Some(_)))
    });
    let Some(report) = report else { return };
    let mut said = String::new();
    wc.0.stdout.take().expect("it is a pipe").read_to_string(&mut said).expect("wc writes a number");
    let counts = |calls: &Option<atlas::CallsSeen>| calls.as_ref().map(|calls| (calls.calls, calls.bytes));
    let bytes = (3000 * BLOCKS) as u64;
    assert_eq!(said.trim().parse(), Ok(bytes));
    assert_eq!(counts(&report.directions[0].writes), Some((BLOCKS as u64, bytes)));
    assert_eq!(counts(&report.directions[0].reads).map(|counts| counts.1), Some(bytes));
    assert_eq!(report.lost_calls, 0);
    let traffic = report.traffic.expect("wc was waiting before the first write");
    assert!(traffic.messages.len() > BLOCKS / 2, "all but the first few: {}", traffic.messages.len());
}

/// redis-server and redis-cli, over a Unix socket: as many requests as redis itself has counted.
#[test]
fn what_redis_is_asked_is_what_redis_says() {
    const ASKED: u64 = 400;
    let _alone = alone();
    let folder = std::env::temp_dir().join(format!("atlas-redis-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room");
    let socket = folder.join("redis.sock");
    let mut server = Command::new("redis-server");
    server
        .args(["--port", "0", "--save", "", "--daemonize", "no", "--unixsocket"])
        .arg(&socket)
        .current_dir(&folder);
    // Its own signals: one for this test's group would end it in the middle of a count.
    server.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    let Some(server) = Running::start(server) else { return };
    wait_for(&socket);
    let mut cli = Command::new("redis-cli");
    cli.arg("-s").arg(&socket).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Some(mut cli) = Running::start(cli) else { return };
    let mut ask = cli.0.stdin.take().expect("it is a pipe");
    let mut answers = cli.0.stdout.take().expect("it is a pipe");
    let mut answer = || {
        let mut line = Vec::new();
        let mut byte = [0];
        while answers.read(&mut byte).expect("redis-cli writes") == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("redis-cli writes text")
    };
    // It is connected once it has answered.
    ask.write_all(b"ECHO there\n").expect("redis-cli reads");
    assert_eq!(answer().trim_matches('"'), "there");
    let (map, edge) = edge_of(&[server.pid(), cli.pid()], EdgeKind::UnixStream);
    let mut asked = 0;
    let report = watch_calls(&map, &edge, |_| {
        for _ in 0..100 {
            ask.write_all(b"PING\n").expect("redis-cli reads");
            assert_eq!(answer(), "PONG");
            asked += 1;
        }
        asked < ASKED
    });
    if let Some(report) = report {
        ask.write_all(b"INFO commandstats\n").expect("redis-cli reads");
        let counted = std::iter::repeat_with(&mut answer).find(|line| line.contains("cmdstat_ping"));
        assert!(counted.is_some_and(|line| line.contains(&format!("calls={ASKED},"))));
        for direction in &report.directions {
            let calls = |calls: &Option<atlas::CallsSeen>| calls.as_ref().map(|calls| calls.calls);
            let both = (calls(&direction.writes), calls(&direction.reads));
            assert_eq!(both, (Some(ASKED), Some(ASKED)), "{report:#?}");
        }
        assert_eq!(report.lost_calls, 0);
    }
    drop((cli, server));
    let _ = std::fs::remove_dir_all(&folder);
}

fn wait_for(socket: &PathBuf) {
    let since = Instant::now();
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        assert!(since.elapsed() < PATIENCE, "redis-server does not listen at {}", socket.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}
