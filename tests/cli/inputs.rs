//! Reports and traces that are no plain files, or were saved by another program: read once, or named.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{Desk, Ran};

const SAMPLE: &str = include_str!("sample.json");

fn desk() -> Desk {
    let desk = Desk::new();
    fs::write(desk.path("a.json"), SAMPLE).expect("a file");
    desk
}

/// The line, with this at stdin.
fn with_stdin(desk: &Desk, line: &str, stdin: &[u8]) -> Ran {
    let mut command = desk.command(line.split_whitespace());
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    // What is refused early is not read.
    let _ = pipe.write_all(stdin);
    drop(pipe);
    Ran::of(line, child.wait_with_output().expect("it ends"))
}

#[test]
fn stdin_has_its_names_and_is_read_once() {
    let desk = desk();
    for name in ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let ran = with_stdin(&desk, &format!("compare a.json {name} --fail-over 0"), SAMPLE.as_bytes());
        ran.ended_with(0);
        with_stdin(&desk, &format!("compare {name} -"), SAMPLE.as_bytes()).refused("same stream");
    }
    with_stdin(&desk, "compare a.json -", b"").refused("nothing in it");
    // Also when it is a file, or nothing.
    for (file, code) in [("a.json", 0), ("/dev/null", 2)] {
        let stdin = fs::File::open(desk.path(file)).expect("a file");
        let status = desk.command(["compare", "a.json", "-"]).stdin(stdin).status().expect("it starts");
        assert_eq!(status.code(), Some(code), "{file}");
    }
    let folder = fs::File::open(desk.path(".")).expect("a folder");
    let ran = desk.command(["compare", "a.json", "-"]).stdin(folder).output().expect("it starts");
    Ran::of("folder", ran).refused("a directory");
}

#[test]
fn pipes_of_the_shell_are_read() {
    let desk = desk();
    let bash = |arguments: &str| {
        let mut command = Command::new("bash");
        command.args(["-c", &format!("cd \"$2\" && exec \"$1\" {arguments}"), "bash"]);
        command
            .arg(env!("CARGO_BIN_EXE_ipcscope"))
            .arg(desk.path("."))
            .env("XDG_STATE_HOME", desk.path("state"));
        Ran::of(arguments, command.output().expect("bash"))
    };
    bash("compare <(sleep 0.1; cat a.json) <(cat a.json) --fail-over 0").ended_with(0);
    bash("compare a.json <(true)").refused("nothing in it");
}

#[test]
fn what_never_ends_ends_at_the_limit() {
    let desk = desk();
    let zeros = || fs::File::open("/dev/zero").expect("a device");
    for line in ["compare a.json -", "replay -"] {
        let output = desk.command(line.split_whitespace()).stdin(zeros()).output().expect("it starts");
        Ran::of(line, output).refused("longer than 64 MiB");
    }
    desk.run("compare a.json /dev/zero").refused("it is not a file but a device");
}

#[test]
fn what_another_program_saved_is_read_or_named() {
    let desk = desk();
    let utf16 = |text: &str, mark: bool, swap: bool| -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let trace = desk.run("show pipe --messages 1 --placement unpinned --json").ended_with(0).stdout;
    fs::write(desk.path("mark.json"), [b"\xef\xbb\xbf", SAMPLE.as_bytes()].concat()).expect("a file");
    desk.run("compare mark.json a.json --fail-over 0").ended_with(0);
    for (verb, text) in [("compare a.json", SAMPLE), ("replay", &trace)] {
        let others: Vec<(Vec<u8>, &str)> = vec![
            (utf16(text, true, false), "UTF-16"),
            (utf16(text, true, true), "UTF-16"),
            (utf16(text, false, false), "UTF-16"),
            (utf16(text, false, true), "UTF-16"),
            ([b"\xff\xfe\0\0", text.as_bytes()].concat(), "UTF-32"),
            ([b"\x1f\x8b\x08", text.as_bytes()].concat(), "gunzip"),
            ([b"\x28\xb5\x2f\xfd", text.as_bytes()].concat(), "zstd"),
            (b"\x7fELF\x02".to_vec(), "a program"),
            (Vec::new(), "line 1: "),
            (text.as_bytes()[..text.len() - 9].to_vec(), "cut short"),
        ];
        for (bytes, words) in others {
            fs::write(desk.path("other"), bytes).expect("a file");
            desk.run(&format!("{verb} other")).refused(words);
        }
    }
}

#[test]
fn a_trace_with_a_mark_from_stdin_is_served() {
    use crate::client::Lab;
    let desk = desk();
    let trace = desk.run("show pipe --messages 1 --placement unpinned --json").ended_with(0).stdout;
    fs::write(desk.path("mark.ndjson"), format!("\u{feff}{trace}")).expect("a file");
    let lab = Lab::run(&desk, &["replay", "mark.ndjson", "--listen", "127.0.0.1:0"]);
    assert_eq!(lab.get("/api/replay").with(200).body, trace);
}
