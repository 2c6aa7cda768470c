//! The lab's connections: the user of each is checked before it takes a place.
//!
//! This user's (and root's) are so many at a time, and the next ones wait until one ends. Without a bound, a program that
//! opens a thousand would take every descriptor, and no process could be started any more. Connections of others have a
//! few places of their own, in which they are told why they are not answered, and are closed; when those are taken,
//! the next is closed without a word. So no number of them keeps this user out.
//!
//! Every wait for a peer has a bound: for the head of a request ([`SILENCE`], also between two requests), for its body
//! ([`super::body`]), for room to write ([`ROOM`], [`super::backpressure`]), and all of it for a stranger ([`REFUSING`]).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::backpressure::Backpressure;
use super::owner::ConnectionOwner;

/// How many of this user at a time: a quarter of the usual limit of open files.
const LIMIT: usize = 256;

/// How many of others at a time.
const STRANGERS: usize = 8;

/// How long a connection may take to say what it wants, the first time and each time after that.
const SILENCE: Duration = Duration::from_secs(5);

/// How long an answer may wait for room, each time there is none.
const ROOM: Duration = Duration::from_secs(10);

/// How long a connection of another user may last.
const REFUSING: Duration = Duration::from_secs(2);

/// The bytes of a request's head, and of what is read and written at once.
const BUFFER_BYTES: usize = 64 << 10;

/// The most headers of a request.
const HEADERS: usize = 64;

/// Answers every connection, for as long as it is polled.
pub(crate) async fn serve(mut listener: TcpListener, routes: Router) {
    let (ours, strangers) = (Arc::new(Semaphore::new(LIMIT)), Arc::new(Semaphore::new(STRANGERS)));
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(SILENCE);
    protocol.max_buf_size(BUFFER_BYTES).max_headers(HEADERS);
    let mut brief = protocol.clone();
    brief.keep_alive(false);
    loop {
        let (stream, theirs) = Listener::accept(&mut listener).await;
        let owner = ConnectionOwner::of_connection(&stream, theirs);
        if owner.refusal().is_none() {
            let place = Arc::clone(&ours).acquire_owned().await;
            // The semaphore is never closed.
            let Ok(place) = place else { return };
            tokio::spawn(answer(protocol.clone(), stream, owner, routes.clone(), place));
        } else if let Ok(place) = Arc::clone(&strangers).try_acquire_owned() {
            tokio::spawn(timeout(REFUSING, answer(brief.clone(), stream, owner, routes.clone(), place)));
        }
    }
}

/// Answers one connection until it ends; another may come in when it is gone.
async fn answer(
    protocol: http1::Builder,
    stream: TcpStream,
    owner: ConnectionOwner,
    routes: Router,
    place: OwnedSemaphorePermit,
) {
    // An answer of a few hundred bytes must not wait for more.
    let _ = stream.set_nodelay(true);
    let answer = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(owner.clone()));
        answer.call(request.map(Body::new))
    });
    let connection = TokioIo::new(Backpressure::new(stream, ROOM, place));
    // How it ends concerns only the other end.
    let _ = protocol.serve_connection(connection, service).with_upgrades().await;
}
