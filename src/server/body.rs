//! What comes in the body of a request: JSON that says so, of a length that is believed, read within a time. And reports in the
//! body of an answer.
//!
//! A foreign page can post a form without permission, but not as `application/json`.
//!
//! A report may be long, and stays in memory until its last byte was taken or has come. So a few are on their way at a
//! time, in either direction, and the next one waits.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use hyper::body::{Frame, SizeHint};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::refusal::Refusal;

/// The longest body, but for reports.
const LIMIT_BYTES: usize = 64 << 10;

/// The longest report or trace, and with it whatever holds one.
pub(crate) const REPORT_BYTES: usize = 64 << 20;

/// How long a body may take to arrive, and how long a report waits for others.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many reports may be on their way at a time.
const REPORTS: usize = 8;

/// How much of a report is handed on at once.
const PIECE_BYTES: usize = 64 << 10;

static ON_THEIR_WAY: Semaphore = Semaphore::const_new(REPORTS);

/// The place of a report that is on its way.
#[derive(Debug)]
pub(crate) struct ReportPermit(#[allow(dead_code, reason = "it is held")] SemaphorePermit<'static>);

impl ReportPermit {
    /// Waits for a place.
    ///
    /// # Errors
    ///
    /// 503 when none was free for too long.
    pub(crate) async fn take() -> Result<ReportPermit, Refusal> {
        match timeout(PATIENCE, ON_THEIR_WAY.acquire()).await {
            Ok(Ok(place)) => Ok(ReportPermit(place)),
            Ok(Err(_)) | Err(_) => Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format_args!("{REPORTS} reports are on their way, and none has arrived: ask again later"),
            )),
        }
    }

    /// A report as the body of an answer; the place is free when it was taken, or the connection is gone.
    pub(crate) fn body(self, report: String) -> Body {
        Body::new(Going { rest: report.into(), _way: self })
    }
}

/// A report that is handed on piece by piece.
struct Going {
    rest: Bytes,
    _way: ReportPermit,
}

impl HttpBody for Going {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(next);
        Poll::Ready((next > 0).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// The bytes of a JSON body, not yet looked at; and the place of one that may be long.
pub(crate) struct Text<const LIMIT: usize>(pub(crate) Bytes, pub(crate) Option<ReportPermit>);

impl<S: Send + Sync, const LIMIT: usize> FromRequest<S> for Text<LIMIT> {
    type Rejection = Refusal;

    async fn from_request(mut request: Request, state: &S) -> Result<Text<LIMIT>, Refusal> {
        if !request.headers().get(CONTENT_TYPE).is_some_and(|kind| is_json(kind.as_bytes())) {
            let why = "the body must be JSON, and say so: content-type: application/json";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let too_long = || {
            let why = format!("the body is longer than {} KiB", LIMIT >> 10);
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, why)
        };
        // What is announced is not waited for.
        if request.body().size_hint().lower() > LIMIT as u64 {
            return Err(too_long());
        }
        DefaultBodyLimit::max(LIMIT).apply(&mut request);
        let way = if LIMIT > LIMIT_BYTES { Some(ReportPermit::take().await?) } else { None };
        match timeout(PATIENCE, Bytes::from_request(request, state)).await {
            Ok(Ok(bytes)) => Ok(Text(bytes, way)),
            Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_long()),
            Ok(Err(error)) => Err(Refusal::new(error.status(), error)),
            Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
        }
    }
}

/// A short body that was understood.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Json<T>, Refusal> {
        let Text(bytes, _) = Text::<LIMIT_BYTES>::from_request(request, state).await?;
        understand(&bytes).map(Json)
    }
}

/// Reads JSON; a fault names its field.
pub(crate) fn understand<T: DeserializeOwned>(text: &[u8]) -> Result<T, Refusal> {
    // A list of the fields' values would do for serde.
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(Refusal::senseless("the body must be an object, not a list"));
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!("field `{path}`: ") };
        Refusal::senseless(format_args!("{place}{}", error.inner()))
    })?;
    json.end().map_err(|error| Refusal::senseless(format_args!("after the JSON: {error}")))?;
    Ok(value)
}

fn is_json(content_type: &[u8]) -> bool {
    let kind = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_json() {
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/json "] {
            assert!(is_json(kind.as_bytes()), "{kind}");
        }
        for kind in
            ["", "text/plain", "text/plain; application/json", "application/jsonp", "multipart/form-data"]
        {
            assert!(!is_json(kind.as_bytes()), "{kind}");
        }
    }

    #[test]
    fn a_fault_names_its_field() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wish {
            #[allow(dead_code, reason = "only read to be refused")]
            sizes: Vec<u32>,
        }
        let fault = |text: &str| understand::<Wish>(text.as_bytes()).unwrap_err().error;
        assert!(
            fault("{\"sizes\":[64,-1]}").starts_with("field `sizes[1]`: "),
            "{}",
            fault("{\"sizes\":[64,-1]}")
        );
        assert!(fault("{\"size\":64}").contains("unknown field `size`"));
        assert!(fault("{\"sizes\":[]} {}").starts_with("after the JSON"));
        assert!(fault("{").contains("EOF"));
    }
}
