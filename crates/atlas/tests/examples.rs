//! The program in `examples/` does what it says: it runs by its name, ends by itself, and fails if a map lacks a process of its own.

use std::process::Command;

#[test]
fn a_herd_is_in_the_map() {
    // Beside the tests, where Cargo has put it.
    let mut program = std::env::current_exe().expect("a path");
    program.pop();
    program.pop();
    program.push("examples/herd");
    let ran = Command::new(&program).arg("20").output();
    let ran = ran
        .unwrap_or_else(|error| panic!("{}: {error}: cargo build --workspace --examples", program.display()));
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("median"), "{ran:#?}");
    assert_eq!(said.lines().count(), 8, "{said}");
}
