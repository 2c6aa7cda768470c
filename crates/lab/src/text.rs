//! Saved bytes as text: UTF-8, with or without a byte order mark. Any other encoding is an error
//! that names it. What is read of it as JSON is read in one place, so that every fault names its line and its field.

use serde::de::DeserializeOwned;
use thiserror::Error;

/// The UTF-8 byte order mark, which some editors put first.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What a file that is no UTF-8 text begins with, what that is, and what to do.
const OTHERS: [(&[u8], &str); 14] = [
    (b"\xff\xfe\0\0", "UTF-32 text: save it as UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32 text: save it as UTF-8"),
    (b"{\0\0\0", "UTF-32 text: save it as UTF-8"),
    (b"\0\0\0{", "UTF-32 text: save it as UTF-8"),
    (b"\xff\xfe", "UTF-16 text: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text: save it as UTF-8"),
    (b"{\0", "UTF-16 text: save it as UTF-8"),
    (b"\0{", "UTF-16 text: save it as UTF-8"),
    (b"\x1f\x8b", "packed with gzip: unpack it first (gunzip)"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it first (unzstd)"),
    (b"\xfd7zXZ\0", "packed with xz: unpack it first (unxz)"),
    (b"BZh", "packed with bzip2: unpack it first (bunzip2)"),
    (b"PK\x03\x04", "a zip archive: unpack it first (unzip)"),
    (b"\x7fELF", "a program"),
];

/// The text behind a byte order mark, if there is one.
///
/// ```
/// assert_eq!(lab::text::plain(b"\xef\xbb\xbf{}"), Ok(&b"{}"[..]));
/// assert_eq!(lab::text::plain(b"{\0}\0"), Err("this is UTF-16 text: save it as UTF-8".into()));
/// ```
///
/// # Errors
/// One sentence that says what the bytes are instead, where they begin like something that is known.
pub fn plain(bytes: &[u8]) -> Result<&[u8], String> {
    match OTHERS.iter().find(|(begins, _)| bytes.starts_with(begins)) {
        Some((_, what)) => Err(format!("this is {what}")),
        None => Ok(bytes.strip_prefix(MARK).unwrap_or(bytes)),
    }
}

/// What is wrong with a text as JSON, with its line, and the path of its field where it is in one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct JsonFault(String);

/// Reads the whole text as one value.
///
/// # Errors
/// The line and the field at fault.
pub(crate) fn json<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonFault> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        fault(error.inner(), if path == "." { "" } else { &path })
    })?;
    json.end().map_err(|error| fault(&error, ""))?;
    Ok(value)
}

fn fault(error: &serde_json::Error, path: &str) -> JsonFault {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = error.to_string();
    let what = what.strip_suffix(&place).unwrap_or(&what);
    let cut = if error.is_eof() { ": the text is cut short" } else { "" };
    JsonFault(match path {
        "" => format!("line {}: {what}{cut}", error.line()),
        path => format!("line {}: field `{path}`: {what}{cut}", error.line()),
    })
}
