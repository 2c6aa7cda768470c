//! Embeds the page: every file of `web/`, as a table of name, content type, tag and bytes.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() {
    let web =
        PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where we are")).join("web");
    println!("cargo:rerun-if-changed={}", web.display());
    let mut files = Vec::new();
    walk(&web, &mut files);
    files.sort();
    assert!(files.contains(&web.join("index.html")), "{}: the page has no index.html", web.display());
    let table: String = files.iter().map(|file| entry(&web, file)).collect();
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo says where to write")).join("page.rs");
    fs::write(&out, format!("&[\n{table}]\n")).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}: the page is missing", folder.display()));
    for path in entries.map(|entry| entry.expect("an entry of the folder").path()) {
        // What editors and systems leave behind.
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        match path.is_dir() {
            _ if hidden => {}
            true => walk(&path, files),
            false => files.push(path),
        }
    }
}

fn entry(web: &Path, file: &Path) -> String {
    let mut tag = DefaultHasher::new();
    fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).hash(&mut tag);
    let name = file.strip_prefix(web).expect("a file of the page");
    format!("    ({name:?}, \"\\\"{:016x}\\\"\", include_bytes!({file:?})),\n", tag.finish())
}
