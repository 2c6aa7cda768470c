//! Embeds the page: every file of `web/`, its modules without their comments, as a table of name, tag
//! and packed bytes; the page of an exported report, in one file; and the record of a probe, shown
//! until you have counted something yourself.

use std::collections::BTreeMap;
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
    // What an export is made of, and types, are no part of the served page.
    let exported = web.join("exported.html");
    files.retain(|file| *file != exported && file.extension().is_none_or(|is| is != "ts"));
    assert!(files.contains(&web.join("index.html")), "{}: the page has no index.html", web.display());
    let folder = PathBuf::from(std::env::var("OUT_DIR").expect("cargo says where to write"));
    let table: String = files
        .iter()
        .enumerate()
        .map(|(n, file)| entry(&web, file, &folder.join(format!("{n}.gz"))))
        .collect();
    let out = folder.join("page.rs");
    fs::write(&out, format!("&[\n{table}]\n")).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
    pack(export(&web, &exported).as_bytes(), &folder.join("exported.html.gz"));
    let record = root.join(RECORD);
    println!("cargo:rerun-if-changed={}", record.display());
    pack(&read(&record), &folder.join("probe.json.gz"));
}

/// The page of an exported report, with its style and its modules inside: an import map names each as a `data:` URL, so that a
/// browser runs them from a disk.
fn export(web: &Path, page: &Path) -> String {
    let mut left = vec![web.join("js/exported.js")];
    let mut modules = BTreeMap::new();
    while let Some(file) = left.pop() {
        let name = module_name(web, &file);
        if modules.contains_key(&name) {
            continue;
        }
        let mut url = String::from("data:text/javascript,");
        for line in lean(&text(&file)).lines() {
            assert!(!line.trim_start().starts_with("import '"), "{}: `{line}`: import names", file.display());
            // The line that says from where, of an import or an export.
            let line = match [" from './", " from '../"].iter().find_map(|from| line.find(from)) {
                Some(at) => {
                    let (names, from) = line.split_at(at);
                    let mut quoted = from.splitn(3, '\'').skip(1);
                    let (from, rest) = quoted.next().zip(quoted.next()).expect("a name ends with its quote");
                    let other = file.parent().expect("a file is in a folder").join(from);
                    left.push(other.clone());
                    format!("{names} from '{}'{rest}\n", module_name(web, &other))
                }
                None => format!("{line}\n"),
            };
            url.push_str(&encoded(&line));
        }
        modules.insert(name, url);
    }
    let imports: Vec<String> = modules.iter().map(|(name, url)| format!("\"{name}\":\"{url}\"")).collect();
    let styles = ["style.css", "stage.css"].map(|name| text(&web.join(name))).concat();
    text(page)
        .replace("{{style}}", &styles)
        .replace("{{modules}}", &format!("{{\"imports\":{{{}}}}}", imports.join(",")))
}

/// A module without its indents and without the lines that are comments. Every other line keeps its number.
fn lean(module: &str) -> String {
    // A text between backticks may go over several lines, and keeps its spaces.
    let trims = module.lines().all(|line| line.matches('`').count() % 2 == 0);
    let mut within = false;
    let mut out = String::new();
    for line in module.lines() {
        let code = line.trim();
        let begins = within || code.starts_with("/*");
        within = begins && !code.contains("*/");
        if !(code.starts_with("//") || (begins && (within || code.ends_with("*/")))) {
            out.push_str(if trims { code } else { line });
        }
        out.push('\n');
    }
    out
}

/// `ipcscope/js/dom.js`.
fn module_name(web: &Path, file: &Path) -> String {
    let file = file.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let web = web.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", web.display()));
    format!("ipcscope/{}", file.strip_prefix(web).expect("a module of the page").display())
}

/// Text of a `data:` URL inside of JSON inside of a script: what ends one of the three, or is dropped from a URL, is escaped.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '%' | '#' | '<' | '"' | '\\' | '\n' | '\t' => out.push_str(&format!("%{:02X}", letter as u32)),
            _ => out.push(letter),
        }
    }
    out
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
    let mut bytes = read(file);
    if file.extension().is_some_and(|is| is == "js") {
        bytes = lean(&text(file)).into_bytes();
    }
    let mut tag = DefaultHasher::new();
    bytes.hash(&mut tag);
    pack(&bytes, packed);
    let name = file.strip_prefix(web).expect("a file of the page");
    format!("    ({name:?}, \"\\\"{:016x}\\\"\", include_bytes!({packed:?})),\n", tag.finish())
}

fn text(file: &Path) -> String {
    String::from_utf8(read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
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
