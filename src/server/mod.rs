//! The lab's server: a few fixed answers on loopback, behind the guard.

mod guard;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::middleware;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::outcome::{self, Failure};
use crate::render;
use crate::state;

/// Where the lab is found unless another place is asked for.
pub(crate) const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7878);

/// Takes the address that was asked for; the default one gives way to any free port when it is taken.
///
/// # Errors
///
/// A sentence: the address is not loopback, or cannot be had.
pub(crate) async fn bind(asked: Option<SocketAddr>) -> Result<TcpListener, Failure> {
    let address = asked.unwrap_or(DEFAULT);
    if !address.ip().is_loopback() {
        return Err(Failure::told(format_args!(
            "--listen {address}: the lab listens on this machine only, because it has no login; \
             use 127.0.0.1 and reach it from afar through an ssh tunnel"
        )));
    }
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if asked.is_none() && error.kind() == io::ErrorKind::AddrInUse => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .map_err(|error| Failure::told(format_args!("no free port on 127.0.0.1: {error}")))?;
            outcome::note(format_args!("port {} is taken, so the lab is on another one", DEFAULT.port()));
            Ok(listener)
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Failure::told(format_args!(
            "--listen {address}: the port is taken; choose another, or 0 for any free one"
        ))),
        Err(error) => Err(Failure::told(format_args!("cannot listen on {address}: {error}"))),
    }
}

/// Everything the lab answers.
pub(crate) fn routes(port: u16) -> Router {
    Router::new()
        .route("/", get(first_page))
        .route("/style.css", get(|| async { typed("text/css; charset=utf-8", include_str!("style.css")) }))
        .route("/icon.svg", get(|| async { typed("image/svg+xml", include_str!("icon.svg")) }))
        .layer(middleware::from_fn_with_state(port, guard::watch))
}

async fn first_page() -> impl IntoResponse {
    Html(render::page::html(state::last_race().as_ref()))
}

fn typed(content_type: &'static str, body: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, content_type)], body)
}
