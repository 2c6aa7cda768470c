//! A stage: two real processes, told what to do and looked at while they do it. Counts and facts, never times.

use lab::stage::{Command, Setup, Stage};
use lab::trace::Event;

const KINDS: [crossing::Kind; 4] = crossing::Kind::ALL;

fn open(kind: crossing::Kind) -> Stage {
    let program = env!("CARGO_BIN_EXE_ipcscope").into();
    Stage::open(&Setup { program, ..Setup::of(kind) }).expect("a stage")
}

fn run(stage: &mut Stage, command: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let command = Command::read(command).expect("a command");
    stage.run(&command, &mut |event| events.push(event)).expect("the stage goes on");
    events
}

#[test]
fn first_look() {
    for kind in KINDS {
        let mut stage = open(kind);
        println!("{}", stage.header().line());
        for command in [
            r#"{"do":"look"}"#,
            r#"{"do":"send","count":2,"mode":"step","text":"hello"}"#,
            r#"{"do":"send","count":1,"mode":"step","receiver_first":true,"direction":"back"}"#,
            r#"{"do":"send","count":3,"mode":"burst"}"#,
        ] {
            for event in run(&mut stage, command) {
                println!("{}", event.line());
            }
        }
        let ids: Vec<String> = stage.header().scene.experiments.iter().map(|e| e.id.clone()).collect();
        for id in ids {
            for event in run(&mut stage, &format!(r#"{{"do":"experiment","id":"{id}"}}"#)) {
                println!("{}", event.line());
            }
        }
    }
}
