//! The line that goes out.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::{Failure, Job, Outcome, Result};

/// A sample of 8 bytes is kept for each round trip, so memory bounds their number.
const ROUND_TRIPS_LIMIT: u64 = 100_000_000;

/// A guest's name and abilities.
#[derive(Debug)]
pub struct About {
    /// The folder's name.
    pub name: &'static str,
    /// Changes when a change to the program can change its numbers; it names the library's version.
    pub version: &'static str,
    pub kinds: &'static [&'static str],
    pub workloads: &'static [&'static str],
    pub waits: &'static [&'static str],
    /// Its two sides are threads of one process: a bound for what processes can reach.
    pub threads: bool,
    /// What stands beside its rows: in which way it does not do what its neighbours do.
    pub note: Option<&'static str>,
}

impl About {
    /// Both workloads.
    pub const WORKLOADS: &'static [&'static str] = &["ping-pong", "stream"];

    pub(crate) fn description(&self) -> Value {
        let mut description = json!({
            "name": self.name,
            "version": self.version,
            "kinds": self.kinds,
            "workloads": self.workloads,
            "waits": self.waits,
        });
        if self.threads {
            description["ends"] = "threads".into();
        }
        if let Some(note) = self.note {
            description["note"] = note.into();
        }
        description
    }

    pub(crate) fn check(&self, job: &Job) -> Result<()> {
        let known = |what: &str, word: &str, known: &[&str]| {
            if known.contains(&word) {
                return Ok(());
            }
            Err(Failure::Unsupported(format!("{what} {word}: {} knows {}", self.name, known.join(", "))))
        };
        known("workload", &job.workload, self.workloads)?;
        known("wait", &job.wait, self.waits)?;
        known("kind", &job.kind, self.kinds)?;
        if !job.streams() && job.messages > ROUND_TRIPS_LIMIT {
            return Err(Failure::Unsupported(format!("more than {ROUND_TRIPS_LIMIT} round trips")));
        }
        job.clock.check()
    }

    pub(crate) fn result(&self, job: &Job, outcome: Outcome) -> Value {
        json!({
            "name": self.name,
            "version": self.version,
            "messages": job.messages,
            "verified": outcome.verified,
            "elapsed_ns": outcome.elapsed_ns,
            "latency_ns": counted(outcome.latency_ns),
        })
    }
}

pub(crate) fn gap(why: &str) -> Value {
    json!({ "unsupported": why })
}

/// Each value once, in order, with its count.
fn counted(mut values: Vec<u64>) -> Vec<(u64, u64)> {
    values.sort_unstable();
    values.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect()
}

pub(crate) fn print(line: &Value) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stdout: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn samples_become_values_with_counts_in_order() {
        assert_eq!(super::counted(vec![5, 3, 5, 9, 5]), [(3, 1), (5, 3), (9, 1)]);
        assert_eq!(super::counted(Vec::new()), []);
    }
}
