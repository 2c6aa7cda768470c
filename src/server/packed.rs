//! Answers of JSON are gzipped for a client that takes it: what is said of every row is mostly alike.

use std::io::Write;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A shorter answer goes in one segment as it is.
const LEAST_BYTES: u64 = 1 << 10;
/// A longer one is a report, and is handed on piece by piece.
const MOST_BYTES: u64 = 256 << 10;

/// Packs what the routes answer.
pub(crate) async fn packed(request: Request, next: Next) -> Response {
    let takes = takes_gzip(request.headers());
    let response = next.run(request).await;
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let bytes = response.body().size_hint().exact().unwrap_or(u64::MAX);
    if !(takes && json && (LEAST_BYTES..=MOST_BYTES).contains(&bytes)) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // The length was told, so that it cannot be exceeded.
    let Ok(plain) = to_bytes(body, MOST_BYTES as usize).await else {
        return Response::from_parts(head, Body::empty());
    };
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    Response::from_parts(head, gzipped(&plain).into())
}

fn gzipped(plain: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(plain).and_then(|()| gzip.finish()).expect("memory takes what is written")
}

/// Whether the client takes gzip; every browser does.
pub(crate) fn takes_gzip(asked: &HeaderMap) -> bool {
    let encodings = asked.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    encodings.split(',').any(|encoding| {
        let (name, weight) = encoding.split_once(';').unwrap_or((encoding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && weight.replace(' ', "") != "q=0"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_answer_is_smaller_and_the_same() {
        let plain = r#"{"kind":"pipe","wait":"block"},"#.repeat(100);
        let packed = gzipped(plain.as_bytes());
        assert!(packed.len() * 10 < plain.len());
        assert_eq!(crate::input::unpacked(&packed), plain.as_bytes());
    }
}
