//! `ipcscope serve`: the page, its parts, its headers, and how it ends.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::client::Lab;
use crate::harness::Desk;

#[test]
fn the_page_carries_a_token_that_nobody_keeps() {
    let desk = Desk::new();
    let lab = Lab::start(&desk);
    let page = lab.get("/").with(200);
    assert!(page.head.contains("text/html"), "{page:#?}");
    assert!(page.head.contains("cache-control: no-store"), "{page:#?}");
    assert!(!page.body.contains("{{"), "{page:#?}");
    assert_eq!(lab.token().len(), 32, "128 bits");
    assert_ne!(lab.token(), Lab::start(&desk).token(), "of this start only");
    for target in
        ["/etc/passwd", "/web/", "/web/nothing.js", "/web/../Cargo.toml", "/web/%2e%2e/Cargo.toml", "/api"]
    {
        assert!(lab.get(target).with(404).json()["error"].is_string(), "{target}");
    }
    assert_eq!(lab.send("HEAD", "/", &[("Host", &lab.host())], "").with(200).body, "");
}

#[test]
fn every_file_of_the_page_is_built_in_and_kept_by_its_tag() {
    let lab = Lab::new();
    let page = lab.get("/web/index.html").with(200);
    let tag = page.head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").to_owned();
    let again = lab.send("GET", "/web/index.html", &[("Host", &lab.host()), ("If-None-Match", &tag)], "");
    assert_eq!(again.with(304).body, "");
}

#[test]
fn a_folder_is_served_as_it_is_now() {
    let desk = Desk::new();
    desk.run("serve --web-dir .").refused("no index.html");
    fs::write(desk.path("index.html"), "<meta name=\"token\" content=\"{{token}}\">").expect("a file");
    let lab = Lab::run(&desk, &["serve", "--listen", "127.0.0.1:0", "--web-dir", "."]);
    fs::write(desk.path("now.js"), "1").expect("a file");
    assert_eq!(lab.token().len(), 32);
    let part = lab.get("/web/now.js").with(200);
    assert!(part.head.contains("text/javascript"), "{part:#?}");
    fs::write(desk.path("now.js"), "2").expect("a file");
    assert_eq!(lab.get("/web/now.js").body, "2");
    lab.get("/web/state/../now.js").with(404);
}

#[test]
fn what_the_lab_is() {
    let lab = Lab::new();
    let facts = lab.get("/api/lab").with(200).json();
    assert_eq!(facts["version"], env!("CARGO_PKG_VERSION"));
    assert!(facts["machine"]["architecture"].is_string(), "{facts}");
    assert_eq!(facts["scenes"].as_array().map(Vec::len), Some(crossing::Kind::ALL.len()), "{facts}");
    assert!(!facts["cores"].as_array().expect("a list").is_empty());
    assert_eq!(facts["limits"]["size_bytes"], 16 << 20);
    for finding in lab.get("/api/doctor").with(200).json()["findings"].as_array().expect("a list") {
        assert!(["yes", "no", "partly"].contains(&finding["verdict"].as_str().expect("a word")), "{finding}");
        assert!(finding["what"].is_string() && finding["text"].is_string(), "{finding}");
    }
    assert_eq!((facts["last_run"].is_null(), &facts["replay"]), (true, &false.into()));
    assert!(lab.get("/api/replay").with(404).error().contains("without a trace"));
}

#[test]
fn every_answer_keeps_the_page_to_itself() {
    let lab = Lab::new();
    for answer in [
        lab.get("/"),
        lab.get("/api/lab"),
        lab.get("/nothing"),
        lab.send("GET", "/", &[("Host", "evil.example")], ""),
        lab.send("BREW", "/", &[("Host", &lab.host())], ""),
    ] {
        for header in [
            "content-security-policy: default-src 'self'; connect-src 'self' ws://127.0.0.1:",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(answer.head.contains(header), "{header}: {answer:#?}");
        }
        assert!(!answer.head.contains("unsafe-"), "{answer:#?}");
        assert!(!answer.head.contains("access-control-"), "{answer:#?}");
    }
}

#[test]
fn the_default_port_gives_way_and_says_so() {
    // Held by this test, or by another program already.
    let _taken = std::net::TcpListener::bind("127.0.0.1:7878");
    let desk = Desk::new();
    let mut lab = Lab::run(&desk, &[]);
    assert_ne!(lab.address.port(), 7878);
    lab.get("/").with(200);
    lab.running.signal(Signal::TERM);
    assert_eq!(lab.running.wait(), Some(0));
    let mut told = String::new();
    lab.running.0.stderr.take().expect("a pipe").read_to_string(&mut told).expect("text");
    assert_eq!(told, "ipcscope: port 7878 is taken, so the lab is on another one\n");
}

#[test]
fn both_signals_end_it_with_0() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut lab = Lab::new();
        // A client that never finishes a request must not keep it alive, nor must an open page.
        let _half = TcpStream::connect(lab.address).and_then(|mut stream| stream.write_all(b"GET / HT"));
        let _page = lab.socket("/api/live");
        lab.running.signal(signal);
        assert_eq!(lab.running.wait(), Some(0));
    }
}
