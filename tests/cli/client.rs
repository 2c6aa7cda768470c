//! A running lab, and a client of raw requests and WebSockets, which can send what a browser would
//! refuse to send.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::harness::{Desk, PATIENCE, Running, eventually};

/// A running lab on a free port.
pub(crate) struct Lab {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
    /// What it printed.
    pub(crate) url: String,
    token: OnceLock<String>,
    _desk: Option<Desk>,
}

/// A race that would go on for minutes. Unpinned, because a test may not choose its cores.
pub(crate) const LONG: &str = r#"{"kinds":["pipe"],"workloads":["ping-pong"],"waits":["block"],"placement":"unpinned","count":20000000,"launches":1,"seed":1}"#;

/// A race of a moment.
pub(crate) const SHORT: &str = r#"{"kinds":["pipe"],"workloads":["ping-pong"],"waits":["block"],"placement":"unpinned","count":200,"launches":2}"#;

/// Two processes, unpinned for the same reason.
pub(crate) const STAGE: &str = "/api/stage?kind=pipe&wait=block&placement=unpinned&size=64";

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn with(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// The one sentence that says no.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error in {self:#?}")).to_owned()
    }
}

impl Lab {
    /// A lab with a desk that no other has.
    pub(crate) fn new() -> Lab {
        let desk = Desk::new();
        let lab = Lab::start(&desk);
        Lab { _desk: Some(desk), ..lab }
    }

    pub(crate) fn start(desk: &Desk) -> Lab {
        Lab::run(desk, &["serve", "--listen", "127.0.0.1:0"])
    }

    pub(crate) fn run(desk: &Desk, line: &[&str]) -> Lab {
        Lab::by(&mut desk.command(line))
    }

    /// The lab that this command starts.
    pub(crate) fn by(command: &mut Command) -> Lab {
        let mut child = command.spawn().expect("the binary starts");
        let mut printed = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut printed).expect("a line");
        let running = Running(child);
        let url = printed.trim().strip_prefix("ipcscope lab: ").unwrap_or_default().to_owned();
        let host = url.strip_prefix("http://").and_then(|url| url.split('/').next()).unwrap_or_default();
        let address = host.parse().unwrap_or_else(|_| panic!("no address in `{printed}`"));
        Lab { running, address, url, token: OnceLock::new(), _desk: None }
    }

    /// The token, from the page.
    pub(crate) fn token(&self) -> &str {
        self.token.get_or_init(|| {
            let page = self.get("/").with(200).body;
            let after = page.split("name=\"token\" content=\"").nth(1).expect("the page carries the token");
            after.split('"').next().expect("a quoted token").to_owned()
        })
    }

    /// Sends bytes as they are, and reads until the lab closes.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // A lab that refuses early closes before everything was sent.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the lab listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// A request with exactly these headers, and the answer.
    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let answer = self.raw(format!("{request}\r\n{body}").as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer to {method} {target}: `{answer}`"));
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[("Host", &self.host())], "")
    }

    /// As the page does it: with its token, and JSON.
    pub(crate) fn ask(&self, method: &str, target: &str, body: &str) -> Answer {
        let (host, origin) = (self.host(), format!("http://{}", self.host()));
        let token = self.token();
        let headers = [
            ("Host", host.as_str()),
            ("Origin", &origin),
            ("X-Ipcscope-Token", token),
            ("Content-Type", "application/json"),
        ];
        self.send(method, target, &headers, body)
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Opens a WebSocket as the page does it.
    pub(crate) fn socket(&self, target: &str) -> WebSocket<TcpStream> {
        let joint = if target.contains('?') { '&' } else { '?' };
        let target = format!("{target}{joint}token={}", self.token());
        self.knock(&target, Some(&format!("http://{}", self.host()))).expect("it opens")
    }

    /// Follows what happens, from after the snapshot on.
    #[track_caller]
    pub(crate) fn live(&self) -> WebSocket<TcpStream> {
        let mut socket = self.socket("/api/live");
        assert_eq!(frame(&mut socket)["is"], "snapshot");
        socket
    }

    /// Waits until every process that it has started is gone.
    #[track_caller]
    pub(crate) fn is_alone_again(&self) {
        eventually("no process is left", || self.running.children().is_empty());
    }

    /// Tries to open a WebSocket; else the status of the answer.
    pub(crate) fn knock(&self, target: &str, origin: Option<&str>) -> Result<WebSocket<TcpStream>, u16> {
        let mut request = format!("ws://{}{target}", self.host()).into_client_request().expect("an address");
        if let Some(origin) = origin {
            request.headers_mut().insert("Origin", origin.parse().expect("a header's value"));
        }
        match tungstenite::client(request, self.connect()) {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                Err(answer.status().as_u16())
            }
            Err(other) => panic!("{target}: {other}"),
        }
    }
}

/// The next frame.
pub(crate) fn frame(socket: &mut WebSocket<TcpStream>) -> Value {
    loop {
        match socket.read().expect("a frame") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Close(reason) => panic!("closed: {reason:?}"),
            _ => {}
        }
    }
}

/// The next frame of this kind; those before it are dropped.
pub(crate) fn frame_that(socket: &mut WebSocket<TcpStream>, is: &str) -> Value {
    loop {
        let frame = frame(socket);
        if frame["is"] == is {
            return frame;
        }
    }
}
