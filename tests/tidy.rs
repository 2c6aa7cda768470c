//! The invariants of ARCHITECTURE.md, as absences: words that must not stand in certain files.
//!
//! Every rule is run against the tree, and against a seeded violation that it must find.

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/examples.rs"]
mod examples;
#[path = "tidy/names.rs"]
mod names;

use std::fs;
use std::path::{Path, PathBuf};

use crossing::Kind;

/// Words that must not stand in the code of the files a rule is about.
struct Rule {
    /// The sentence in ARCHITECTURE.md.
    says: &'static str,
    /// Which files, by path from the project's root.
    about: fn(&str) -> bool,
    /// Any of these is a violation.
    absent: &'static [&'static str],
}

/// What is built into the binary and the library.
fn is_ours(path: &str) -> bool {
    path.ends_with(".rs")
        && (path.starts_with("src/") || path.starts_with("crates/") && path.contains("/src/"))
}

fn is_ring(path: &str) -> bool {
    path.ends_with("shm/ring.rs") || path.contains("shm/ring/")
}

/// What shows or weighs mechanisms by their scenes alone.
fn draws_scenes(path: &str) -> bool {
    let folders = ["web/", "src/server/", "crates/lab/src/choose"];
    folders.iter().any(|folder| path.starts_with(folder)) || path == "src/render/choice.rs"
}

/// Subjects about which a sentence says nothing: a program is *it*, a process has a name, the reader is *you*.
const VAGUE: &[&str] = &["somebody", "nobody", "anybody", "everybody", "whoever"];

const RULES: &[Rule] = &[
    Rule {
        says: "crossing's data path reads no clock",
        about: |path| {
            let data_path = ["memory.rs", "region.rs", "view.rs", "frame.rs"];
            is_ring(path)
                || path.contains("crossing/src/frame/")
                || path.starts_with("crates/crossing/src")
                    && data_path.iter().any(|file| path.ends_with(file))
        },
        absent: &["Instant", "SystemTime", "clock_gettime", "rdtsc"],
    },
    Rule {
        says: "crossing does not count, log or serialise, and only what its feature `tokio` adds knows a runtime",
        about: |path| {
            let library =
                path.starts_with("crates/crossing/src") && !path.starts_with("crates/crossing/src/tokio");
            library || path == "crates/crossing/Cargo.toml"
        },
        absent: &["println!", "log::", "tracing", "tokio::", "async fn", "libc ="],
    },
    Rule {
        says: "crossing serialises nothing: only the vocabulary of scenes knows how, and it is behind a feature",
        about: |path| path.starts_with("crates/crossing/src") && path != "crates/crossing/src/scene.rs",
        absent: &["serde", "schemars"],
    },
    Rule {
        says: "crossing's ring allocates nothing",
        about: |path| is_ring(path) || path.ends_with("shm/memory.rs"),
        absent: &["Vec<", "vec!", "Box<", "String", "format!"],
    },
    Rule {
        says: "nothing points back: crossing does not know the lab, nor the lab the atlas",
        about: |path| path.starts_with("crates/lab/src") || path == "crates/lab/Cargo.toml",
        absent: &["atlas"],
    },
    Rule {
        says: "nothing points back: crossing does not know the lab, the lab does not know the binary",
        about: |path| path.starts_with("crates/crossing/src") || path == "crates/crossing/Cargo.toml",
        absent: &["ipcscope", "lab::"],
    },
    Rule {
        says: "the lab and the atlas do not know how they are shown",
        about: |path| {
            ["crates/lab", "crates/atlas"].iter().any(|of| {
                path.strip_prefix(of).is_some_and(|path| path.starts_with("/src") || path == "/Cargo.toml")
            })
        },
        absent: &["println!", "print!(", "<html", "\\x1b[", "clap", "axum", "comfy", "env::args"],
    },
    Rule {
        says: "a refused call is no panic: crossing::pause sleeps",
        about: |path| is_ours(path) && !path.ends_with("crossing/src/pause.rs"),
        absent: &["thread::sleep"],
    },
    Rule {
        says: "a refused call is no panic: rustix takes these for granted",
        about: is_ours,
        absent: &[
            "process::getpid",
            "process::getrlimit",
            " getpid,",
            "{getpid",
            " getrlimit,",
            "{getrlimit",
        ],
    },
    Rule {
        says: "the measured loop crosses no dyn, lock or formatting",
        about: |path| {
            let loops = ["ping_pong.rs", "stream.rs", "paced.rs", "null.rs"];
            path.contains("lab/src/workload/") && loops.iter().any(|file| path.ends_with(file))
        },
        absent: &["dyn ", "Mutex", "RwLock", "format!", "println!", "Box<"],
    },
    Rule {
        says: "the measured processes serve nothing",
        about: |path| {
            let measured = path.contains("lab/src/workload/")
                || path.ends_with("lab/src/worker.rs")
                || path.ends_with("lab/src/stage/actor.rs");
            measured || path == "crates/lab/Cargo.toml"
        },
        absent: &["TcpListener", "UnixListener", "tokio", "axum", "thread::spawn"],
    },
    Rule {
        says: "a timed round names no probe",
        about: |path| path.contains("lab/src/workload/") || path.ends_with("lab/src/round.rs"),
        absent: &["probe::", "ptrace", "perf_event"],
    },
    Rule {
        says: "no package outside rivals/ names a rival",
        about: |path| {
            let package = path.starts_with("src/") || path.starts_with("crates/") || path.starts_with("web/");
            package || path == "Cargo.toml"
        },
        // The last: nor does one take a file from there.
        absent: &[
            "plain-c",
            "plain_c",
            "iceoryx",
            "rtrb",
            "zeromq",
            "nng",
            "zenoh",
            "ipc-channel",
            "../rivals",
        ],
    },
];

/// The crates, and the page, in which no arrow between two files leads back: see `arrows`.
const ONE_WAY: &[&str] = &["crates/atlas/src", "crates/crossing/src", "crates/lab/src", "src", "web/js"];

/// The only files that may say `unsafe`, and why.
const UNSAFE: &[(&str, &str)] = &[
    ("crates/crossing/src/mechanism/shm/blob.rs", "maps memory that no process can write"),
    ("crates/crossing/src/mechanism/shm/in_place.rs", "lends the peer's messages, to programs that trust it"),
    ("crates/crossing/src/mechanism/shm/opaque.rs", "touches memory that another process changes"),
    ("crates/crossing/src/mechanism/shm/region.rs", "maps it"),
    ("crates/crossing/src/mechanism/shm/view.rs", "says where in it, and lends what was claimed"),
    ("crates/crossing/src/owner.rs", "a page that a fork wipes"),
    (
        "crates/crossing/src/sys.rs",
        "what neither std nor rustix has: a table of descriptors of one's own, a step before exec, an inherited number, signals",
    ),
    ("crates/lab/src/sys/bpf.rs", "bpf(2): maps, programs and a ring that the kernel writes to"),
    ("crates/lab/src/sys/cpuid.rs", "an instruction that Rust called unsafe before 1.93"),
    ("crates/lab/src/sys/given.rs", "a page that a pipe refers to"),
    ("crates/lab/src/sys/heap.rs", "malloc_trim"),
    ("crates/lab/src/sys/mapping.rs", "mmap, for all of the lab"),
    ("crates/lab/src/sys/mark.rs", "a call that does nothing, to be seen by a tracer"),
    ("crates/lab/src/sys/perf.rs", "perf_event_open, and the rings that the kernel writes to"),
    ("crates/lab/src/sys/ptrace.rs", "ptrace"),
    ("crates/lab/src/sys/signals.rs", "which signals a thread and its children block"),
    ("crates/lab/src/sys/socket.rs", "TCP_INFO, a queue's bytes, a filter that loses segments"),
    ("crates/lab/src/sys/stray.rs", "stores that a correct program never makes"),
    ("crates/lab/src/sys/tsc.rs", "the processor's counter"),
    ("crates/lab/src/sys/usage.rs", "getrusage"),
    ("rivals/scoreboard/src/limit/in_place.rs", "measures what reading in place is worth"),
];

#[test]
fn the_absences_of_the_architecture_hold() {
    let files = files();
    let found: Vec<String> = RULES.iter().flat_map(|rule| violations(rule, &files)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_rule_is_about_some_file_and_finds_a_seeded_violation() {
    let files = files();
    for rule in RULES {
        let (path, _) = files
            .iter()
            .find(|(path, _)| (rule.about)(path))
            .unwrap_or_else(|| panic!("no file is meant by: {}", rule.says));
        for word in rule.absent {
            let seeded = [(path.clone(), format!("fn seeded() {{}}\n{word}\n"))];
            assert_eq!(violations(rule, &seeded).len(), 1, "`{word}` was not found by: {}", rule.says);
        }
    }
}

/// What may name a mechanism: its own file in the lab, and the one `match` outside of the measured loop.
fn may_name_mechanisms(path: &str) -> bool {
    let in_its_place = path.starts_with("crates/lab/src/mechanism/") || path == "crates/lab/src/worker.rs";
    in_its_place || !(path.starts_with("crates/lab/src/") || path.starts_with("src/"))
}

/// Where code names a mechanism that must not: any of the lab's and the binary's by its variant, and what draws scenes also by
/// its name, in whatever quotes or in none.
fn named_mechanisms(path: &str, text: &str) -> Vec<String> {
    let page = path.starts_with("web/");
    let mut found = Vec::new();
    for (number, line) in code(text).filter(|_| !may_name_mechanisms(path)) {
        for variant in Kind::ALL.map(|kind| format!("Kind::{kind:?}")) {
            if line.contains(&variant) {
                found.push(format!("{path}:{number}: `{variant}`, which belongs into lab/src/mechanism/"));
            }
        }
    }
    for (number, line) in code(text).filter(|_| draws_scenes(path)) {
        for name in Kind::ALL.map(Kind::name) {
            // Rust says a name in double quotes or as a variant; /proc/net/tcp is no mechanism.
            let says = if page { has_word(line, name) } else { line.contains(&format!("\"{name}\"")) };
            if says {
                found.push(format!(
                    "{path}:{number}: `{name}`, but what draws scenes knows no mechanism by name"
                ));
            }
        }
    }
    found
}

/// Whether `word` stands in `line` by itself, in any case: not as a part of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    line.match_indices(word).any(|(at, _)| {
        let bytes = line.as_bytes();
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        !part(before) && !part(bytes.get(at + word.len()))
    })
}

#[test]
fn mechanisms_are_named_in_their_places_only() {
    let found: Vec<String> = files().iter().flat_map(|(path, text)| named_mechanisms(path, text)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_name_is_found_however_it_is_written() {
    for kind in Kind::ALL {
        let (name, upper) = (kind.name(), kind.name().to_uppercase());
        for line in [
            format!("if (kind === '{name}') draw()"),
            format!("if (kind === \"{name}\") draw()"),
            format!("const link = `#/m/{name}`"),
            format!("const colours = {{ {name}: 0 }}"),
            format!("kinds.{name}.draw()"),
            format!("const title = '{upper}'"),
        ] {
            assert_eq!(named_mechanisms("web/js/main.js", &line).len(), 1, "{line}");
            assert_eq!(named_mechanisms("src/args.rs", &line).len(), 0, "{line}");
        }
        let variant = format!("Kind::{kind:?} =>");
        for (path, times) in
            [("crates/lab/src/race.rs", 1), ("src/plan.rs", 1), ("crates/lab/src/worker.rs", 0)]
        {
            assert_eq!(named_mechanisms(path, &variant).len(), times, "{path}");
        }
        let css = format!("[data-kind={name}] {{ color: red }}");
        assert_eq!(named_mechanisms("web/style.css", &css).len(), 1, "{css}");
        let rust = format!("if kind == \"{name}\" {{}}");
        assert_eq!(named_mechanisms("src/server/live.rs", &rust).len(), 1, "{rust}");
        for line in [format!("started_{name}_ms"), format!("{name}ed"), format!("// {name}")] {
            assert_eq!(named_mechanisms("web/js/main.js", &line).len(), 0, "{line}");
        }
    }
}

#[test]
fn unsafe_stands_only_where_it_is_fenced() {
    let says_unsafe = |text: &str| code(text).any(|(_, line)| line.contains("allow(unsafe_code)"));
    let found: Vec<String> = files()
        .into_iter()
        .filter(|(path, text)| path.contains("src/") && path.ends_with(".rs") && says_unsafe(text))
        .map(|(path, _)| path)
        .collect();
    let listed: Vec<&str> = UNSAFE.iter().map(|(path, _)| *path).collect();
    assert_eq!(found, listed);
}

/// A circle of arrows between the files in `folder`, if there is one.
fn circle(folder: &str, files: &[(String, String)]) -> Option<String> {
    let page = folder.starts_with("web");
    let arrows = if page { arrows::of_page(folder, files) } else { arrows::of_crate(folder, files) };
    assert!(arrows.values().any(|ends| !ends.is_empty()), "no arrow was found in {folder}");
    arrows::circle(&arrows).map(|way| way.join(" -> "))
}

#[test]
fn no_arrow_points_back_between_the_files_of_a_crate() {
    let files = files();
    let found: Vec<String> = ONE_WAY.iter().filter_map(|folder| circle(folder, &files)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_however_its_arrows_are_written() {
    let found = |folder, sources: &[(&str, &str)]| {
        let files: Vec<_> =
            sources.iter().map(|(path, text)| (format!("{folder}/{path}"), (*text).into())).collect();
        circle(folder, &files)
    };
    let lib = ("lib.rs", "pub mod a; pub mod b; pub use a::A; use b::c::C as Seen;");
    let a = |text| ("a.rs", text);
    let (b, c) =
        (("b/mod.rs", "pub mod c; pub const B: u8 = 0;"), ("b/c.rs", "use crate::a::A; pub struct C;"));
    for back in [
        "use crate::b::c::C; pub struct A;",
        "use crate::{b::{self, c::C}, other}; pub struct A;",
        "use super::b::c; pub struct A;",
        "use super::b; pub type A = b::c::C;",
        "use crate::b::c::*; pub struct A;",
        "pub struct A; fn f() { one(crate::b::c::two()) }",
        "pub struct A; fn f() { println!(\"{:?}\", crate::b::c::C) }",
        // Through what another file imports, or hands on.
        "use crate::Seen; pub struct A;",
    ] {
        let files = [lib, a(back), b, c];
        assert_eq!(
            found("crate", &files).as_deref(),
            Some("crate/a.rs -> crate/b/c.rs -> crate/a.rs"),
            "{back}"
        );
    }
    for forth in [
        "pub struct A; // crate::b::c::C",
        "pub struct A; /// See [`C`](crate::b::c::C).\nfn f() {}",
        "pub struct A; #[cfg(test)] mod tests { use crate::b::c::C; }",
        "pub struct A; #[cfg(test)] use crate::b::c::C;",
        "use crate::b::B; pub struct A;",
        "use std::fs; pub struct A; fn f(c: C) -> b::c::C { c }",
    ] {
        assert_eq!(found("crate", &[lib, a(forth), b, c]), None, "{forth}");
    }
    // A child needs its parent as any other file does; its declaration in the parent is no arrow.
    let child = ("b/c.rs", "use super::B; pub struct C;");
    assert_eq!(found("crate", &[lib, b, child]), None);
    assert!(found("crate", &[lib, ("b/mod.rs", "mod c; pub const B: u8 = c::C;"), child]).is_some());

    let page = [("a.js", "import { b } from './b/c.js'"), ("b/c.js", "import {\n  a,\n} from '../a.js'")];
    assert_eq!(found("web", &page).as_deref(), Some("web/a.js -> web/b/c.js -> web/a.js"));
    let one_way = [page[0], ("b/c.js", "// import { a } from '../a.js'")];
    assert_eq!(found("web", &one_way), None);
}

#[test]
fn every_source_file_opens_by_explaining_itself() {
    let bare: Vec<String> = files()
        .into_iter()
        .filter(|(path, text)| path.ends_with(".rs") && !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    assert!(bare.is_empty(), "without a first line `//! …`: {bare:?}");
}

#[test]
fn the_version_has_an_entry_in_the_changelog() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    assert!(changelog.contains(&heading), "CHANGELOG.md has no heading `{heading}`");
}

/// Whether a sentence in `text` has a [vague](VAGUE) subject, or a riddle for one.
fn vague(text: &str) -> bool {
    const SUBJECTS: [&str; 6] = ["Who ", "Who.", "Whoever ", "Nobody ", "That it ", "So many "];
    // What stands in backticks is a name: the user `nobody`.
    let text: String = text.split('`').step_by(2).collect();
    let begins = |subject: &str| {
        let inside = [". ", ": ", "- "].map(|end| text.contains(&format!("{end}{subject}")));
        text.starts_with(subject) || inside.contains(&true)
    };
    // A clause of its own; in "the user who runs it" the subject has a name.
    let clause = ["and who ", "or who ", "; who ", ": who "].iter().any(|words| text.contains(words));
    clause || VAGUE.iter().any(|word| has_word(&text, word)) || SUBJECTS.iter().any(|subject| begins(subject))
}

/// The paragraphs of a document; of code its comments and what it says to a user. Each on one line.
fn prose(path: &str, text: &str) -> Vec<String> {
    let marks: &[&str] =
        if path.ends_with(".rs") { &["//!", "///", "//"] } else { &["//", "/**", "*/", "*"] };
    let comment = |line| marks.iter().find_map(|mark| str::strip_prefix(line, mark));
    let mut all = vec![String::new()];
    for line in text.lines().map(str::trim) {
        let words = if path.ends_with(".md") { Some(line) } else { comment(line) };
        match (words.map(str::trim).filter(|words| !words.is_empty()), all.last_mut()) {
            (Some(words), Some(last)) if !last.is_empty() => *last = format!("{last} {words}"),
            (words, _) => all.push(words.unwrap_or_default().to_owned()),
        }
    }
    let quoted = code(text).flat_map(|(_, line)| line.split('"').skip(1).step_by(2));
    all.extend(quoted.filter(|_| is_ours(path)).map(str::to_owned));
    all.extend(text.lines().filter(|_| path.starts_with("web/js/")).map(str::to_owned));
    all
}

#[test]
fn the_prose_names_its_subjects() {
    let found = |files: &[(String, String)]| -> Vec<String> {
        let prose =
            files.iter().flat_map(|(path, text)| prose(path, text).into_iter().map(move |it| (path, it)));
        prose.filter(|(_, words)| vague(words)).map(|(path, words)| format!("{path}: {words}")).collect()
    };
    let speaks = |path: &str| [".md", ".rs", ".js"].iter().any(|end| path.ends_with(end));
    let files: Vec<_> = every_file().into_iter().filter(|(path, _)| speaks(path)).collect();
    let vague = found(&files);
    assert!(vague.is_empty(), "{}", vague.join("\n"));

    // The control: each is found where it stands, and however its lines are broken.
    let seeded = [
        ("a.md", "Ask whoever waits."),
        ("a.md", "What runs, and who is told."),
        ("a.md", "It sleeps until\nsomebody writes."),
        ("a.rs", "/// It waits.\n///\n/// Who waits, asks.\nfn f() {}"),
        ("a.rs", "//! So.\n//! Nobody reads."),
        ("a.rs", "    // It is known. That it\n    // ends is not."),
        ("a.js", "/**\n * So many\n * at once.\n */"),
        ("src/a.rs", "fn f() { say(\"nobody waits\") }"),
        ("web/js/a.js", "say('nobody waits')"),
    ];
    for (path, text) in seeded {
        assert_eq!(found(&[(path.into(), text.into())]).len(), 1, "{text}");
    }
    for fine in [
        "/// Which user may ask, and that the sender, who waits, is told. The user who runs it, or root.",
        "/// The user `nobody`.",
        "fn nobody() {}\n#[cfg(test)]\nfn f() { say(\"nobody waits\") }",
    ] {
        assert_eq!(found(&[("src/a.rs".into(), fine.into())]), [""; 0]);
    }
}

/// The lines of a document's prose that are longer than a hundred columns; code and tables are as wide as they are.
fn wide(text: &str) -> Vec<&str> {
    let mut inside = false;
    let prose = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence && !line.trim_start().starts_with('|')
    };
    text.lines().filter(prose).filter(|line| line.chars().count() > 100).collect()
}

#[test]
fn the_prose_of_documents_fits_in_a_hundred_columns() {
    let files = every_file();
    // Records are not written again.
    let documents = files.iter().filter(|(path, _)| path.ends_with(".md") && !path.starts_with("results/"));
    let found: Vec<_> =
        documents.flat_map(|(path, text)| wide(text).into_iter().map(move |line| (path, line))).collect();
    assert!(found.is_empty(), "{found:#?}");
    let long = "word ".repeat(21);
    assert_eq!(wide(&format!("# Head\n\n{long}\n| {long} |\n```text\n{long}\n```\n- {long}")).len(), 2);
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in files().iter().filter(|(path, _)| path.ends_with(".md")) {
        let folder = root().join(path).parent().map(Path::to_path_buf).unwrap_or_default();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let file = link.split('#').next().unwrap_or_default();
            // A chapter of a library's documentation links to items; rustdoc checks those.
            let elsewhere = file.is_empty() || file.contains("://") || file.starts_with("crate");
            if !elsewhere && !folder.join(file).exists() {
                broken.push(format!("{path}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What a program that only talks would compile of `crossing` beside rustix: dependencies that are not optional, a feature
/// that is on by itself, a scene that no feature asked for.
fn beside_rustix(manifest: &str, library: &str) -> Vec<String> {
    let section = |name: &'static str| {
        let lines = manifest.lines().skip_while(move |line| *line != name).skip(1);
        lines.take_while(|line| !line.starts_with('[')).filter(|line| line.contains('='))
    };
    let dependencies = section("[dependencies]")
        .filter(|line| !line.starts_with("rustix ") && !line.contains("optional = true"));
    let on_by_itself = section("[features]").filter(|line| line.starts_with("default"));
    let always =
        (!library.contains("#[cfg(feature = \"scene\")]\npub mod scene;")).then_some("pub mod scene;");
    dependencies.chain(on_by_itself).chain(always).map(str::to_owned).collect()
}

#[test]
fn a_program_that_only_talks_compiles_rustix_and_no_scene() {
    let read = |path: &str| fs::read_to_string(root().join("crates/crossing").join(path)).unwrap();
    let (manifest, library) = (read("Cargo.toml"), read("src/lib.rs"));
    assert_eq!(beside_rustix(&manifest, &library), Vec::<String>::new());
    for (was, seeded) in [
        ("serde = { workspace = true, optional = true }", "serde = { workspace = true }"),
        ("[features]\n", "[features]\ndefault = [\"scene\"]\n"),
    ] {
        assert!(manifest.contains(was), "{was}");
        assert_eq!(beside_rustix(&manifest.replace(was, seeded), &library).len(), 1, "{seeded}");
    }
    assert_eq!(beside_rustix(&manifest, &library.replace("#[cfg(feature = \"scene\")]\n", "")).len(), 1);
}

/// How a release is built, by a manifest: its lines from the profile on.
fn profile(manifest: &str) -> Vec<&str> {
    let lines = manifest.lines().skip_while(|line| *line != "[profile.release]");
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn the_scoreboard_measures_what_is_built_as_the_binary_is() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (binary, scoreboard) = (read("Cargo.toml"), read("rivals/scoreboard/Cargo.toml"));
    // Members of the workspace are not among its packages at level "s".
    let members = ["crossing", "ipcscope-lab"]
        .map(|member| format!("[profile.release.package.{member}]\nopt-level = 3\n"))
        .concat();
    let alike = |scoreboard: &str| profile(scoreboard) == profile(&format!("{binary}\n{members}"));
    assert!(alike(&scoreboard), "{:#?} {:#?}", profile(&binary), profile(&scoreboard));
    assert!(!alike(&scoreboard.replace("codegen-units = 1", "codegen-units = 4")));
    assert!(!alike(&scoreboard.replace("[profile.release.package.crossing]\nopt-level = 3\n", "")));
}

/// Where `rule` is broken: file, line, word.
fn violations(rule: &Rule, files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| (rule.about)(path)) {
        for (number, line) in code(text) {
            for word in rule.absent.iter().filter(|word| line.contains(*word)) {
                found.push(format!("{path}:{number}: `{word}`, but {}", rule.says));
            }
        }
    }
    found
}

/// The lines of a file that are code: no comments, and nothing from its tests on.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| *line != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line))
}

/// The files that the rules about code are for.
fn files() -> Vec<(String, String)> {
    // The proofs of the ring are tests, though they live beside it.
    let is_test = |path: &str| path.contains("/tests/") || path.starts_with("tests/tidy");
    every_file().into_iter().filter(|(path, _)| !is_test(path)).collect()
}

/// Every text file of the project by its path from the root, in order. Not what was built or fetched.
fn every_file() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    walk(&root(), &mut paths);
    let mut files: Vec<(String, String)> = paths
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            let name = path.strip_prefix(root()).ok()?.to_str()?.to_owned();
            Some((name, text))
        })
        .collect();
    files.sort();
    files
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            let built = ["target", "node_modules"].iter().any(|built| name == *built);
            if !built && !name.to_string_lossy().starts_with('.') {
                walk(&path, paths);
            }
        } else if ["rs", "toml", "md", "js", "css", "html"]
            .iter()
            .any(|end| path.extension().is_some_and(|e| e == *end))
        {
            paths.push(path);
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
