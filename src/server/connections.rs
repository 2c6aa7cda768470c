//! The connections of the lab: so many at a time, and the next ones wait until one ends. Without a bound, whoever
//! opens a thousand would take every descriptor, and no process could be started any more. One that does not say what it
//! wants is closed, so that a page never waits for long behind those that say nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
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
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::owner::Owner;

/// How many at a time: a quarter of the usual limit of open files.
const LIMIT: usize = 256;

/// How long a connection may take to say what it wants, the first time and each time after that.
const SILENCE: Duration = Duration::from_secs(5);

/// Answers whoever comes, for as long as it is polled.
pub(crate) async fn serve(mut listener: TcpListener, routes: Router) {
    let free = Arc::new(Semaphore::new(LIMIT));
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(SILENCE);
    loop {
        let permit = Arc::clone(&free).acquire_owned().await;
        let (stream, theirs) = Listener::accept(&mut listener).await;
        // An answer of a few hundred bytes must not wait for more.
        let _ = stream.set_nodelay(true);
        let owner = Owner::of_connection(&stream, theirs);
        let answer = TowerToHyperService::new(routes.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(owner.clone()));
            answer.call(request.map(Body::new))
        });
        let connection = TokioIo::new(Connection { stream, _permit: permit.ok() });
        let served = protocol.serve_connection(connection, service).with_upgrades();
        // How it ends is the affair of whoever is at the other end.
        tokio::spawn(async move { drop(served.await) });
    }
}

/// One of them; another may come in when this one is gone.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
