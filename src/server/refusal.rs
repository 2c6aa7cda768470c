//! An answer that says no: a status, and one sentence as `{"error": …}`.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::history::MissingRun;

/// What is answered instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: impl Display) -> Refusal {
        Refusal { status, error: error.to_string() }
    }

    pub(crate) fn forbidden(error: impl Display) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, error)
    }

    pub(crate) fn not_found(error: impl Display) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, error)
    }

    pub(crate) fn conflict(error: impl Display) -> Refusal {
        Refusal::new(StatusCode::CONFLICT, error)
    }

    /// What was asked is understood, and makes no sense.
    pub(crate) fn senseless(error: impl Display) -> Refusal {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    pub(crate) fn internal(error: impl Display) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }
}

impl From<MissingRun> for Refusal {
    fn from(missing: MissingRun) -> Refusal {
        match missing {
            MissingRun::Unknown => Refusal::not_found("there is no such run"),
            MissingRun::Broken(why) => Refusal::senseless(why),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json_of(self.status, &json!({ "error": self.error }))
    }
}

/// A value as JSON.
pub(crate) fn json_of(status: StatusCode, value: &impl serde::Serialize) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], json_text(value)).into_response()
}

/// The text of it.
pub(crate) fn json_text(value: &impl serde::Serialize) -> String {
    // Nothing that is answered holds a map with keys that are not text, the one thing that JSON cannot hold.
    serde_json::to_string(value).unwrap_or_else(|error| unreachable!("{error}"))
}
