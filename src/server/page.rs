//! The page: the files that were built in, or, with `--web-dir`, those of a folder as they are now.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;
use crate::state::read_bounded;

/// Name, tag and bytes of every file.
const BUILT_IN: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What stands in `index.html` where the token belongs.
const PLACE_OF_TOKEN: &str = "{{token}}";

/// A file of the page that is larger is none: 4 MiB.
const LIMIT_BYTES: u64 = 4 << 20;

/// Where the page comes from.
#[derive(Debug)]
pub(crate) enum Page {
    BuiltIn,
    /// From disk, for those who work on it.
    Folder(PathBuf),
}

impl Page {
    /// The page itself. It carries the token, so nobody may keep it.
    pub(crate) fn first(&self, token: &str) -> Result<Response, Refusal> {
        let (bytes, _) = self.file("index.html")?;
        let text = String::from_utf8_lossy(&bytes).replace(PLACE_OF_TOKEN, token);
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
        Ok((headers, text).into_response())
    }

    /// One of the files that it is made of. Browsers may keep it, and ask whether it is still the same.
    pub(crate) fn part(&self, name: &str, asked: &HeaderMap) -> Result<Response, Refusal> {
        let (bytes, tag) = self.file(name)?;
        let same = tag.is_some_and(|tag| asked.get(IF_NONE_MATCH).is_some_and(|known| known == tag));
        let mut response = if same {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(CONTENT_TYPE, content_type(name))], bytes.into_owned()).into_response()
        };
        response.headers_mut().insert(CACHE_CONTROL, "no-cache".parse().expect("a header's value"));
        if let Some(tag) = tag {
            response.headers_mut().insert(ETAG, tag.parse().expect("a header's value"));
        }
        Ok(response)
    }

    fn file(&self, name: &str) -> Result<(Cow<'static, [u8]>, Option<&'static str>), Refusal> {
        let none = || Refusal::not_found(format_args!("the page has no file `{name}`"));
        match self {
            Page::BuiltIn => {
                let found = BUILT_IN.iter().find(|(known, ..)| *known == name);
                found.map(|(_, tag, bytes)| (Cow::Borrowed(*bytes), Some(*tag))).ok_or_else(none)
            }
            Page::Folder(folder) => {
                let path = Path::new(name);
                let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
                let bytes = inside.then(|| read_bounded(&folder.join(path), LIMIT_BYTES).ok()).flatten();
                bytes.map(|bytes| (Cow::Owned(bytes), None)).ok_or_else(none)
            }
        }
    }
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
    use super::*;

    #[test]
    fn the_first_page_has_a_place_for_the_token_and_asks_nobody_else() {
        let (bytes, _) = Page::BuiltIn.file("index.html").unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains("<meta name=\"token\" content=\"{{token}}\">"), "{text}");
        assert!(!text.contains("http:") && !text.contains("https:"), "{text}");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = crate::export::tests::Folder::new("page");
        let web = folder.0.join("web");
        std::fs::create_dir(&web).unwrap();
        std::fs::write(folder.0.join("secret"), "x").unwrap();
        std::fs::write(web.join("a.js"), "x").unwrap();
        let page = Page::Folder(web.clone());
        assert!(page.file("a.js").is_ok());
        for name in ["../secret", "./../secret", "/etc/passwd", "", ".", "b.js", "a.js/..", "a.js\0"] {
            assert!(page.file(name).is_err(), "{name}");
        }
    }
}
