//! Embeds the page: every file of `web/`, as a table of name, tag and packed bytes; and the record of a probe, for who has
//! counted nothing yet.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};

/// What was counted on a machine that the record names.
const RECORD: &str = "results/2026-11-24-kvm-epyc-2-cores-b/probe.json";

fn main() {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where we are"));
    let web = root.join("web");
    println!("cargo:rerun-if-changed={}", web.display());
    let mut files = Vec::new();
    walk(&web, &mut files);
    files.sort();
    assert!(files.contains(&web.join("index.html")), "{}: the page has no index.html", web.display());
    let folder = PathBuf::from(std::env::var("OUT_DIR").expect("cargo says where to write"));
    let table: String = files
        .iter()
        .enumerate()
        .map(|(n, file)| entry(&web, file, &folder.join(format!("{n}.gz"))))
        .collect();
    let out = folder.join("page.rs");
    fs::write(&out, format!("&[\n{table}]\n")).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
    let record = root.join(RECORD);
    println!("cargo:rerun-if-changed={}", record.display());
    pack(&read(&record), &folder.join("probe.json.gz"));
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

/// Packs `file` into `packed`, and gives its line of the table.
fn entry(web: &Path, file: &Path, packed: &Path) -> String {
    let bytes = read(file);
    let mut tag = DefaultHasher::new();
    bytes.hash(&mut tag);
    pack(&bytes, packed);
    let name = file.strip_prefix(web).expect("a file of the page");
    format!("    ({name:?}, \"\\\"{:016x}\\\"\", include_bytes!({packed:?})),\n", tag.finish())
}

fn read(file: &Path) -> Vec<u8> {
    fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Packs `bytes` into `packed`, without name and time, so that the same files make the same binary.
fn pack(bytes: &[u8], packed: &Path) {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(bytes).expect("memory takes what is written");
    fs::write(packed, gzip.finish().expect("memory takes what is written"))
        .unwrap_or_else(|error| panic!("{}: {error}", packed.display()));
}
