//! Who may ask, and for what.
//!
//! A page on the web can make a browser send requests to loopback. It cannot choose the `Host` header, so a name that
//! was rebound to 127.0.0.1 is told apart by exactly that; and nothing here answers to anything but `GET` and `HEAD`.

use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Turns away who may not ask; every answer carries the headers that keep the page to itself.
pub(crate) async fn watch(State(port): State<u16>, request: Request, next: Next) -> Response {
    let mut response = if !is_ours(&request, port) {
        (StatusCode::FORBIDDEN, "this lab answers to 127.0.0.1 and localhost only\n").into_response()
    } else if ![Method::GET, Method::HEAD].contains(request.method()) {
        (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")], "this lab can only be read\n")
            .into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

/// One `Host` header, and it names us; so does the target, if it names anybody.
fn is_ours(request: &Request, port: u16) -> bool {
    let named = |name: &[u8]| {
        let text = |host: &str| format!("{host}:{port}");
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| text(host).as_bytes() == name)
    };
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    named(host.as_bytes()) && request.uri().authority().is_none_or(|target| named(target.as_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn asked(uri: &str, hosts: &[&str]) -> bool {
        let mut request = axum::http::Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        is_ours(&request.body(Body::empty()).unwrap(), 7878)
    }

    #[test]
    fn our_own_names_with_our_own_port() {
        for host in ["127.0.0.1:7878", "localhost:7878", "[::1]:7878"] {
            assert!(asked("/", &[host]), "{host}");
        }
    }

    #[test]
    fn nobody_else() {
        for host in [
            "",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:7879",
            "evil.example:7878",
            "localhost.evil.example:7878",
            "127.0.0.1:7878.evil.example",
            "evil.example@127.0.0.1:7878",
            "LOCALHOST:7878 ",
            "0.0.0.0:7878",
        ] {
            assert!(!asked("/", &[host]), "{host}");
        }
        assert!(!asked("/", &[]));
        assert!(!asked("/", &["localhost:7878", "evil.example"]));
        assert!(!asked("http://evil.example/", &["localhost:7878"]));
        assert!(asked("http://localhost:7878/", &["localhost:7878"]));
    }
}
