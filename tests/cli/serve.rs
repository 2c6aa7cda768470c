//! `ipcscope serve`, by raw requests over a socket.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;

use crate::harness::{Desk, PATIENCE, Running};

const FREE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// A running lab.
struct Lab {
    running: Running,
    address: SocketAddr,
}

impl Lab {
    fn start(desk: &Desk, line: &[&str]) -> Lab {
        let mut child = desk.command(line).spawn().expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("ipcscope lab: http://").and_then(|url| url.strip_suffix('/'));
        let address =
            url.and_then(|url| url.parse().ok()).unwrap_or_else(|| panic!("no address in `{line}`"));
        Lab { running: Running(child), address }
    }

    /// The answer to a request, headers and all.
    fn ask(&self, method: &str, target: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("the lab listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!("{method} {target} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    fn get(&self, target: &str) -> String {
        self.ask("GET", target, &format!("Host: {}\r\n", self.address))
    }
}

#[test]
fn the_first_page_and_what_it_needs() {
    let desk = Desk::new();
    let lab = Lab::start(&desk, &FREE);
    let page = lab.get("/");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    for words in ["Mechanisms", "quoted, not measured here", "ipcscope race"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(lab.get("/style.css").contains("text/css"));
    assert!(lab.get("/icon.svg").contains("image/svg+xml"));
    assert!(lab.get("/etc/passwd").starts_with("HTTP/1.1 404"));
    assert!(lab.ask("HEAD", "/", &format!("Host: {}\r\n", lab.address)).starts_with("HTTP/1.1 200"));
}

#[test]
fn the_last_race_is_shown_with_its_machine_and_placement() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("state/ipcscope")).expect("a folder");
    fs::write(desk.last_race(), include_str!("sample.json")).expect("the sample");
    let page = Lab::start(&desk, &FREE).get("/");
    for words in [
        "A made-up processor",
        "cross-core",
        "ping-pong, 64 B, spin",
        "2.10 µs",
        "<th scope=\"row\">shm</th>",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[test]
fn a_broken_last_race_does_not_break_the_page() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("state/ipcscope")).expect("a folder");
    fs::write(desk.last_race(), "{\"schema\": 1").expect("half a report");
    assert!(Lab::start(&desk, &FREE).get("/").starts_with("HTTP/1.1 200"));
}

#[test]
fn only_our_own_names_are_answered() {
    let desk = Desk::new();
    let lab = Lab::start(&desk, &FREE);
    let port = lab.address.port();
    for host in [
        "Host: evil.example\r\n".to_owned(),
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: localhost:{port}\r\nHost: evil.example\r\n"),
        "Host: 127.0.0.1:1\r\n".to_owned(),
        "Host: localhost\r\n".to_owned(),
        "Host:\r\n".to_owned(),
        String::new(),
    ] {
        let answer = lab.ask("GET", "/", &host);
        assert!(answer.starts_with("HTTP/1.1 403"), "{host}: {answer}");
    }
    assert!(lab.ask("GET", "/", &format!("Host: localhost:{port}\r\n")).starts_with("HTTP/1.1 200"));
}

#[test]
fn the_lab_can_only_be_read() {
    let desk = Desk::new();
    let lab = Lab::start(&desk, &FREE);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let answer = lab.ask(method, "/", &format!("Host: {}\r\n", lab.address));
        assert!(answer.starts_with("HTTP/1.1 405"), "{method}: {answer}");
        assert!(answer.to_lowercase().contains("allow: get, head"), "{answer}");
    }
}

#[test]
fn every_answer_keeps_the_page_to_itself() {
    let desk = Desk::new();
    let lab = Lab::start(&desk, &FREE);
    for answer in [lab.get("/"), lab.get("/nothing"), lab.ask("GET", "/", "Host: evil.example\r\n")] {
        let answer = answer.to_lowercase();
        for header in [
            "content-security-policy: default-src 'self'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(answer.contains(header), "{header}: {answer}");
        }
    }
}

#[test]
fn the_default_port_gives_way_and_says_so() {
    // Held by us, or by somebody else already.
    let _taken = std::net::TcpListener::bind("127.0.0.1:7878");
    let desk = Desk::new();
    let mut lab = Lab::start(&desk, &[]);
    assert_ne!(lab.address.port(), 7878);
    assert!(lab.get("/").starts_with("HTTP/1.1 200"));
    lab.running.signal(Signal::TERM);
    assert_eq!(lab.running.wait(), Some(0));
    let mut told = String::new();
    lab.running.0.stderr.take().expect("a pipe").read_to_string(&mut told).expect("text");
    assert_eq!(told, "ipcscope: port 7878 is taken, so the lab is on another one\n");
}

#[test]
fn both_signals_end_it_with_0() {
    for signal in [Signal::INT, Signal::TERM] {
        let desk = Desk::new();
        let mut lab = Lab::start(&desk, &FREE);
        // Someone who never finishes a request must not keep it alive.
        let _half = TcpStream::connect(lab.address).and_then(|mut stream| stream.write_all(b"GET / HT"));
        lab.running.signal(signal);
        assert_eq!(lab.running.wait(), Some(0));
    }
}
