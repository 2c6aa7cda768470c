//! Help, typing mistakes, completions and manual pages.

use crate::harness::Desk;

const VERBS: [&str; 12] = [
    "serve",
    "race",
    "show",
    "probe",
    "map",
    "watch",
    "rehearse",
    "compare",
    "replay",
    "doctor",
    "completions",
    "man",
];

#[test]
fn every_verb_has_help_on_stdout() {
    let desk = Desk::new();
    let whole = desk.run("--help").ended_with(0);
    for verb in VERBS {
        assert!(whole.stdout.contains(&format!("  {verb} ")), "{whole:#?}");
        let help = desk.run(&format!("{verb} --help")).ended_with(0);
        assert!(help.stdout.contains("Usage: ipcscope"), "{help:#?}");
        assert_eq!(help.stderr, "");
    }
}

#[test]
fn the_hidden_verb_stays_hidden() {
    let desk = Desk::new();
    for line in ["--help", "completions bash", "man"] {
        assert!(!desk.run(line).ended_with(0).stdout.contains("worker"), "{line}");
    }
}

#[test]
fn help_says_what_k_means() {
    let help = Desk::new().run("race --help").ended_with(0).stdout;
    assert!(help.contains("1k = 1024"), "{help}");
}

#[test]
fn the_version_is_the_packages() {
    let version = Desk::new().run("--version").ended_with(0).stdout;
    assert_eq!(version, format!("ipcscope {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_typing_mistake_gets_a_suggestion() {
    let desk = Desk::new();
    desk.run("rac").refused("'race'");
    desk.run("help").refused("`ipcscope --help` lists the verbs");
    desk.run("race pip").refused("'pipe'");
    desk.run("race --cuont 5").refused("'--count'");
    desk.run("race --workload ping-pnog").refused("'ping-pong'");
}

#[test]
fn all_mechanisms_have_one_word_wherever_there_may_be_several() {
    let desk = Desk::new();
    for verb in ["race", "probe"] {
        // What is refused is the size, and nothing before it.
        desk.run(&format!("{verb} all --size 0")).refused("1 to 16777216 bytes");
    }
}

#[test]
fn completions_for_each_shell() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = desk.run(&format!("completions {shell}")).ended_with(0).stdout;
        for word in ["ipcscope", "race", "export-json", "ping-pong"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    desk.run("completions tcsh").refused("tcsh");
}

#[test]
fn manual_pages() {
    let desk = Desk::new();
    assert!(desk.run("man").ended_with(0).stdout.contains(".TH ipcscope"));
    for verb in VERBS {
        assert!(desk.run(&format!("man {verb}")).ended_with(0).stdout.contains(".SH"), "{verb}");
    }
    desk.run("man racing").refused("one of serve, race");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let desk = Desk::new();
    let mut child = desk.command(["man", "race"]).spawn().expect("the binary starts");
    drop(child.stdout.take());
    let ran = crate::harness::Ran::of("man race", child.wait_with_output().expect("it ends")).ended_with(0);
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_full_disk_is_one_line() {
    let desk = Desk::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = desk.command(["completions", "bash"]).stdout(full).output().expect("the binary starts");
    crate::harness::Ran::of("completions bash > /dev/full", output).refused("cannot write to stdout");
}
