//! What comes in the body of a request: JSON that says so, of a length that is believed, read within a time.
//!
//! A form of a foreign page can be posted without asking anybody, but not as `application/json`.

use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

/// The longest body, but for reports.
const LIMIT_BYTES: usize = 64 << 10;

/// The longest report or trace, and with it whatever holds one.
pub(crate) const REPORT_BYTES: usize = 64 << 20;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// The bytes of a JSON body, not yet looked at.
pub(crate) struct Text<const LIMIT: usize>(pub(crate) Bytes);

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
        match tokio::time::timeout(PATIENCE, Bytes::from_request(request, state)).await {
            Ok(Ok(bytes)) => Ok(Text(bytes)),
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
        let Text(bytes) = Text::<LIMIT_BYTES>::from_request(request, state).await?;
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
