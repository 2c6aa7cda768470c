//! The answer of a choice: its facts in words, as `docs/api.md` has them.

use lab::choose::{Answer, Choice, ChoiceFact, ChoiceReason, Excluded, MissingRace, Source};
use lab::plan::Workload;
use lab::report::ReportRow;
use lab::scene::Budget;
use lab::units;
use serde::Serialize;

use super::words::{counted, range};

/// The answer as it is told.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ChoiceAnswer {
    /// Best first.
    answers: Vec<ChosenAnswer>,
    excluded: Vec<ExcludedAnswer>,
    /// The race that would measure the missing rows.
    missing: Option<MissingRace>,
}

/// A mechanism that meets the needs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ChosenAnswer {
    kind: String,
    title: String,
    wait: String,
    reasons: Vec<ReasonAnswer>,
}

/// A mechanism that does not meet them.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ExcludedAnswer {
    kind: String,
    title: String,
    why: String,
    #[serde(flatten)]
    from: ReasonSource,
}

/// A reason in words.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ReasonAnswer {
    text: String,
    #[serde(flatten)]
    from: ReasonSource,
}

/// What a reason rests on.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ReasonSource {
    basis: ReasonBasis,
    /// The run that was measured, and the row in it.
    run: Option<String>,
    row: Option<usize>,
    /// Why that row is not one to quote: `quick race`, `stopped early`.
    marks: Vec<&'static str>,
}

/// Whether a row or the design tells.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum ReasonBasis {
    Measured,
    Design,
}

impl From<Choice> for ChoiceAnswer {
    fn from(Choice { answers, excluded, missing }: Choice) -> ChoiceAnswer {
        let chosen = |Answer { kind, title, wait, reasons }| {
            let reasons = reasons.into_iter().map(ReasonAnswer::from).collect();
            ChosenAnswer { kind, title, wait, reasons }
        };
        let refused = |Excluded { kind, title, why }| {
            let ReasonAnswer { text: why, from } = why.into();
            ExcludedAnswer { kind, title, why, from }
        };
        ChoiceAnswer {
            answers: answers.into_iter().map(chosen).collect(),
            excluded: excluded.into_iter().map(refused).collect(),
            missing,
        }
    }
}

impl From<ChoiceReason> for ReasonAnswer {
    fn from(ChoiceReason { fact, source }: ChoiceReason) -> ReasonAnswer {
        let basis = if source.is_some() { ReasonBasis::Measured } else { ReasonBasis::Design };
        let marks = source.as_ref().map_or_else(Vec::new, |source| source.marks.clone());
        let (run, row) = source.map(|Source { run, row, .. }| (run, row)).unzip();
        ReasonAnswer { text: text(&fact), from: ReasonSource { basis, run, row, marks } }
    }
}

fn text(fact: &ChoiceFact) -> String {
    match fact {
        ChoiceFact::Latency { p50_ns, row, like_the_best, loopback_only } => {
            let mut text = format!("{} median latency ({})", units::duration(*p50_ns as f64), setting(row));
            if *like_the_best {
                text.push_str(", no different from the best: the launches overlap");
            }
            if *loopback_only {
                text.push_str("; measured on one machine, a network comes on top");
            }
            text
        }
        ChoiceFact::Rate { messages_per_s, row, wanted_per_s } => format!(
            "{} messages a second went through ({}), {} are needed",
            units::rate(*messages_per_s),
            setting(row),
            units::rate(f64::from(*wanted_per_s))
        ),
        ChoiceFact::Cpu { ns } => format!("{} of CPU time a message, both sides together", units::duration(*ns)),
        ChoiceFact::NotMeasured => "not measured on this machine yet; placed by what its design costs".into(),
        ChoiceFact::CrossesHosts => "the other process may be on another machine".into(),
        ChoiceFact::OneHostOnly => "it works within one machine only".into(),
        ChoiceFact::BothWays => "one connection carries messages both ways".into(),
        ChoiceFact::OneWayEach => "it goes one way; both ways take two of them".into(),
        ChoiceFact::OwnMemoryOnly => {
            "each process writes only memory of its own, and what the other one says is checked before it is believed".into()
        }
        ChoiceFact::NoSharedMemory => "no memory is shared: the kernel carries every message".into(),
        ChoiceFact::Cost(budget) => cost(budget),
    }
}

/// `64 B, spin, cross-core, ping-pong`.
fn setting(row: &ReportRow) -> String {
    let workload = match row.workload {
        Workload::PingPong => "half a ping-pong",
        Workload::Stream => "stream",
        Workload::Corked => "corked stream",
        Workload::Paced => "paced, from the due time",
        Workload::Rehearsed | Workload::RehearsedCorked | Workload::RehearsedRoomy => "rehearsed",
    };
    format!("{}, {}, {}, {workload}", units::bytes(row.size_bytes), row.wait, row.placement)
}

fn cost(budget: &Budget) -> String {
    format!(
        "{}: {} to send, {} to receive, {} by the kernel, {} a message",
        budget.wait,
        counted(budget.sender_syscalls, "system call", "system calls"),
        range(budget.receiver_syscalls),
        counted(budget.kernel_copies, "copy", "copies"),
        counted(budget.wakes, "wake-up", "wake-ups")
    )
}

#[cfg(test)]
mod tests {
    use crossing::Kind;
    use lab::choose::{Constraints, choose};

    use super::*;
    use crate::render::sample;

    #[test]
    fn every_reason_is_a_sentence_with_its_basis() {
        let scenes = crate::render::scenes();
        let runs = [("7".to_owned(), sample())];
        for constraints in [
            "{}",
            r#"{"same_host":false,"both_ways":true,"isolation":"hostile","rate_per_s":1000}"#,
            r#"{"cpu":"shared","rate_per_s":4000000000,"idle":true}"#,
        ] {
            let wanted: Constraints = serde_json::from_str(constraints).unwrap();
            let choice = choose(&scenes, &runs, &sample().machine, &wanted);
            let choice = serde_json::json!(ChoiceAnswer::from(choice));
            let answers = choice["answers"].as_array().unwrap();
            let excluded = choice["excluded"].as_array().unwrap();
            assert_eq!(answers.len() + excluded.len(), Kind::ALL.len(), "{choice:#}");
            for reason in answers.iter().flat_map(|answer| answer["reasons"].as_array().unwrap()) {
                let text = reason["text"].as_str().unwrap();
                assert!(text.len() > 10, "{reason}");
                let doubled = [" 1 system calls", " 1 copies", " 1 wake-ups"];
                assert!(!doubled.iter().any(|wrong| text.contains(wrong)), "one is no plural: {text}");
                assert_eq!(reason["basis"] == "measured", reason["row"].is_u64(), "{reason}");
            }
            assert!(excluded.iter().all(|excluded| excluded["why"].is_string()), "{choice:#}");
        }
    }
}
