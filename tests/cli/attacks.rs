//! What hostile pages, other users and broken clients send, and that no process comes of it.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::cannot_run::{Lacks, cannot_run};
use crate::client::{LONG, Lab, SHORT, frame, frame_that};
use crate::harness::{Desk, eventually};

#[track_caller]
fn nobody_was_started(lab: &Lab) {
    assert_eq!(lab.running.children(), Vec::<u32>::new());
}

#[test]
fn only_our_own_names_are_answered() {
    let lab = Lab::new();
    let port = lab.address.port();
    let (evil, rebound, other) =
        ("evil.example".to_owned(), format!("evil.example:{port}"), "127.0.0.1:1".to_owned());
    for host in [&evil, &rebound, &other, &"localhost".to_owned(), &String::new()] {
        lab.send("GET", "/", &[("Host", host)], "").with(403);
        lab.send("GET", "/api/runs", &[("Host", host)], "").with(403);
    }
    let ours = format!("localhost:{port}");
    lab.send("GET", "/", &[("Host", &ours), ("Host", &evil)], "").with(403);
    lab.send("GET", "/", &[], "").with(403);
    lab.send("GET", "/", &[("Host", &ours)], "").with(200);
}

#[test]
fn the_address_that_it_prints_is_its_own() {
    let desk = Desk::new();
    for listen in ["127.0.0.1:0", "127.0.0.2:0", "127.9.9.9:0", "localhost:0", "LOCALHOST.:0", "[::1]:0"] {
        if listen.starts_with('[') && std::net::TcpListener::bind(listen).is_err() {
            cannot_run(Lacks::Part, "this machine has no IPv6");
            continue;
        }
        let lab = Lab::run(&desk, &["serve", "--listen", listen]);
        lab.get("/").with(200);
        assert_eq!(frame(&mut lab.socket("/api/live"))["is"], "snapshot", "{listen}");
        lab.ask("DELETE", "/api/race", "").with(404);
        let port = lab.address.port();
        for name in ["localhost", "LocalHost", "localhost.", "127.0.0.1", "[::1]"] {
            let host = format!("{name}:{port}");
            let from = |origin: &str| {
                lab.send("GET", "/api/runs", &[("Host", &host), ("Origin", origin)], "").status
            };
            assert_eq!(from(&format!("http://{host}")), 200, "{host}");
            for foreign in
                [format!("http://evil.example:{port}"), format!("http://{name}:1"), format!("https://{host}")]
            {
                assert_eq!(from(&foreign), 403, "{foreign} asks {host}");
            }
        }
        for name in ["evil.example", "evil.localhost", "127.0.0.77", "[::2]", "0.0.0.0"] {
            lab.send("GET", "/", &[("Host", &format!("{name}:{port}"))], "").with(403);
        }
    }
}

#[test]
fn a_foreign_page_can_neither_read_nor_start_anything() {
    let lab = Lab::new();
    let (host, token) = (lab.host(), lab.token().to_owned());
    let own = format!("http://{host}");
    let sibling = format!("http://localhost:{}", lab.address.port());
    let post = |origin: &str, token: Option<&str>, kind: &str| {
        let mut headers = vec![("Host", host.as_str()), ("Origin", origin), ("Content-Type", kind)];
        headers.extend(token.map(|token| ("X-Ipcscope-Token", token)));
        lab.send("POST", "/api/race", &headers, LONG).status
    };
    let json = "application/json";
    for origin in ["http://evil.example", "null", "https://evil.example", &sibling] {
        assert_eq!(post(origin, Some(&token), json), 403, "{origin}");
        for read in ["/api/runs", "/api/map"] {
            lab.send("GET", read, &[("Host", &host), ("Origin", origin)], "").with(403);
        }
    }
    // Without the token, with a wrong one, with one that is nearly right.
    let near = format!("{}{}", &token[..31], if token.ends_with('0') { '1' } else { '0' });
    for wrong in [None, Some(""), Some("0"), Some(near.as_str()), Some(&token[..31])] {
        assert_eq!(post(&own, wrong, json), 403, "{wrong:?}");
    }
    // What a form can send without asking.
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""] {
        assert_eq!(post(&own, Some(&token), kind), 415, "{kind}");
    }
    // An image, a script, a fetch without cors: no `Origin`, but the browser names the requesting
    // site.
    for site in ["cross-site", "same-site"] {
        for read in ["/api/runs", "/api/map"] {
            lab.send("GET", read, &[("Host", &host), ("Sec-Fetch-Site", site)], "").with(403);
        }
        lab.send("GET", "/web/index.html", &[("Host", &host), ("Sec-Fetch-Site", site)], "").with(403);
    }
    nobody_was_started(&lab);
}

#[test]
fn a_websocket_of_another_page_stays_closed() {
    let lab = Lab::new();
    let own = format!("http://{}", lab.host());
    let (live, stage) =
        ("/api/live?x=1".to_owned(), "/api/stage?kind=pipe&wait=block&placement=unpinned&size=64".to_owned());
    let map = "/api/map/live?x=1".to_owned();
    for target in [live, stage, map] {
        let with = format!("{target}&token={}", lab.token());
        assert_eq!(lab.knock(&with, Some("http://evil.example")).map(drop), Err(403));
        assert_eq!(lab.knock(&with, Some("null")).map(drop), Err(403));
        assert_eq!(lab.knock(&target, Some(&own)).map(drop), Err(403));
        assert_eq!(lab.knock(&target, None).map(drop), Err(403));
        assert_eq!(lab.knock(&format!("{target}&token=0"), Some(&own)).map(drop), Err(403));
    }
    nobody_was_started(&lab);
}

#[test]
fn another_user_of_the_machine_is_refused() {
    // The unit tests look at the rest.
    if !rustix::process::geteuid().is_root() {
        return cannot_run(Lacks::Right, "only root can ask as somebody else");
    }
    let lab = Lab::new();
    let ask = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{}; printf 'GET / HTTP/1.1\\r\\nHost: {}\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3",
        lab.address.port(),
        lab.host()
    );
    let answer_to = |uid| {
        let output = Command::new("bash").args(["-c", &ask]).uid(uid).output().expect("bash");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (nobodys, ours) = (answer_to(65_534), answer_to(0));
    assert!(nobodys.starts_with("HTTP/1.1 403") && nobodys.contains("user 65534"), "{nobodys}");
    assert!(!nobodys.contains(lab.token()));
    assert!(ours.starts_with("HTTP/1.1 200") && ours.contains(lab.token()), "{ours}");
}

/// The start of a lab in a user namespace, by `unshare` with these words; `None`, said, where there can be none.
fn in_a_namespace(desk: &Desk, words: &[&str]) -> Option<Lab> {
    let can = Command::new("unshare").args(words).arg("true").output();
    if !can.as_ref().is_ok_and(|ran| ran.status.success()) {
        cannot_run(Lacks::Part, format!("unshare {}: {can:?}", words.join(" ")));
        return None;
    }
    let words = [&["unshare"], words].concat();
    Some(Lab::by(&mut desk.behind(&words, "serve --listen 127.0.0.1:0")))
}

#[test]
fn a_user_whom_the_namespace_does_not_map_is_not_the_one_who_is_shown_alike() {
    let desk = Desk::new();
    // The namespace maps no user: the lab's user is shown as 65534, and so is each other.
    let Some(lab) = in_a_namespace(&desk, &["--user"]) else { return };
    let answer = lab.get("/").with(403);
    assert!(answer.error().contains("user namespace") && answer.error().contains("map"), "{answer:#?}");
    assert!(!answer.body.contains("name=\"token\""), "{answer:#?}");
    // This user is mapped, and told from the others.
    let Some(lab) = in_a_namespace(&desk, &["--user", "--map-root-user"]) else { return };
    lab.get("/").with(200);
}

#[test]
fn every_other_method_is_refused() {
    let lab = Lab::new();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        lab.send(method, "/", &[("Host", &lab.host())], "").with(403);
        let answer = lab.ask(method, "/", "").with(405);
        assert!(answer.head.contains("allow: get"), "{answer:#?}");
    }
    lab.ask("PUT", "/api/race", SHORT).with(405);
}

#[test]
fn bodies_that_are_too_long_or_make_no_sense() {
    let lab = Lab::new();
    let long = format!("{{\"kinds\":[{}\"pipe\"]}}", "\"pipe\",".repeat(20_000));
    lab.ask("POST", "/api/race", &long).with(413);
    // Announced only; the lab does not wait for it.
    let announced = format!(
        "POST /api/runs HTTP/1.1\r\nHost: {}\r\nX-Ipcscope-Token: {}\r\nContent-Type: application/json\r\n\
         Content-Length: 99999999999\r\n\r\n",
        lab.host(),
        lab.token()
    );
    assert!(lab.raw(announced.as_bytes()).starts_with("HTTP/1.1 413"));
    for (body, words) in [
        ("{", "EOF"),
        ("", "EOF"),
        ("[]", "not a list"),
        ("{} {}", "after the JSON"),
        (r#"{"kinds":["smoke"]}"#, "field `kinds[0]`: "),
        (r#"{"kinds":"pipe"}"#, "field `kinds`: "),
        (r#"{"sizes":[64,0]}"#, "size 0 is out of range"),
        (r#"{"sizes":[99999999999]}"#, "field `sizes[0]`: "),
        (r#"{"count":-1}"#, "field `count`: "),
        (r#"{"count":1e30}"#, "field `count`: "),
        (r#"{"count":2000000000}"#, "count 2000000000 is out of range"),
        (r#"{"launches":1001}"#, "launches 1001 is out of range"),
        (r#"{"capacity_bytes":4095}"#, "capacity 4095 is out of range: 4096 to 1073741824 bytes"),
        (r#"{"capacity_bytes":-1}"#, "field `capacity_bytes`: "),
        (r#"{"placement":"0,99999"}"#, "99999"),
        (r#"{"waits":["sometimes"]}"#, "field `waits[0]`: "),
        (r#"{"rivals":["/bin/sh"]}"#, "unknown field `rivals`"),
    ] {
        let answer = lab.ask("POST", "/api/race", body).with(422);
        assert!(answer.error().contains(words), "{body}: {answer:#?}");
    }
    for broken in ["\u{0}\u{1}\u{2}", "GET\r\n\r\n", "GET / HTTP/1.1\r\nHost", "POST / HTTP/9.9\r\n\r\n"] {
        let mut stream = lab.connect();
        let _ = std::io::Write::write_all(&mut stream, broken.as_bytes());
    }
    lab.get("/").with(200);
    nobody_was_started(&lab);
}

#[test]
fn frames_that_are_too_long_or_make_no_sense() {
    let lab = Lab::new();
    let mut socket = lab.live();
    // The lab ignores what a page says here.
    socket.send("{\"do\":\"send\"".into()).expect("sent");
    socket.send(tungstenite::Message::Binary(vec![0; 100].into())).expect("sent");
    lab.ask("POST", "/api/race", SHORT).with(202);
    frame_that(&mut socket, "race-ended");
    let _ = socket.send("x".repeat(1 << 20).into());
    eventually("the lab closes it", || socket.read().is_err());
    lab.get("/").with(200);
    nobody_was_started(&lab);
}

#[test]
fn a_thousand_starts_at_once_are_one_race() {
    let lab = Lab::new();
    lab.token();
    let (granted, refused) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                for _ in 0..20 {
                    match lab.ask("POST", "/api/race", LONG).status {
                        202 => granted.fetch_add(1, Ordering::Relaxed),
                        409 => refused.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other}"),
                    };
                }
            });
        }
    });
    assert_eq!((granted.into_inner(), refused.into_inner()), (1, 999));
    let most = lab.running.children().len();
    assert!(most <= 2, "{most} processes");
    lab.ask("DELETE", "/api/race", "").with(204);
    lab.is_alone_again();
}

#[test]
fn connections_that_say_nothing_do_not_take_every_descriptor() {
    let lab = Lab::new();
    let mut socket = lab.socket("/api/live");
    lab.ask("POST", "/api/race", LONG).with(202);
    frame_that(&mut socket, "race");
    let idle: Vec<_> = (0..320).map(|_| lab.connect()).collect();
    let open = std::fs::read_dir(format!("/proc/{}/fd", lab.running.0.id())).expect("/proc").count();
    assert!(open < 300, "{open} descriptors");
    drop(idle);
    lab.ask("DELETE", "/api/race", "").with(204);
    frame_that(&mut socket, "race-ended");
}

#[test]
fn who_says_nothing_does_not_keep_others_waiting() {
    let lab = Lab::new();
    let mut socket = lab.live();
    lab.token();
    let silent: Vec<_> = (0..300)
        .map(|number| {
            let mut stream = lab.connect();
            if number % 2 == 0 {
                std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: ").expect("sent");
            }
            stream
        })
        .collect();
    lab.get("/api/runs").with(200);
    drop(silent);
    // A WebSocket may be silent for as long as it likes.
    lab.ask("POST", "/api/race", SHORT).with(202);
    frame_that(&mut socket, "race-ended");
}
