//! The lab's end of a WebSocket. Whatever its peer does or leaves undone, every wait here ends and every buffer has a limit:
//! a frame that is not taken in time ends the socket, a silent peer is pinged and then given up, and closing does not wait
//! for long. [`super::backpressure`] sees to it that a peer which reads nothing is not read either, so that the
//! answers to its pings cannot pile up.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseCode, CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::response::Response;
use tokio::time::{Instant, timeout, timeout_at};

use super::refusal::Refusal;

/// The longest message that a page may send, in one frame or in several.
const MESSAGE_BYTES: usize = 64 << 10;

/// How much of what was sent may wait for a slow page. More than the longest message of the lab's.
const WAITING_BYTES: usize = 4 << 20;

/// The longest reason that a closing frame can carry, in bytes (RFC 6455, 5.5).
const REASON_BYTES: usize = 123;

/// How long each wait may take.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Until a frame was taken.
    send: Duration,
    /// Until a closing frame was taken and answered.
    close: Duration,
    /// Until a silent peer is pinged, and again until it is given up.
    silence: Duration,
}

const BOUNDS: Bounds =
    Bounds { send: Duration::from_secs(10), close: Duration::from_secs(1), silence: Duration::from_secs(30) };

/// The peer is gone, or takes nothing any more.
#[derive(Debug)]
pub(crate) struct Gone;

/// An open WebSocket.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: WebSocket,
    bounds: Bounds,
    /// When the peer was heard last.
    heard: Instant,
    /// It was pinged since.
    pinged: bool,
}

impl Socket {
    fn new(inner: WebSocket, bounds: Bounds) -> Socket {
        Socket { inner, bounds, heard: Instant::now(), pinged: false }
    }

    /// Sends one frame.
    ///
    /// # Errors
    ///
    /// [`Gone`] when it was not taken in time, or cannot be.
    pub(crate) async fn send(&mut self, text: Utf8Bytes) -> Result<(), Gone> {
        self.put(Message::Text(text)).await
    }

    async fn put(&mut self, message: Message) -> Result<(), Gone> {
        match timeout(self.bounds.send, self.inner.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    /// The next text of the peer's; `None` when it is gone. It may be dropped at any time, and asked again.
    pub(crate) async fn recv(&mut self) -> Option<Utf8Bytes> {
        loop {
            let silences = if self.pinged { 2 } else { 1 };
            match timeout_at(self.heard + self.bounds.silence * silences, self.inner.recv()).await {
                Ok(Some(Ok(message))) => {
                    self.heard = Instant::now();
                    self.pinged = false;
                    if let Message::Text(text) = message {
                        return Some(text);
                    }
                }
                Ok(Some(Err(_)) | None) => return None,
                Err(_) if self.pinged => return None,
                Err(_) => {
                    self.pinged = true;
                    self.put(Message::Ping(Default::default())).await.ok()?;
                }
            }
        }
    }

    /// Closes it with a reason, and gives the peer a moment to take it.
    pub(crate) async fn close(mut self, code: CloseCode, reason: &str) {
        let end = (0..=REASON_BYTES.min(reason.len())).rev().find(|&end| reason.is_char_boundary(end));
        let reason = &reason[..end.unwrap_or(0)];
        let frame = CloseFrame { code, reason: reason.into() };
        let closing = async {
            if self.inner.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.inner.recv().await {}
            }
        };
        let _ = timeout(self.bounds.close, closing).await;
    }
}

/// A request that becomes a WebSocket.
pub(crate) struct Upgrade(WebSocketUpgrade);

impl Upgrade {
    /// Answers it, and does `then` with the socket.
    pub(crate) fn then<F: Future<Output = ()> + Send + 'static>(
        self,
        then: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response {
        self.within(BOUNDS, then)
    }

    fn within<F: Future<Output = ()> + Send + 'static>(
        self,
        bounds: Bounds,
        then: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response {
        self.0.on_upgrade(move |inner| then(Socket::new(inner, bounds)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Upgrade, Refusal> {
        match WebSocketUpgrade::from_request_parts(parts, state).await {
            Ok(upgrade) => Ok(Upgrade(
                upgrade
                    .max_message_size(MESSAGE_BYTES)
                    .max_frame_size(MESSAGE_BYTES)
                    .max_write_buffer_size(WAITING_BYTES),
            )),
            Err(error) => Err(Refusal::new(error.status(), "this is a WebSocket")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;

    use axum::Router;
    use axum::extract::ws::close_code;
    use axum::routing::get;
    use tungstenite::Message as Said;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const NEVER: Duration = Duration::from_secs(3_600);
    const PATIENT: Bounds = Bounds { send: NEVER, close: NEVER, silence: NEVER };

    /// What a client does, as soon as its socket is open.
    type Client = fn(tungstenite::WebSocket<TcpStream>) -> bool;

    /// Opens a socket within these bounds, does `ours` with it here and `theirs` at the other end, and says what came of both.
    fn between<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        bounds: Bounds,
        ours: impl Fn(Socket) -> F + Clone + Send + Sync + 'static,
        theirs: Client,
    ) -> (T, bool) {
        let (told, came): (_, Receiver<T>) = channel();
        let route = get(async move |upgrade: Upgrade| {
            upgrade.within(bounds, async move |socket| drop(told.send(ours(socket).await)))
        });
        let (at, address) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                at.send(listener.local_addr().unwrap()).unwrap();
                super::super::connections::serve(listener, Router::new().route("/", route)).await;
            });
        });
        let address = address.recv().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        let (client, _) = tungstenite::client(format!("ws://{address}/"), stream).unwrap();
        let theirs = thread::spawn(move || theirs(client));
        (came.recv().unwrap(), theirs.join().unwrap())
    }

    /// Takes every byte and answers none, until the socket is closed.
    fn is_deaf(mut client: tungstenite::WebSocket<TcpStream>) -> bool {
        std::io::copy(client.get_mut(), &mut std::io::sink()).is_ok()
    }

    #[test]
    fn a_frame_that_is_not_taken_in_time_ends_it() {
        let bounds = Bounds { send: SOON, ..PATIENT };
        let ours = async |mut socket: Socket| {
            let frame: Utf8Bytes = "x".repeat(1 << 20).into();
            // More than the kernel holds between the two.
            for _ in 0..1_000 {
                if socket.send(frame.clone()).await.is_err() {
                    return true;
                }
            }
            false
        };
        // Reads nothing until the other end has given up: then no reader is left.
        let theirs: Client = |mut client| {
            while client.get_mut().write_all(&[0x8a, 0x80, 0, 0, 0, 0]).is_ok() {
                thread::sleep(SOON);
            }
            true
        };
        assert_eq!(between(bounds, ours, theirs), (true, true));
    }

    #[test]
    fn a_silent_peer_that_answers_no_ping_is_given_up() {
        let bounds = Bounds { silence: SOON, ..PATIENT };
        let (said, closed) = between(bounds, async |mut socket: Socket| socket.recv().await, is_deaf);
        assert_eq!((said, closed), (None, true));
    }

    #[test]
    fn a_peer_that_answers_pings_may_be_silent() {
        let bounds = Bounds { silence: Duration::from_secs(1), ..PATIENT };
        // Answers by reading on. It speaks after a third ping: one that was not heard meanwhile has had two.
        let theirs: Client = |mut client| {
            let mut pings = 0;
            while pings < 3 {
                match client.read() {
                    Ok(said) => pings += u32::from(said.is_ping()),
                    Err(_) => return false,
                }
            }
            client.send(Said::text("still there")).is_ok()
        };
        let (said, answered) = between(bounds, async |mut socket: Socket| socket.recv().await, theirs);
        assert_eq!((said.as_deref(), answered), (Some("still there"), true));
    }

    #[test]
    fn a_closing_frame_that_is_not_answered_ends_it() {
        let bounds = Bounds { close: SOON, ..PATIENT };
        let ours = async |socket: Socket| socket.close(close_code::AGAIN, &"é".repeat(100)).await;
        assert_eq!(between(bounds, ours, is_deaf), ((), true));
    }
}
