//! What other programs are like: they end, are stopped, have strange names, many descriptors, and belong to others.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use atlas::{Beyond, BeyondKind, Edge, EdgeKind, ProgramMap, Scope, ScopeError, TaskState};

use crate::animals::{inode, place};
use crate::cannot_run::{Lacks, cannot_run};
use crate::child::{Child, alone};
use crate::{map_of, own_pid};

fn edge<'a>(map: &'a ProgramMap, id: &str) -> &'a Edge {
    let found = map.edges.iter().find(|edge| edge.id.0 == id);
    found.unwrap_or_else(|| panic!("{id} is not in {:#?}", map.edges))
}

/// The ends of an edge: side, process, reads, writes.
fn ends(edge: &Edge) -> BTreeSet<(u8, i32, bool, bool)> {
    edge.ends.iter().map(|end| (end.side, end.process.pid, end.reads, end.writes)).collect()
}

#[test]
fn what_has_ended_is_not_there_and_what_is_stopped_is() {
    let _alone = alone();
    let (reads, writes) = io::pipe().expect("a pipe");
    let child = Child::holding(&[reads.as_raw_fd()], || {});
    drop(writes);
    let pid = child.pid();
    child.signal(libc::SIGSTOP);
    let id = format!("pipe:{}", inode(&reads));
    let mut map = map_of(&[pid]);
    // A signal takes its time.
    while map.processes.iter().any(|one| one.id.pid == pid && one.state != TaskState::Stopped) {
        map = map_of(&[pid]);
    }
    assert_eq!(ends(edge(&map, &id)), BTreeSet::from([(0, pid, false, true), (1, own_pid(), true, false)]));
    drop(child);
    let map = map_of(&[pid]);
    assert!(map.edges.is_empty() && map.processes.iter().all(|one| one.id.pid != pid), "{map:#?}");
    assert!(map.unread.iter().all(|one| one.processes.iter().all(|process| process.pid != pid)), "{map:#?}");
    assert_eq!(Scope::named([&*pid.to_string()]), Err(ScopeError::NoSuchProcess(pid)));
    // What the pipe's other end is now, its own descriptor tells.
    let closed = Beyond { kind: BeyondKind::Closed, address: None };
    assert_eq!(edge(&map_of(&[own_pid()]), &id).beyond, Some(closed));
}

#[test]
fn processes_that_come_and_go_leave_every_map_whole() {
    let _alone = alone();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let mut child = Command::new("true").stdin(Stdio::piped()).spawn().expect("it starts");
                child.wait().expect("it ends");
            }
        });
        for _ in 0..20 {
            let map = map_of(&[own_pid()]);
            let known: BTreeSet<_> = map.processes.iter().map(|one| one.id).collect();
            let named = map.edges.iter().flat_map(|edge| &edge.ends).all(|end| known.contains(&end.process));
            assert!(named && known.iter().any(|id| id.pid == own_pid()), "{map:#?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_thread_is_not_taken_for_a_process() {
    let thread = std::thread::spawn(|| rustix::thread::gettid().as_raw_nonzero().get()).join();
    let thread = thread.expect("it ends");
    assert!(Scope::named([&*thread.to_string()]).is_err(), "it has ended");
    std::thread::spawn(|| {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        assert_eq!(Scope::named([&*thread.to_string()]), Err(ScopeError::IsThread(thread, own_pid())));
    })
    .join()
    .expect("it holds");
}

#[test]
fn ten_thousand_descriptors_are_all_looked_at() {
    let _alone = alone();
    const PIPES: usize = 5_000;
    // SAFETY: the structure is the call's own, and lives until it returns.
    let limit = unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised);
        limit.rlim_max
    };
    if limit < 2 * PIPES as u64 + 100 {
        return cannot_run(Lacks::Right, format!("this user may have {limit} descriptors only"));
    }
    let pipes: Vec<_> = (0..PIPES).map(|_| io::pipe().expect("a pipe")).collect();
    let map = map_of(&[own_pid()]);
    let ids: BTreeSet<String> = pipes.iter().map(|(reads, _)| format!("pipe:{}", inode(reads))).collect();
    let found: Vec<&Edge> = map.edges.iter().filter(|edge| ids.contains(&edge.id.0)).collect();
    assert_eq!(found.len(), PIPES);
    let both = BTreeSet::from([(0, own_pid(), false, true), (1, own_pid(), true, false)]);
    assert!(found.iter().all(|edge| ends(edge) == both && edge.unread.is_empty()));
}

#[test]
fn names_are_told_as_they_are_and_long_command_lines_are_cut() {
    let _alone = alone();
    let path = place(") x\n\u{1b}\"");
    std::os::unix::fs::symlink("/bin/sh", &path).expect("a link");
    let mut command = Command::new(&path);
    command.arg0("an 'argument' \u{1b}[2J").args(["-c", "read x"]).arg("x".repeat(4096));
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let pid = child.id() as i32;
    let map = map_of(&[pid]);
    let _ = child.kill();
    let _ = child.wait();
    let _ = fs::remove_file(&path);
    let process = map.processes.iter().find(|one| one.id.pid == pid).expect("it ran");
    let name = path.file_name().expect("a name").to_string_lossy();
    assert!(name.starts_with(&process.name) && process.name.len() == 15, "{:?}", process.name);
    assert_eq!(process.command[..3], ["an 'argument' \u{1b}[2J", "-c", "read x"]);
    let last = process.command.last().expect("a word");
    assert!(process.command.len() == 4 && last.ends_with('…') && last.len() < 2_100, "{process:?}");
}

#[test]
fn a_channel_to_itself_has_both_its_ends_in_one_process() {
    let _alone = alone();
    let path = place("itself");
    let unix = UnixDatagram::bind(&path).expect("it binds");
    unix.connect(&path).expect("it connects");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("it binds");
    let at = udp.local_addr().expect("bound");
    udp.connect(at).expect("it connects");
    let map = map_of(&[own_pid()]);
    let _ = fs::remove_file(&path);
    let both = BTreeSet::from([(0, own_pid(), true, true), (1, own_pid(), true, true)]);
    assert_eq!(ends(edge(&map, &format!("unix:{0}-{0}", inode(&unix)))), both);
    assert_eq!(ends(edge(&map, &format!("udp:{at}-{at}"))), both);
}

#[test]
fn a_pipe_has_three_writers() {
    let _alone = alone();
    let (reads, writes) = io::pipe().expect("a pipe");
    let closes = [reads.as_raw_fd()];
    let (one, other) = (Child::holding(&closes, || {}), Child::holding(&closes, || {}));
    let map = map_of(&[one.pid()]);
    let writers = [own_pid(), one.pid(), other.pid()].map(|pid| (0, pid, false, true));
    let all: BTreeSet<_> = writers.into_iter().chain([(1, own_pid(), true, false)]).collect();
    assert_eq!(ends(edge(&map, &format!("pipe:{}", inode(&reads)))), all);
    drop(writes);
}

#[test]
fn what_is_beyond_an_edge_is_told_apart() {
    let _alone = alone();
    let path = place("beyond");
    let listener = UnixListener::bind(&path).expect("it binds");
    let waiting = UnixStream::connect(&path).expect("it connects");
    let (left, gone) = UnixStream::pair().expect("a pair");
    drop(gone);
    let (reads, writes) = io::pipe().expect("a pipe");
    drop(reads);
    let server = TcpListener::bind("127.0.0.1:0").expect("it binds");
    let at = server.local_addr().expect("bound");
    let client = TcpStream::connect(at).expect("it connects");
    // An address for documentation (RFC 5737): nothing is sent to it.
    let away = UdpSocket::bind("0.0.0.0:0").expect("it binds");
    let leads_away = away.connect("192.0.2.1:9");
    let map = map_of(&[own_pid()]);
    let _ = fs::remove_file(&path);
    let beyond = |id: String| edge(&map, &id).beyond.clone().map(|beyond| (beyond.kind, beyond.address));
    let name = path.to_string_lossy().into_owned();
    let unaccepted = beyond(format!("unix:{}", inode(&waiting)));
    assert_eq!(unaccepted, Some((BeyondKind::Unaccepted, Some(name.clone()))));
    assert_eq!(beyond(format!("unix:{}", inode(&left))), Some((BeyondKind::Closed, None)));
    assert_eq!(beyond(format!("pipe:{}", inode(&writes))), Some((BeyondKind::Closed, None)));
    let from = client.local_addr().expect("bound");
    let unaccepted = beyond(format!("tcp:{}-{}", at.min(from), at.max(from)));
    assert_eq!(unaccepted, Some((BeyondKind::Unaccepted, Some(at.to_string()))));
    let own = map.processes.iter().find(|one| one.id.pid == own_pid()).expect("it runs");
    let listens = |kind, address: &str, fd: &dyn AsRawFd| {
        own.listens
            .iter()
            .any(|one| one.kind == kind && one.address == address && one.descriptors == [fd.as_raw_fd()])
    };
    assert!(listens(EdgeKind::UnixStream, &name, &listener), "{:#?}", own.listens);
    assert!(listens(EdgeKind::Tcp, &at.to_string(), &server), "{:#?}", own.listens);
    match leads_away {
        Ok(()) => {
            let from = away.local_addr().expect("bound");
            let to = "192.0.2.1:9".parse().expect("an address");
            let id = format!("udp:{}-{}", from.min(to), from.max(to));
            assert_eq!(beyond(id), Some((BeyondKind::Elsewhere, Some("192.0.2.1:9".into()))));
        }
        Err(error) => cannot_run(Lacks::Part, format!("no way leads off this machine: {error}")),
    }
}

#[test]
fn a_socket_of_another_family_is_named() {
    let _alone = alone();
    let kind = (rustix::net::AddressFamily::VSOCK, rustix::net::SocketType::STREAM);
    let _socket = match rustix::net::socket(kind.0, kind.1, None) {
        Ok(socket) => socket,
        Err(error) => return cannot_run(Lacks::Part, format!("vsock: {error}")),
    };
    let map = map_of(&[own_pid()]);
    let of_own = |processes: &[atlas::ProcessId]| processes.iter().any(|process| process.pid == own_pid());
    let named = map.unread.iter().filter(|one| one.what.contains("VSOCK") && of_own(&one.processes));
    assert_eq!(named.count(), 1, "{:#?}", map.unread);
}

#[test]
fn another_network_namespace_is_looked_into_or_named() {
    let _alone = alone();
    let child = Child::holding(&[], || {
        let mut pair = [0; 2];
        // SAFETY: the place has room for two descriptors.
        unsafe {
            if libc::unshare(libc::CLONE_NEWNET) == 0
                || libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) == 0
            {
                libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr());
            }
        }
    });
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/net")).expect("/proc");
    if namespace(child.pid()) == namespace(own_pid()) {
        return cannot_run(Lacks::Right, "no network namespace could be made");
    }
    let map = map_of(&[child.pid()]);
    let of_pair = map.edges.iter().find(|edge| {
        edge.kind == EdgeKind::UnixStream && edge.ends.iter().all(|end| end.process.pid == child.pid())
    });
    let number =
        namespace(child.pid()).to_string_lossy().trim_matches(|c: char| !c.is_ascii_digit()).to_owned();
    let named = map.unread.iter().any(|one| one.whose.contains(&number) && one.remedy.contains("root"));
    let seen = of_pair.is_some_and(|edge| edge.ends.len() == 2);
    assert!(seen != named, "{map:#?}");
    // Root looks into it; this thread has stayed where it was.
    assert!(seen || !rustix::process::geteuid().is_root(), "{map:#?}");
}

/// Where the unprivileged look finds which process it is to look at.
const LOOK_AT: &str = "ATLAS_ZOO_LOOK_AT";

/// The look of a user without rights: of no use unless it is told at which process.
#[test]
fn looks_without_rights() {
    let Ok(pid) = std::env::var(LOOK_AT) else { return };
    let pid: i32 = pid.parse().expect("a number");
    let map = map_of(&[own_pid(), pid]);
    let refused = map.unread.iter().find(|one| {
        one.what == "descriptors" && one.whose == "user 0" && one.processes.iter().any(|of| of.pid == pid)
    });
    let refused = refused.unwrap_or_else(|| panic!("it is not named: {:#?}", map.unread));
    assert!(refused.why.contains("denied") && refused.remedy.contains("root"), "{refused}");
    // Its own end of what joins it with root's process is there, and the other is said to be unseen.
    let own = edge(&map, &format!("unix:{}", std::env::var("ATLAS_ZOO_PAIR").expect("a pair")));
    assert!(own.ends.iter().all(|end| end.process.pid == own_pid()), "{own:#?}");
    assert_eq!(own.beyond.as_ref().map(|beyond| beyond.kind), Some(BeyondKind::Unseen));
    let own_pipe = io::pipe().expect("a pipe");
    let map = map_of(&[own_pid()]);
    assert_eq!(ends(edge(&map, &format!("pipe:{}", inode(&own_pipe.0)))).len(), 2);
    println!("looked without rights");
}

#[test]
fn what_a_user_without_rights_is_refused_is_named() {
    let _alone = alone();
    if !rustix::process::geteuid().is_root() {
        return cannot_run(Lacks::Right, "only root can become another user");
    }
    let program = place("unprivileged");
    fs::copy(std::env::current_exe().expect("a path"), &program).expect("a copy");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let (here, there) = UnixStream::pair().expect("a pair");
    let (one, other) = (inode(&here), inode(&there));
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]).arg(&program);
    command.args(["strangers::looks_without_rights", "--exact", "--nocapture"]).current_dir("/");
    command.env(LOOK_AT, own_pid().to_string());
    command.env("ATLAS_ZOO_PAIR", format!("{}-{}", one.min(other), one.max(other)));
    let ran = command.stdin(OwnedFd::from(there)).output();
    let _ = fs::remove_file(&program);
    let ran = match ran {
        Ok(ran) => ran,
        Err(error) => return cannot_run(Lacks::Tool, format!("setpriv: {error}")),
    };
    drop(command);
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("looked without rights"), "{ran:#?}");
}

/// The look of a user from whom /proc hides other users' processes: of no use unless it is told so.
#[test]
fn looks_where_processes_are_hidden() {
    if std::env::var_os("ATLAS_ZOO_HIDDEN").is_none() {
        return;
    }
    let map = ProgramMap::take(&Scope::All);
    assert!(map.processes.iter().all(|one| one.uid == 65534), "{:#?}", map.processes);
    let named = map.unread.iter().any(|one| one.what.contains("other users") && one.why.contains("hidepid"));
    assert!(named && !map.processes.is_empty(), "{:#?}", map.unread);
    println!("looked where processes are hidden");
}

#[test]
fn processes_that_proc_hides_are_named() {
    let _alone = alone();
    if !rustix::process::geteuid().is_root() {
        return cannot_run(Lacks::Right, "only root can mount /proc anew");
    }
    let program = place("hidden");
    fs::copy(std::env::current_exe().expect("a path"), &program).expect("a copy");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    // Another /proc, seen by this command only.
    let script = "mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(&program);
    command.args(["strangers::looks_where_processes_are_hidden", "--exact", "--nocapture"]).current_dir("/");
    let ran = command.env("ATLAS_ZOO_HIDDEN", "1").output();
    let _ = fs::remove_file(&program);
    let ran = ran.expect("unshare is there");
    let said = String::from_utf8_lossy(&ran.stderr);
    if said.contains("mount:") || said.contains("unshare:") {
        return cannot_run(Lacks::Right, said);
    }
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("looked where processes are hidden"), "{ran:#?}");
}

/// Where the other end of a channel of crossing finds that it is one.
const CROSSES: &str = "ATLAS_ZOO_CROSSES";

/// The other end of a channel: of no use unless it is told.
#[test]
fn crosses() {
    if std::env::var_os(CROSSES).is_none() {
        return;
    }
    let endpoint = crossing::Endpoint::inherited().expect("an end");
    let mut connection = endpoint.connect(&crossing::Config::default()).expect("a peer");
    let _ = connection.recv(&mut [0; 64]);
}

#[test]
fn the_mechanisms_of_crossing_are_what_they_say() {
    let _alone = alone();
    for kind in crossing::Kind::ALL {
        let (here, there) = crossing::Endpoint::pair(kind).expect("a pair");
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.args(["strangers::crosses", "--exact"]).env(CROSSES, "1").stdout(Stdio::null());
        let mut child = there.spawn(command).expect("it starts");
        let connection = here.connect(&crossing::Config::default()).expect("a peer");
        let pid = child.id() as i32;
        let map = map_of(&[pid]);
        drop(connection);
        child.wait().expect("it ends");
        let joins = |of: EdgeKind| -> Vec<BTreeSet<(u8, i32, bool, bool)>> {
            let both = |edge: &&Edge| {
                let pids: BTreeSet<i32> = edge.ends.iter().map(|end| end.process.pid).collect();
                edge.kind == of && pids == BTreeSet::from([pid, own_pid()])
            };
            map.edges.iter().filter(both).map(ends).collect()
        };
        let has = match kind.name() {
            // Each has a region that only it may write.
            "shm" => {
                let regions = joins(EdgeKind::Memfd);
                let of = |owner, other| BTreeSet::from([(0, owner, true, true), (0, other, true, false)]);
                regions.contains(&of(pid, own_pid())) && regions.contains(&of(own_pid(), pid))
            }
            "pipe" => {
                let pipes = joins(EdgeKind::Pipe);
                let from = |pid| pipes.iter().any(|ends| ends.contains(&(0, pid, false, true)));
                from(pid) && from(own_pid())
            }
            "unix" => [EdgeKind::UnixStream, EdgeKind::UnixSeqpacket].iter().any(|&of| !joins(of).is_empty()),
            _ => joins(EdgeKind::Tcp).len() == 1,
        };
        assert!(has, "{kind}: {map:#?}");
    }
}
