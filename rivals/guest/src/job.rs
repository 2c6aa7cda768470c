//! The line that comes in: what is to be done.

use std::io::Read;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::Waiting;
use crate::clock::Clock;

const LINE_LIMIT_BYTES: usize = 4096;
const SIZE_LIMIT_BYTES: usize = 16 << 20;
const MESSAGES_LIMIT: u64 = 1_000_000_000_000;

/// A job. A key that is missing, unknown or there twice makes it a bad one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub kind: String,
    pub(crate) workload: String,
    pub size_bytes: usize,
    pub(crate) messages: u64,
    pub(crate) warmup: u64,
    pub(crate) cores: Option<[usize; 2]>,
    pub(crate) wait: String,
    pub(crate) clock: Clock,
}

impl Job {
    /// Whether both sides poll. Else they sleep in the kernel.
    pub fn spins(&self) -> bool {
        self.wait == "spin"
    }

    /// Whether messages go one way only.
    pub fn streams(&self) -> bool {
        self.workload == "stream"
    }

    /// What a side that spins does between two polls.
    pub fn waiting(&self) -> Waiting {
        let one_core = match self.cores {
            Some([first, second]) => first == second,
            None => sched_getaffinity(Pid::from_raw(0)).is_ok_and(|cores| {
                (0..CpuSet::count()).filter(|&core| cores.is_set(core).unwrap_or(false)).count() == 1
            }),
        };
        match (one_core, self.streams()) {
            (true, _) => Waiting::Yield,
            (false, false) => Waiting::Pause,
            (false, true) => Waiting::Nothing,
        }
    }

    fn fault(&self) -> Option<String> {
        let out_of_range =
            |what: &str, least: u64, most: u64| Some(format!("{what} is out of range: {least} to {most}"));
        if self.size_bytes == 0 || self.size_bytes > SIZE_LIMIT_BYTES {
            return out_of_range("size_bytes", 1, SIZE_LIMIT_BYTES as u64);
        }
        if self.messages == 0 || self.messages > MESSAGES_LIMIT {
            return out_of_range("messages", 1, MESSAGES_LIMIT);
        }
        if self.warmup > MESSAGES_LIMIT {
            return out_of_range("warmup", 0, MESSAGES_LIMIT);
        }
        self.clock.fault()
    }
}

/// Reads the job from standard input.
pub(crate) fn read() -> Result<Job, String> {
    let mut text = Vec::new();
    // Byte by byte: what comes after the line is not ours, and there is no hurry.
    for byte in std::io::stdin().lock().bytes() {
        match byte.map_err(|error| error.to_string())? {
            b'\n' => break,
            _ if text.len() == LINE_LIMIT_BYTES => {
                return Err(format!("longer than {LINE_LIMIT_BYTES} bytes"));
            }
            byte => text.push(byte),
        }
    }
    parse(&text)
}

fn parse(text: &[u8]) -> Result<Job, String> {
    let job: Job = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    job.fault().map_or(Ok(job), Err)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const GOOD: &str = r#"{"kind":"shm","workload":"ping-pong","size_bytes":64,"messages":200,"warmup":10,"cores":null,"wait":"spin","clock":"monotonic"}"#;

    #[test]
    fn a_good_job_is_understood() {
        let job = parse(GOOD.as_bytes()).unwrap();
        assert_eq!((job.kind.as_str(), job.size_bytes, job.messages, job.cores), ("shm", 64, 200, None));
        assert!(job.spins() && !job.streams());
        let tsc = GOOD.replace(r#""monotonic""#, r#"{"tsc":{"ns_per_tick":0.385}}"#).replace("null", "[0,1]");
        assert_eq!(parse(tsc.as_bytes()).unwrap().cores, Some([0, 1]));
    }

    #[test]
    fn a_bad_job_is_refused() {
        for (from, to) in [
            (r#""kind":"shm","#, ""),
            (r#""kind":"shm","#, r#""kind":"shm","kind":"shm","#),
            (r#""kind":"shm","#, r#""kind":"shm","mood":"good","#),
            (r#""size_bytes":64"#, r#""size_bytes":0"#),
            (r#""size_bytes":64"#, r#""size_bytes":16777217"#),
            (r#""messages":200"#, r#""messages":0"#),
            (r#""messages":200"#, r#""messages":-1"#),
            (r#""messages":200"#, r#""messages":1000000000001"#),
            (r#""cores":null"#, r#""cores":[0]"#),
            (r#""monotonic""#, r#"{"tsc":{"ns_per_tick":0}}"#),
            (r#""monotonic""#, r#""sundial""#),
            ("}", ""),
            ("}", "} {}"),
        ] {
            let bad = GOOD.replace(from, to);
            assert_ne!(bad, GOOD);
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
