//! What `docs/costs.md` says of descriptors, threads, memory and system calls is what is counted here:
//! each row of its tables is made anew, and must stand there.

#[path = "process/cannot_run.rs"]
mod cannot_run;
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use cannot_run::{Lacks, cannot_run};
use crossing::{
    Address, BlobMut, Config, Connection, Endpoint, Kind, Listener, Poll, Ready, RecvError, Spawn, Stopper,
    WaitStrategy,
};
use process::{
    LIMIT, Second, again, descriptors, eventually, mappings, play, resident_kib, socket_path, threads,
};
use rustix::thread::gettid;

const DOCUMENT: &str = include_str!("../docs/costs.md");

/// How often each form is counted.
const TIMES: usize = 9;

/// A call that nothing else makes, which says in strace's output what begins or ends here.
fn mark(what: &str) {
    let _ = fs::metadata(format!("/crossing-mark/{what}"));
}

/// Marks the calls of `body` as those of a form.
fn marked<T>(form: &str, kind: Kind, body: impl FnOnce() -> T) -> T {
    mark(&format!("{form}/{kind}/begin"));
    let value = body();
    mark("end");
    value
}

fn calls() {
    for kind in Kind::ALL {
        for _ in 0..TIMES {
            at_once(kind);
            asleep(kind);
        }
    }
}

/// The forms, where none of them must wait.
fn at_once(kind: Kind) {
    let (mut here, mut there) = Connection::pair(kind, &process::config()).expect("a pair");
    let message = [7; 64];
    let mut buffer = [0; 64];
    for form in ["once", "again"] {
        // The first time buffers are made.
        let marked = |name: &str, body: &mut dyn FnMut()| {
            if form == "once" { body() } else { marked(name, kind, body) }
        };
        marked("send", &mut || here.send(&message).expect("there is room"));
        marked("recv", &mut || assert_eq!(there.recv(&mut buffer), Ok(64)));
        marked("try_send", &mut || here.try_send(&message).expect("there is room"));
        marked("try_recv", &mut || assert_eq!(there.try_recv(&mut buffer), Ok(64)));
        marked("send_timeout", &mut || here.send_timeout(&message, LIMIT).expect("there is room"));
        marked("recv_timeout", &mut || assert_eq!(there.recv_timeout(&mut buffer, LIMIT), Ok(64)));
        marked("claim", &mut || here.claim(64).and_then(crossing::Claim::commit).expect("there is room"));
        there.recv(&mut buffer).expect("it was sent");
        marked("cork", &mut || {
            let mut cork = here.sender().cork();
            (0..10).for_each(|_| cork.send(&message).expect("there is room"));
            cork.flush().expect("there is room");
        });
        marked("recv_ten", &mut || (0..10).for_each(|_| assert_eq!(there.recv(&mut buffer), Ok(64))));
        marked("try_recv_nothing", &mut || assert_eq!(there.try_recv(&mut buffer), Err(RecvError::Empty)));
        // Takes what it was rung for before.
        assert_eq!(there.arm(), Ready::Wait);
        marked("arm", &mut || assert_eq!(there.arm(), Ready::Wait));
        marked("send_to_armed", &mut || here.send(&message).expect("there is room"));
        there.recv(&mut buffer).expect("it was sent");
        marked("arm_rung", &mut || assert_eq!(there.arm(), Ready::Wait));
        // It is armed no longer.
        here.send(&message).expect("there is room");
        there.recv(&mut buffer).expect("it was sent");
    }
    let mut poll = Poll::new().expect("a descriptor is free");
    poll.insert(there).expect("it can be waited for");
    for turn in 0..3 {
        here.send(&message).expect("there is room");
        let mut body = || {
            let (_, half) = poll.next().expect("it is ready");
            assert_eq!(half.try_recv(&mut buffer), Ok(64));
        };
        if turn < 2 { body() } else { marked("poll", kind, body) }
    }
}

/// The forms that must sleep, and the sends that wake them.
fn asleep(kind: Kind) {
    let config = process::config().wait(WaitStrategy::Block);
    let (here, there) = Connection::pair(kind, &config).expect("a pair");
    let (mut here, mut there) = (Some(here), Some(there));
    let mut poll = Poll::new().expect("a descriptor is free");
    poll.set_wait(WaitStrategy::Block);
    let mut buffer = [0; 64];
    let stopper = Stopper::new().expect("a descriptor is free");
    let mut key = None;
    for form in ["recv_asleep", "recv_timeout_asleep", "recv_stoppable_asleep", "poll_asleep"] {
        for time in ["once", "again"] {
            let me = gettid();
            let mut sender = here.take().expect("it came back");
            let helper = thread::spawn(move || {
                let asleep = || {
                    let stat = fs::read_to_string(format!("/proc/self/task/{}/stat", me.as_raw_nonzero()));
                    stat.is_ok_and(|stat| {
                        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
                    })
                };
                let mut seen = 0;
                while seen < 3 {
                    thread::sleep(Duration::from_millis(1));
                    seen = if asleep() { seen + 1 } else { 0 };
                }
                if time == "once" {
                    sender.send(&[7; 64]).expect("there is room");
                } else {
                    marked(&format!("{form}_send"), kind, || sender.send(&[7; 64]).expect("there is room"));
                }
                sender
            });
            let mut body = || match form {
                "poll_asleep" => {
                    if let Some(there) = there.take() {
                        key = Some(poll.insert(there).expect("it can be waited for"));
                    }
                    let (_, half) = poll.next().expect("it becomes ready");
                    assert_eq!(half.try_recv(&mut buffer), Ok(64));
                }
                _ => {
                    let there = there.as_mut().expect("it is not in the poll yet");
                    let received = match form {
                        "recv_asleep" => there.recv(&mut buffer),
                        "recv_timeout_asleep" => there.recv_timeout(&mut buffer, LIMIT),
                        _ => {
                            there.set_stopper(&stopper);
                            there.recv(&mut buffer)
                        }
                    };
                    assert_eq!(received, Ok(64));
                }
            };
            if time == "once" {
                body();
            } else {
                marked(form, kind, body);
            }
            here = Some(helper.join().expect("it does not panic"));
        }
    }
}

/// The calls of each form over each mechanism that strace has seen, every time that it was marked.
fn counted(output: &str) -> BTreeMap<(String, String), Vec<Vec<String>>> {
    let mut counted: BTreeMap<_, Vec<Vec<String>>> = BTreeMap::new();
    // What each thread does now.
    let mut open: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for line in output.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some((_, mark)) = call.split_once("\"/crossing-mark/") {
            let mut parts = mark.split(['/', '"']);
            match (parts.next(), parts.next(), parts.next()) {
                (Some(form), Some(kind), Some("begin")) => {
                    let of = (form.to_owned(), kind.to_owned());
                    counted.entry(of.clone()).or_default().push(Vec::new());
                    open.insert(thread, of);
                }
                _ => drop(open.remove(thread)),
            }
            continue;
        }
        // The rest of a call that was begun before, and signals.
        if call.starts_with(['<', '-', '+']) {
            continue;
        }
        if let Some(of) = open.get(thread) {
            let name = call.split('(').next().unwrap_or_default().to_owned();
            counted.get_mut(of).and_then(|times| times.last_mut()).expect("it has begun").push(name);
        }
    }
    counted
}

/// The middle of several counts: a busy machine may wake a thread once more.
fn usual(times: &[Vec<String>]) -> usize {
    let mut counts: Vec<usize> = times.iter().map(Vec::len).collect();
    counts.sort_unstable();
    counts[counts.len() / 2]
}

/// Fails with every row of `rows` that does not stand in the document.
fn stand_there(rows: &[String]) {
    rows.iter().for_each(|row| println!("{row}"));
    let missing: Vec<&String> =
        rows.iter().filter(|row| !DOCUMENT.lines().any(|line| line == *row)).collect();
    assert!(missing.is_empty(), "docs/costs.md lacks these rows, which were counted: {missing:#?}");
}

/// What the rows of the table are called, and the forms that they are about.
const FORMS: [(&str, &[&str]); 13] = [
    ("`send`, `try_send`, `send_timeout`", &["send", "try_send", "send_timeout"]),
    ("`claim` and its commit", &["claim"]),
    ("ten messages through a cork, and its flush", &["cork"]),
    ("`recv`, `try_recv`, `recv_timeout`", &["recv", "try_recv", "recv_timeout"]),
    ("ten times `recv`, of what came at once", &["recv_ten"]),
    ("`try_recv` of nothing", &["try_recv_nothing"]),
    ("`arm`, with nothing there", &["arm"]),
    ("the same, once it was rung", &["arm_rung"]),
    ("`send` to an end that is armed", &["send_to_armed"]),
    ("`Poll::next` and `try_recv`", &["poll"]),
    ("`recv`, asleep until it comes", &["recv_asleep"]),
    ("`recv_timeout`, or `recv` with a stopper, asleep", &["recv_timeout_asleep", "recv_stoppable_asleep"]),
    ("`Poll::next` and `try_recv`, asleep", &["poll_asleep"]),
];

#[test]
fn the_table_of_system_calls_is_what_strace_counts() {
    let trace = socket_path().with_extension("strace");
    let program = again("calls");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(&trace).arg(program.get_program()).args(program.get_args());
    strace.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = match strace.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return cannot_run(Lacks::Tool, format!("strace: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("PTRACE") || said.contains("ptrace") {
        return cannot_run(Lacks::Right, said);
    }
    assert!(output.status.success(), "{said}");
    let counted = counted(&fs::read_to_string(&trace).expect("strace has written it"));
    fs::remove_file(&trace).expect("it is ours");

    let usual = |form: &str, kind: Kind| {
        let times = &counted[&(form.to_owned(), kind.to_string())];
        assert!(times.len() >= TIMES, "{form} over {kind} was seen {} times", times.len());
        usual(times)
    };
    let mut rows = Vec::new();
    for (what, forms) in FORMS {
        let cells = Kind::ALL.map(|kind| {
            let count = usual(forms[0], kind);
            let others: Vec<_> = forms.iter().map(|form| usual(form, kind)).collect();
            assert!(others.iter().all(|&other| other == count), "{what} over {kind}: {others:?}");
            count.to_string()
        });
        rows.push(format!("| {what} | {} |", cells.join(" | ")));
    }
    // Each send that wakes a sleeper is one call, whatever the sleeper does.
    for form in ["recv_asleep", "recv_timeout_asleep", "recv_stoppable_asleep", "poll_asleep"] {
        assert_eq!(Kind::ALL.map(|kind| usual(&format!("{form}_send"), kind)), [1; 4], "{form}");
    }
    rows.push("| the `send` that wakes it | 1 | 1 | 1 | 1 |".to_owned());
    stand_there(&rows);
}

/// The control: calls are counted between the marks of one thread, and nothing else is.
#[test]
fn calls_are_counted_where_they_belong() {
    let output = r#"
7  write(1, "before", 6) = 6
7  statx(AT_FDCWD, "/crossing-mark/send/shm/begin", …) = -1 ENOENT
7  futex(0x1, FUTEX_WAKE, 1 <unfinished ...>
8  read(3,  <unfinished ...>
7  <... futex resumed>) = 1
7  --- SIGCHLD {} ---
7  statx(AT_FDCWD, "/crossing-mark/end", …) = -1 ENOENT
8  <... read resumed>"", 1) = 0
7  write(1, "after", 5) = 5
8  statx(AT_FDCWD, "/crossing-mark/send/shm/begin", …) = -1 ENOENT
8  statx(AT_FDCWD, "/crossing-mark/end", …) = -1 ENOENT
"#;
    let expected = BTreeMap::from([(("send".into(), "shm".into()), vec![vec!["futex".into()], vec![]])]);
    assert_eq!(counted(output), expected);
    assert_eq!(usual(&[vec!["a".into(); 2], vec!["a".into(); 9], vec!["a".into(); 2]]), 2);
    let fails = std::panic::catch_unwind(|| stand_there(&["| `send` | 17 | 17 | 17 | 17 |".to_owned()]));
    assert!(fails.is_err());
}

/// How many connections to one process are counted at once.
const ENDS: usize = 10;

/// What the ends of one kind hold that lead to one other process.
fn ends(kind: Kind) -> String {
    let mut spawn = Spawn::new(again("hold"));
    let mut here = Vec::new();
    for number in 0..ENDS {
        let (mine, theirs) = Endpoint::pair(kind).expect("a pair of endpoints");
        spawn = spawn.give(&format!("end{number}"), theirs);
        here.push(mine);
    }
    // What is given goes.
    let before = settled();
    let before = (before.0 - 2 * ENDS, before.1);
    let child = spawn.kill_on_drop(true).spawn().expect("it starts again");
    let resident = resident_kib();
    let connect = |end: Endpoint| end.connect(&small()).expect("they agree");
    let mut here: Vec<_> = here.into_iter().map(connect).collect();
    here.iter_mut().for_each(|it| assert_eq!(it.recv(&mut [0; 8]), Ok(2)));
    let held = settled().0 - before.0;
    let (files, a_process) = (held / ENDS, held % ENDS);
    let small = shared_bytes() / ENDS as u64;
    let resident = (resident_kib() - resident) / ENDS as u64;
    let default = Connection::pair(kind, &process::config()).expect("a pair");
    // Both ends are here.
    let default_kib = (shared_bytes() - small * ENDS as u64) >> 11;
    drop(default);
    drop(child);
    eventually("no thread is left of it", || threads() <= before.1);
    let memory = if small == 0 {
        assert!(resident < 72, "{kind}: an end that has received something has {resident} KiB");
        "up to 64 KiB, to read into".to_owned()
    } else {
        format!("{} KiB small, {default_kib} KiB by default", small >> 10)
    };
    format!("| {kind} | {files} | {a_process} | {memory} |")
}

fn small() -> Config {
    Config::small().connect_timeout(LIMIT)
}

/// The descriptors and threads of this process, once they stay as they are: a thread that was joined is seen for a moment.
fn settled() -> (usize, usize) {
    let mut seen = Vec::new();
    eventually("they stay as they are", || {
        seen.push((descriptors().len(), threads()));
        seen.len() > 4 && seen[seen.len() - 4..].iter().all(|it| Some(it) == seen.last())
    });
    seen[seen.len() - 1]
}

/// A row of what something holds beside ends.
fn row<T>(what: &str, make: impl FnOnce() -> T) -> String {
    let before = settled();
    let _held = make();
    let now = settled();
    format!("| {what} | {} | {} |", now.0 - before.0, now.1 - before.1)
}

fn held() {
    let address = Address::tcp("127.0.0.1:0").expect("an address");
    let pair = || drop(Connection::pair(Kind::Shm, &small()).expect("a pair"));
    let pairs = || Connection::pair(Kind::Unix, &small()).expect("a pair");
    let (_senders, receivers): (Vec<_>, Vec<_>) =
        (0..ENDS).map(|_| pairs()).map(|(here, there)| (here, there.split().1)).unzip();
    let rows = [
        row("shared memory, once a process", || {
            let before = mappings();
            pair();
            eventually("its ends are gone", || mappings() == before);
        }),
        row("`Endpoint`", || Endpoint::pair(Kind::Shm).map(|(here, _)| here)),
        row("`Listener`", || Listener::bind(&address).expect("a free port")),
        row("`Poll`, however much it holds", || {
            let mut poll = Poll::new().expect("a descriptor is free");
            for receiver in receivers {
                poll.insert(receiver).expect("it can be waited for");
            }
            poll
        }),
        row("`Stopper`", || Stopper::new().expect("a descriptor is free")),
        row("`BlobMut`, `Blob`", || BlobMut::new(100).map(BlobMut::seal).expect("memory is free")),
        row("a child, by `Spawn` or `Endpoint::spawn`", || {
            let before = threads();
            let child = Spawn::new(again("stay")).kill_on_drop(true).spawn().expect("it starts again");
            eventually("the child's parent is there", || threads() > before);
            child
        }),
    ];
    stand_there(&rows);
    stand_there(&Kind::ALL.map(ends));
}

fn stay() {
    thread::sleep(LIMIT);
}

fn hold() {
    let mut ends: Vec<_> = (0..ENDS)
        .map(|number| {
            let end = Endpoint::inherited_named(&format!("end{number}")).expect("it was given");
            end.connect(&small()).expect("they agree")
        })
        .collect();
    ends.iter_mut().for_each(|it| it.send(b"hi").expect("there is room"));
    let _ = ends[0].recv(&mut [0; 8]);
}

/// The memory of all regions that this process has made, in bytes.
fn shared_bytes() -> u64 {
    let entries = fs::read_dir("/proc/self/fd").expect("/proc is mounted").flatten();
    let is_region = |path: &PathBuf| {
        fs::read_link(path).is_ok_and(|link| link.display().to_string().contains("memfd:crossing"))
    };
    let regions = entries.map(|entry| entry.path()).filter(is_region);
    regions.filter_map(|path| fs::metadata(path).ok()).map(|file| file.blocks() * 512).sum()
}

#[test]
fn the_table_of_descriptors_threads_and_memory_is_what_ends_hold() {
    if rustix::param::page_size() != 4096 {
        return cannot_run(Lacks::Part, "the table is of pages of 4 KiB");
    }
    // In a process of its own, which has nothing else.
    Second(again("held").stdout(Stdio::inherit()).spawn().expect("it starts again")).done();
}

/// The figure in one column of a record's table: of a mechanism's row, below a head.
fn figure(record: &str, head: &str, kind: Kind, column: usize) -> String {
    let (_, below) = record.split_once(&format!("**{head}, cross-core**")).expect("the record has it");
    let cells = below.lines().find_map(|line| line.strip_prefix(&format!("| {kind} | "))).expect("a row");
    cells.split(" | ").nth(column).expect("a column").to_owned()
}

/// What was measured stands in a record, and is copied from there without a mistake.
#[test]
fn the_table_of_times_is_the_records() {
    let name = "results/2026-11-25-kvm-epyc-2-cores";
    assert!(DOCUMENT.contains(name));
    let record = format!("{}/../../{name}/race.md", env!("CARGO_MANIFEST_DIR"));
    let record = fs::read_to_string(record).expect("the record is kept");
    let rows = Kind::ALL.map(|kind| {
        let of = |head, column| figure(&record, head, kind, column);
        let trips = ["ping-pong, 64 B, spin", "ping-pong, 64 B, block"].map(|head| of(head, 0));
        let streams = ["stream, 64 B, spin", "stream, 64 B, block"].map(|head| of(head, 5));
        format!("| {kind} | {} | {} |", trips.join(" | "), streams.join(" | "))
    });
    stand_there(&rows);
}

#[test]
fn second_process() {
    play(&[("calls", calls), ("held", held), ("hold", hold), ("stay", stay)]);
}
