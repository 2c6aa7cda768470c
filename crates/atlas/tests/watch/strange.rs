//! What programs do beside plain reads and writes, and what befalls them while they are watched.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use atlas::{EdgeKind, WatchError, WatchInstrument, WatchOptions, WatchReport};
use rustix::net::SocketType;

use crate::cannot_run::{Lacks, cannot_run};
use crate::channels::{self, Channel};
use crate::child::{Child, Seen, Tally, alone, counted_read, counted_write, read, wait_for, write};
use crate::{LIMIT, READS, both_counts, edge_of, side, watch_both, watch_calls};

/// Two processes at the ends of a channel, the first of which does one thing and the second the other.
fn both(
    channel: Channel,
    tally: &Tally,
    first: impl Fn(RawFd, &Seen),
    second: impl Fn(RawFd, &Seen),
) -> [Child; 2] {
    let (one, other) = channel.numbers();
    let first = Child::fork(tally, 0, &[other], |seen| first(one, seen));
    [first, Child::fork(tally, 1, &[one], |seen| second(other, seen))]
}

/// What the watch says of the only direction with traffic must be what the two say.
fn agree(report: &WatchReport, children: &[Child; 2], tally: &Tally) {
    assert!(
        tally.is_done(0) && tally.is_done(1)
            || report.ended_by.as_ref().is_some_and(|why| why.contains("closed"))
    );
    let one_way = report.directions.len() == 1;
    let at = if one_way { 0 } else { side(report, &children[0]) };
    let (watched, own) = both_counts(report, at, &tally.seen[0], &tally.seen[1]);
    assert_eq!(watched, own, "{report:#?}");
    assert_eq!(report.lost_calls, 0);
}

fn has_found(report: &WatchReport, id: &str) -> bool {
    report.findings.iter().any(|finding| finding.id == id)
}

#[test]
fn partial_writes_and_reads_are_counted_as_they_are() {
    let _alone = alone();
    let tally = Tally::new();
    const ALL: usize = 1_000_000;
    let children = both(
        channels::unix(SocketType::STREAM),
        tally,
        |fd, seen| {
            // SAFETY: it takes numbers.
            unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) };
            let mut left = ALL;
            while left > 0 {
                match write(fd, &[1; 300_000][..left.min(300_000)], seen) {
                    some @ 1.. => left -= some as usize,
                    _ => {
                        seen.would_wait.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        },
        |fd, seen| {
            let mut had = 0;
            while had < ALL {
                had += read(fd, &mut [0; 777], seen).max(0) as usize;
            }
        },
    );
    let Some(report) = watch_both(tally, EdgeKind::UnixStream, &children) else { return };
    agree(&report, &children, tally);
    let at = side(&report, &children[0]);
    let writes = report.directions[at].writes.as_ref().unwrap();
    assert_eq!(writes.would_wait, tally.seen[0].would_wait.load(Ordering::Relaxed));
    let joined = report.directions[at].write_to_read_ns.as_ref().expect("joined").samples;
    assert_eq!(joined, writes.calls, "a write is joined with the read of its last byte");
}

#[test]
fn a_read_that_only_looks_takes_nothing() {
    let _alone = alone();
    let tally = Tally::new();
    let children = both(
        channels::tcp(),
        tally,
        |fd, seen| {
            for _ in 0..500 {
                write(fd, &[1; 100], seen);
            }
        },
        |fd, seen| {
            let mut buffer = [0_u8; 100];
            for _ in 0..500 {
                // SAFETY: the buffer lives as long as the calls.
                unsafe {
                    let at = buffer.as_mut_ptr().cast();
                    libc::recv(fd, at, 100, libc::MSG_PEEK);
                    counted_read(libc::recv(fd, at, 100, libc::MSG_WAITALL), seen);
                }
            }
        },
    );
    let Some(report) = watch_both(tally, EdgeKind::Tcp, &children) else { return };
    agree(&report, &children, tally);
    assert!(has_found(&report, "tcp-within-the-machine"), "{:#?}", report.findings);
}

#[test]
fn a_reader_that_spins_is_counted_and_told() {
    let _alone = alone();
    let tally = Tally::new();
    let children = both(
        channels::pipe(),
        tally,
        |fd, seen| {
            write(fd, &[1; 64], seen);
        },
        |fd, seen| {
            // SAFETY: it takes numbers.
            unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) };
            for _ in 0..5000 {
                read(fd, &mut [0; 64], seen);
            }
            // SAFETY: it takes numbers.
            unsafe { libc::fcntl(fd, libc::F_SETFL, 0) };
            read(fd, &mut [0; 64], seen);
        },
    );
    let Some(report) = watch_both(tally, EdgeKind::Pipe, &children) else { return };
    agree(&report, &children, tally);
    let reads = report.directions[0].reads.as_ref().unwrap();
    assert_eq!((reads.would_wait, tally.seen[1].would_wait.load(Ordering::Relaxed)), (5000, 5000));
    assert!(has_found(&report, "spinning-reader"), "{:#?}", report.findings);
}

#[test]
fn bytes_that_the_kernel_moves_are_counted() {
    let _alone = alone();
    let tally = Tally::new();
    let file = tempfile();
    let (null, from) =
        (std::fs::File::options().write(true).open("/dev/null").expect("it is there"), file.as_raw_fd());
    let to = null.as_raw_fd();
    let children = both(
        channels::pipe(),
        tally,
        |fd, seen| {
            for at in 0..200_i64 {
                let (mut at, mut left) = (at, 5000);
                // The kernel may move fewer than it is asked to.
                while left > 0 {
                    // SAFETY: the offset lives as long as the call.
                    let done = unsafe { libc::sendfile(fd, from, &mut at, left) };
                    left -= counted_write(done, seen).max(0).unsigned_abs();
                }
            }
        },
        |fd, seen| {
            let mut had = 0;
            while had < 200 * 5000 {
                let none = std::ptr::null_mut();
                // SAFETY: it takes numbers, and null pointers for places that are not given.
                let done = unsafe { libc::splice(fd, none, to, none, 4096, 0) };
                had += counted_read(done, seen).max(0);
            }
        },
    );
    let (map, edge) = edge_of(&[children[0].pid(), children[1].pid()], EdgeKind::Pipe);
    let Some(report) = watch_calls(&map, &edge, |_| {
        tally.release(1);
        if children[1].is_in(&[libc::SYS_splice]) {
            tally.release(0);
        }
        !(tally.is_done(0) && tally.is_done(1))
    }) else {
        return;
    };
    agree(&report, &children, tally);
    assert!(report.directions[0].reads.as_ref().unwrap().by_name.contains_key("splice"));
}

fn tempfile() -> std::fs::File {
    let path = std::env::temp_dir().join(format!("atlas-watch-file-{}", std::process::id()));
    std::fs::write(&path, [7; 10_000]).expect("it can be written");
    let file = std::fs::File::open(&path).expect("it is there");
    let _ = std::fs::remove_file(&path);
    file
}

#[test]
fn several_writers_are_counted_each_and_one_that_is_not_watched_is_noticed() {
    let _alone = alone();
    let run = |leave_one_out: bool| {
        let tally = Tally::new();
        let channel = channels::pipe();
        let (writes, reads) = channel.numbers();
        let writer = |who: usize| {
            Child::fork(tally, who, &[reads], |seen| {
                for n in 0..300 {
                    write(writes, &[1; 512][..1 + n], seen);
                }
            })
        };
        let writers: Vec<Child> = [0, 2, 3].map(writer).into_iter().collect();
        let total = 3 * (1..=300).sum::<usize>();
        let reader = Child::fork(tally, 1, &[writes], |seen| {
            let mut had = 0;
            while had < total {
                had += read(reads, &mut [0; 4096], seen).max(0) as usize;
            }
        });
        drop(channel);
        let pids: Vec<i32> = writers.iter().chain([&reader]).map(Child::pid).collect();
        let (map, mut edge) = edge_of(&pids, EdgeKind::Pipe);
        if leave_one_out {
            edge.ends.retain(|end| end.process.pid != writers[2].pid());
        }
        let report = watch_calls(&map, &edge, |_| {
            tally.release(1);
            if reader.is_in(&READS) {
                tally.release(0);
            }
            // The one that is left out writes between the other two, so that its bytes are read while theirs are counted.
            if !leave_one_out || tally.is_done(0) {
                tally.release(3);
            }
            if !leave_one_out || tally.is_done(3) {
                tally.release(2);
            }
            !(0..4).all(|who| tally.is_done(who))
        })?;
        Some((report, writers.iter().map(Child::pid).collect::<Vec<_>>()))
    };
    let Some((report, writers)) = run(false) else { return };
    for pid in writers {
        let end = report.ends.iter().find(|end| end.process.pid == pid).expect("it is watched");
        assert_eq!(end.moved, Some([0, 300]));
    }
    let direction = &report.directions[0];
    assert_eq!(direction.writes.as_ref().unwrap().calls, 900);
    // Two writes at once may end in another order than their bytes have: then the join begins again.
    let joined = direction.write_to_read_ns.as_ref().map_or(0, |times| times.samples);
    assert!(joined <= 900 && report.lost_calls == 0, "{report:#?}");

    // The seeded mistake: the bytes of one writer are not known, so that the reads run ahead of the writes that are, and a read
    // comes before its write.
    let Some((report, _)) = run(true) else { return };
    let direction = &report.directions[0];
    let [writes, reads] = [&direction.writes, &direction.reads].map(|calls| calls.as_ref().unwrap());
    assert!(reads.bytes > writes.bytes && writes.calls == 600, "{report:#?}");
    let joined = direction.write_to_read_ns.as_ref().map_or(0, |times| times.samples);
    assert!(joined < 600, "every write was joined with some read: {report:#?}");
}

#[test]
fn a_channel_of_a_process_with_itself_is_watched() {
    let _alone = alone();
    let tally = Tally::new();
    let channel = channels::pipe();
    let (writes, reads) = channel.numbers();
    let child = Child::fork(tally, 0, &[], |seen| {
        for _ in 0..400 {
            write(writes, &[1; 33], seen);
            read(reads, &mut [0; 64], seen);
        }
    });
    drop(channel);
    let (map, edge) = edge_of(&[child.pid()], EdgeKind::Pipe);
    let Some(report) = watch_calls(&map, &edge, |_| {
        tally.release(0);
        !tally.is_done(0)
    }) else {
        return;
    };
    let (watched, own) = both_counts(&report, 0, &tally.seen[0], &tally.seen[0]);
    assert_eq!(watched, own, "{report:#?}");
}

#[test]
fn a_descriptor_that_is_closed_and_used_again_is_followed() {
    let _alone = alone();
    let tally = Tally::new();
    let (file, other) = (tempfile(), 200);
    let file = file.as_raw_fd();
    let children = both(
        channels::pipe(),
        tally,
        |fd, seen| {
            for _ in 0..200 {
                write(fd, &[1; 100], seen);
            }
        },
        |fd, seen| {
            let mut had = 0;
            while had < 100 * 100 {
                had += read(fd, &mut [0; 100], seen).max(0);
            }
            // The reading end moves to another number, and a file takes its own: its reads are none of the channel's.
            // SAFETY: these take numbers, and a buffer that lives as long as the call.
            unsafe {
                libc::dup2(fd, other);
                libc::usleep(100_000);
                libc::dup2(file, fd);
                for _ in 0..50 {
                    libc::read(fd, [0_u8; 10].as_mut_ptr().cast(), 10);
                }
            }
            while had < 200 * 100 {
                had += read(other, &mut [0; 100], seen).max(0);
            }
        },
    );
    let Some(report) = watch_both(tally, EdgeKind::Pipe, &children) else { return };
    let (watched, own) = both_counts(&report, 0, &tally.seen[0], &tally.seen[1]);
    // A call on the new number may come before the watch has seen that it was made.
    assert_eq!(watched[..2], own[..2], "{report:#?}");
    assert!(watched[2] <= own[2] && watched[3] <= own[3] && watched[3] >= 100 * 100, "{watched:?} {own:?}");
}

#[test]
fn a_process_that_ends_ends_the_watch_with_what_it_did() {
    let _alone = alone();
    let tally = Tally::new();
    let end = |fd: RawFd, seen: &Seen| {
        for _ in 0..10 {
            write(fd, &[1; 10], seen);
        }
        // SAFETY: the process ends.
        unsafe { libc::_exit(0) };
    };
    let children = both(channels::pipe(), tally, end, |fd, seen| {
        while read(fd, &mut [0; 10], seen) > 0 {}
        // SAFETY: the process ends.
        unsafe { libc::_exit(0) };
    });
    let (map, edge) = edge_of(&[children[0].pid(), children[1].pid()], EdgeKind::Pipe);
    let Some(report) = watch_calls(&map, &edge, |_| {
        tally.release(1);
        if children[1].is_in(&READS) {
            tally.release(0);
        }
        true
    }) else {
        return;
    };
    assert!(report.ended_by.is_some() && report.lasted_ns < LIMIT.as_nanos() as u64, "{report:#?}");
    agree(&report, &children, tally);
    assert_eq!(report.directions[0].reads.as_ref().unwrap().ends, 1);
    // A process that has ended before is no channel's.
    let options = WatchOptions { lasts: LIMIT, instrument: None };
    drop(children);
    assert!(matches!(atlas::watch(&map, &edge, &options, |_| true), Err(WatchError::Ended)));
}

#[test]
fn a_stopped_reader_is_told() {
    let _alone = alone();
    let tally = Tally::new();
    let children = both(
        channels::pipe(),
        tally,
        |fd, seen| {
            write(fd, &[1; 5000], seen);
        },
        |fd, seen| {
            read(fd, &mut [0; 100], seen);
        },
    );
    children[1].signal(libc::SIGSTOP);
    let (map, edge) = edge_of(&[children[0].pid(), children[1].pid()], EdgeKind::Pipe);
    tally.release(0);
    wait_for(&tally.done[0]);
    let mut rounds = 0;
    let Some(report) = watch_calls(&map, &edge, |_| {
        rounds += 1;
        rounds < 80
    }) else {
        return;
    };
    let found = report.findings.iter().find(|one| one.id == "nothing-reads");
    let found = found.unwrap_or_else(|| panic!("{report:#?}"));
    assert!(found.evidence.iter().any(|line| line.contains("stopped")), "{found:?}");
    children[1].signal(libc::SIGCONT);
}

#[test]
fn lost_calls_are_counted_and_what_was_recorded_with_them_is_all() {
    let _alone = alone();
    let tally = Tally::new();
    const WRITES: u64 = 200_000;
    let children = both(
        channels::pipe(),
        tally,
        |fd, seen| {
            for _ in 0..WRITES {
                write(fd, &[1], seen);
            }
        },
        |fd, seen| {
            for _ in 0..WRITES {
                read(fd, &mut [0; 1], seen);
            }
        },
    );
    let (map, edge) = edge_of(&[children[0].pid(), children[1].pid()], EdgeKind::Pipe);
    let Some(report) = watch_calls(&map, &edge, |_| {
        // Nothing is taken from the ring until all is done: it has no room for so many.
        tally.release(1);
        tally.release(0);
        wait_for(&tally.done[0]);
        wait_for(&tally.done[1]);
        false
    }) else {
        return;
    };
    let ([writes, _, reads, _], own) = both_counts(&report, 0, &tally.seen[0], &tally.seen[1]);
    assert_eq!(own[0] + own[2], 2 * WRITES);
    assert!(report.lost_calls > 0);
    assert_eq!(writes + reads + report.lost_calls, 2 * WRITES);
}

#[test]
fn memory_is_looked_at_only_and_calls_are_refused_with_the_reason() {
    let _alone = alone();
    let tally = Tally::new();
    let children = [0, 1].map(|who| Child::fork(tally, who, &[], |_| {}));
    let (map, edge) = edge_of(&[children[0].pid(), children[1].pid()], EdgeKind::AnonymousMemory);
    let by = |instrument| WatchOptions { lasts: Duration::from_millis(300), instrument };
    let report = atlas::watch(&map, &edge, &by(None), |_| true).expect("it is looked at");
    assert_eq!(report.instrument, WatchInstrument::Looks);
    assert!(report.directions.iter().all(|each| each.writes.is_none() && each.reads.is_none()));
    // A file's size is nothing that waits.
    assert!(report.findings.is_empty() && report.directions.iter().all(|each| each.queued.is_none()));
    assert!(report.unavailable.iter().any(|gone| gone.why.contains("no system call")), "{report:#?}");
    let refused = atlas::watch(&map, &edge, &by(Some(WatchInstrument::Calls)), |_| true);
    assert!(matches!(refused, Err(WatchError::Refused(_))), "{refused:?}");
}

#[test]
fn another_user_gets_looks_and_the_reason() {
    const NOBODY: libc::uid_t = 65534;
    let _alone = alone();
    if !rustix::process::geteuid().is_root() {
        return cannot_run(Lacks::Right, "only root can become another user");
    }
    let become_nobody = || {
        // SAFETY: these take numbers. The calls of the kernel change this thread alone.
        unsafe {
            libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY);
            let done = libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY);
            // A process that changes its user is closed to others, as if it kept secrets.
            libc::prctl(libc::PR_SET_DUMPABLE, 1);
            done
        }
    };
    let tally = Tally::new();
    let talk = |fd: RawFd, seen: &Seen, writes: bool| {
        become_nobody();
        tally.wrote_at[usize::from(writes)].store(1, Ordering::Release);
        wait_for(&tally.go[7]);
        if writes {
            write(fd, &[1; 100], seen);
        }
    };
    let children =
        both(channels::pipe(), tally, |fd, seen| talk(fd, seen, true), |fd, seen| talk(fd, seen, false));
    [0, 1].iter().for_each(|&who| tally.release(who));
    [0, 1].iter().for_each(|&who| wait_for(&tally.wrote_at[who]));
    let (map, edge) = edge_of(&[children[0].pid(), children[1].pid()], EdgeKind::Pipe);
    let by = |instrument| WatchOptions { lasts: LIMIT, instrument };
    let watched = std::thread::scope(|threads| {
        let watcher = threads.spawn(|| {
            assert_eq!(become_nobody(), 0);
            let refused = atlas::watch(&map, &edge, &by(Some(WatchInstrument::Calls)), |_| true);
            assert!(matches!(refused, Err(WatchError::Refused(_))), "{refused:?}");
            let mut rounds = 0;
            atlas::watch(&map, &edge, &by(None), |_| {
                tally.release(7);
                rounds += 1;
                rounds < 80
            })
        });
        watcher.join().expect("no panic")
    });
    let report = watched.expect("its own processes can be looked at");
    assert_eq!(report.instrument, WatchInstrument::Looks);
    let gone = report.unavailable.iter().find(|gone| gone.what.contains("calls")).expect("the reason");
    assert!(gone.remedy.contains("root"), "{gone:?}");
    assert_eq!(report.directions[0].queued.as_ref().expect("a pipe tells").max, 100, "{report:#?}");
}

/// Where the other process of the test below learns what to watch.
const WATCHES: &str = "ATLAS_TEST_WATCHES";

#[test]
fn a_watch_that_is_killed_leaves_nothing_in_the_kernel_and_the_watched_go_on() {
    let _alone = alone();
    if let Some(pids) = std::env::var_os(WATCHES) {
        let pids: Vec<i32> = pids.to_str().unwrap().split(',').map(|pid| pid.parse().unwrap()).collect();
        let (map, edge) = edge_of(&pids, EdgeKind::Pipe);
        let options = WatchOptions { lasts: LIMIT, instrument: Some(WatchInstrument::Calls) };
        let _ = atlas::watch(&map, &edge, &options, |_| true);
        return;
    }
    let tally = Tally::new();
    let children = both(
        channels::pipe(),
        tally,
        |fd, seen| {
            loop {
                write(fd, &[1; 64], seen);
            }
        },
        |fd, seen| {
            loop {
                read(fd, &mut [0; 64], seen);
            }
        },
    );
    [0, 1].iter().for_each(|&who| tally.release(who));
    let before = match programs() {
        Ok(programs) => programs,
        Err(error) => return cannot_run(Lacks::by(&error), format!("bpf(2): {error}")),
    };
    let name = "strange::a_watch_that_is_killed_leaves_nothing_in_the_kernel_and_the_watched_go_on";
    let mut watcher = Command::new(std::env::current_exe().expect("it runs"))
        .args(["--exact", name])
        .env(WATCHES, format!("{},{}", children[0].pid(), children[1].pid()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let own = |programs: &[u32]| programs.iter().filter(|id| !before.contains(id)).count();
    let deadline = Instant::now() + LIMIT;
    let until = |count: usize| {
        while own(&programs().expect("as before")) != count {
            assert!(Instant::now() < deadline, "the kernel runs {} programs more", own(&programs().unwrap()));
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    // The control: while the watch runs, they are there.
    until(2);
    watcher.kill().expect("it runs");
    watcher.wait().expect("it was killed");
    until(0);
    let had = tally.seen[1].all();
    while tally.seen[1].all()[2] == had[2] {
        assert!(Instant::now() < deadline, "the watched have stopped");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The programs that the kernel has, of all users: BPF_PROG_GET_NEXT_ID of bpf(2).
fn programs() -> io::Result<Vec<u32>> {
    const NEXT_PROGRAM: libc::c_long = 11;
    let mut ids = Vec::new();
    loop {
        let mut attributes = [ids.last().copied().unwrap_or(0), 0, 0, 0];
        // SAFETY: the kernel reads and writes as many bytes as it is told, which is the array's size.
        let done = unsafe {
            libc::syscall(libc::SYS_bpf, NEXT_PROGRAM, attributes.as_mut_ptr(), size_of_val(&attributes))
        };
        match done {
            0 => ids.push(attributes[1]),
            _ if io::Error::last_os_error().raw_os_error() == Some(libc::ENOENT) => return Ok(ids),
            _ => return Err(io::Error::last_os_error()),
        }
    }
}
