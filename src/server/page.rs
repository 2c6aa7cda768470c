//! The page: the files that were built in, or, with `--web-dir`, those of a folder as they are now.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::packed::takes_gzip;
use super::refusal::Refusal;
use crate::input;

/// Name, tag and gzipped bytes of every file.
const BUILT_IN: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What stands in `index.html` where the token belongs.
const PLACE_OF_TOKEN: &str = "{{token}}";

/// A file of the page that is larger is none: 4 MiB.
const LIMIT_BYTES: u64 = 4 << 20;

/// Where the page comes from.
#[derive(Debug)]
pub(crate) enum PageSource {
    BuiltIn,
    /// From disk, to develop it.
    Folder(PathBuf),
}

impl PageSource {
    /// The page itself. It carries the token, so no cache may keep it.
    pub(crate) fn first(&self, token: &str) -> Result<Response, Refusal> {
        let bytes = self.file("index.html")?;
        let text = String::from_utf8_lossy(&bytes).replace(PLACE_OF_TOKEN, token);
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
        Ok((headers, text).into_response())
    }

    /// One of the files that it is made of. Browsers may keep it, and ask whether it is still the same.
    pub(crate) fn part(&self, name: &str, asked: &HeaderMap) -> Result<Response, Refusal> {
        let content = [(CONTENT_TYPE, content_type(name))];
        let mut response = match self {
            PageSource::BuiltIn => {
                let (tag, packed) = built_in(name)?;
                let mut response = if asked.get(IF_NONE_MATCH).is_some_and(|known| known == tag) {
                    StatusCode::NOT_MODIFIED.into_response()
                } else if takes_gzip(asked) {
                    (content, [(CONTENT_ENCODING, "gzip")], packed).into_response()
                } else {
                    (content, input::unpacked(packed)).into_response()
                };
                response.headers_mut().insert(ETAG, HeaderValue::from_static(tag));
                response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
                response
            }
            PageSource::Folder(_) => (content, self.file(name)?.into_owned()).into_response(),
        };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(response)
    }

    fn file(&self, name: &str) -> Result<Cow<'static, [u8]>, Refusal> {
        match self {
            PageSource::BuiltIn => built_in(name).map(|(_, packed)| Cow::Owned(input::unpacked(packed))),
            PageSource::Folder(folder) => {
                let path = Path::new(name);
                let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
                let bytes = inside.then(|| input::file(&folder.join(path), LIMIT_BYTES).ok()).flatten();
                bytes.map(Cow::Owned).ok_or_else(|| none(name))
            }
        }
    }
}

/// Tag and packed bytes of a built-in file.
fn built_in(name: &str) -> Result<(&'static str, &'static [u8]), Refusal> {
    let found = BUILT_IN.iter().find(|(known, ..)| *known == name);
    found.map(|(_, tag, packed)| (*tag, *packed)).ok_or_else(|| none(name))
}

fn none(name: &str) -> Refusal {
    Refusal::not_found(format_args!("the page has no file `{name}`"))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::ACCEPT_ENCODING;

    use super::*;

    #[test]
    fn the_first_page_has_a_place_for_the_token_and_asks_nobody_else() {
        let bytes = PageSource::BuiltIn.file("index.html").unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains("<meta name=\"token\" content=\"{{token}}\">"), "{text}");
        assert!(!text.contains("http:") && !text.contains("https:"), "{text}");
    }

    #[test]
    fn a_part_is_the_same_packed_or_not() {
        for (name, _, packed) in BUILT_IN {
            let asked = HeaderMap::from_iter([(ACCEPT_ENCODING, "br, gzip;q=0.5".parse().unwrap())]);
            let response = PageSource::BuiltIn.part(name, &asked).unwrap();
            assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
            assert!(!input::unpacked(packed).is_empty());
        }
        for refused in ["", "br", "gzip;q=0", "xgzip"] {
            let asked = HeaderMap::from_iter([(ACCEPT_ENCODING, refused.parse().unwrap())]);
            let response = PageSource::BuiltIn.part("style.css", &asked).unwrap();
            assert!(response.headers().get(CONTENT_ENCODING).is_none(), "{refused}");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let web = folder.path().join("web");
        std::fs::create_dir(&web).unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        std::fs::write(web.join("a.js"), "x").unwrap();
        let page = PageSource::Folder(web.clone());
        assert!(page.file("a.js").is_ok());
        for name in ["../secret", "./../secret", "/etc/passwd", "", ".", "b.js", "a.js/..", "a.js\0"] {
            assert!(page.file(name).is_err(), "{name}");
        }
    }
}
