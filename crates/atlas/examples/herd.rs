//! How long a map of many processes takes: `cargo run --release -p ipcscope-atlas --example herd -- 500` starts so many, each joined
//! with this one by a pipe and with three more of its own, takes seven maps, and says what they took.

use std::error::Error;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};

use atlas::{EdgeKind, ProgramMap, Scope};
use lab::sys::usage::peak_rss_kib;

/// Pipes that each process has with itself.
const OWN: usize = 3;

/// The processes. They end when their pipes do.
struct Herd(Vec<Child>);

impl Drop for Herd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let count = match std::env::args().nth(1) {
        Some(word) if word == "sleeper" => return sleep_until_the_end(),
        Some(word) => word.parse::<usize>()?.min(10_000),
        None => 50,
    };
    let mut herd = Herd(Vec::new());
    for _ in 0..count {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("sleeper").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        // It has its pipes when it says so.
        let mut said = child.stdout.take().ok_or("no pipe")?;
        herd.0.push(child);
        said.read_exact(&mut [0; 1])?;
    }
    let own = i32::try_from(std::process::id())?;
    let mut took_ms = Vec::new();
    for _ in 0..7 {
        let map = ProgramMap::take(&Scope::All);
        took_ms.push(map.took_ns as f64 / 1e6);
        let pids: Vec<i32> = herd.0.iter().filter_map(|child| i32::try_from(child.id()).ok()).collect();
        // What they have inherited from this one has more ends.
        let of_herd = |edge: &&atlas::Edge| {
            let has = |side: u8, wanted: &dyn Fn(i32) -> bool| {
                edge.ends.iter().any(|end| end.side == side && wanted(end.process.pid))
            };
            edge.kind == EdgeKind::Pipe
                && edge.ends.len() == 2
                && has(1, &|pid| pids.contains(&pid))
                && has(0, &|_| true)
        };
        let edges = map.edges.iter().filter(of_herd);
        let (joined, alone): (Vec<_>, Vec<_>) = edges.partition(|edge| edge.ends[0].process.pid == own);
        let seen = (joined.len(), alone.len());
        if seen != (count, OWN * count) {
            return Err(format!("{count} processes have {seen:?} pipes in the map").into());
        }
        println!(
            "{} processes, {} edges: {:.0} ms",
            map.processes.len(),
            map.edges.len(),
            took_ms[took_ms.len() - 1]
        );
    }
    took_ms.sort_by(f64::total_cmp);
    let peak =
        peak_rss_kib().map_or_else(|| "unknown".to_owned(), |kib| format!("{:.1} MiB", kib as f64 / 1024.0));
    println!("median {:.0} ms ({:.0} to {:.0}), memory at most {peak}", took_ms[3], took_ms[0], took_ms[6]);
    Ok(())
}

fn sleep_until_the_end() -> Result<(), Box<dyn Error>> {
    let pipes = (0..OWN).map(|_| io::pipe()).collect::<io::Result<Vec<_>>>()?;
    // One byte, without the end of the line that a buffer would wait for.
    rustix::io::write(rustix::stdio::stdout(), b"!")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(pipes);
    Ok(())
}
