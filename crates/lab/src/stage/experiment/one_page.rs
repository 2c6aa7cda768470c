//! One page, two addresses: the memory that both processes have mapped is the same memory, which the numbers of its
//! physical pages prove.

use super::bench::{ExperimentBench, ExperimentVerdict};
use crate::peer::PeerFault;
use crate::probe::{pages, refused};
use crate::sys::maps::ProcessMapping;

pub(super) fn run(bench: &mut ExperimentBench<'_, '_>) -> Result<ExperimentVerdict, PeerFault> {
    let pair = bench.pair()?;
    let pids = pair.pids();
    let look = |error: std::io::Error| {
        PeerFault::Environment(format!("the processes cannot be looked into: {error}"))
    };
    let theirs = pages::shared_mappings(pids[1]).map_err(look)?;
    let mut rows = Vec::new();
    let (mut proven, mut same_file, mut differ) = (0, 0, 0);
    for mine in pages::shared_mappings(pids[0]).map_err(look)? {
        let same = |other: &&ProcessMapping| other.file == mine.file && other.offset == mine.offset;
        let Some(other) = theirs.iter().find(same) else { continue };
        same_file += 1;
        let pages =
            [(pids[0], &mine), (pids[1], other)].map(|(pid, mapping)| pages::page(pid, mapping.at.start));
        let [Ok(here), Ok(there)] = pages else { continue };
        let (frame, mapped) = match (here.frame, there.frame) {
            (Some(a), Some(b)) if a == b => {
                proven += 1;
                let times =
                    pages::times_mapped(a).map_or_else(|_| "not shown".into(), |times| times.to_string());
                (format!("{a:#x} in both"), times)
            }
            (Some(a), Some(b)) => {
                differ += 1;
                (format!("{a:#x} and {b:#x}"), "–".into())
            }
            _ => ("not shown to this user".into(), if here.exclusive { "1" } else { "2 or more" }.into()),
        };
        let share = pages::charged_kib(pids[0], mine.at.start).ok().flatten();
        let share = share.map_or_else(|| "–".into(), |(all, share)| format!("{share} of {all} KiB"));
        let rights = |mapping: &ProcessMapping| if mapping.writable { "rw" } else { "r" };
        rows.push(vec![
            format!("{:#x} ({})", mine.at.start, rights(&mine)),
            format!("{:#x} ({})", other.at.start, rights(other)),
            frame,
            mapped,
            share,
        ]);
    }
    drop(pair);
    let shown = proven > 0 || differ > 0;
    bench.teller.table(
        "The same memory at two addresses",
        &["in the sender", "in the receiver", "physical page", "times mapped", "charged to the sender"],
        rows,
        if shown { "/proc/PID/pagemap" } else { "/proc/PID/maps, pagemap and smaps" },
    );
    if !shown {
        let error = std::io::Error::from_raw_os_error(libc::EPERM);
        bench.teller.say(refused("numbers of physical pages", &error).into());
    }
    Ok(match (proven, differ, same_file) {
        (0, 0, 0) => ExperimentVerdict::new(false, "the two have no memory in common"),
        (_, 0, _) if shown => ExperimentVerdict::new(
            true,
            format!("{proven} mappings, each the same physical page in both processes"),
        ),
        (_, 0, files) => ExperimentVerdict::new(
            true,
            format!("{files} mappings of the same file at the same place, each charged by half"),
        ),
        (_, differ, _) => ExperimentVerdict::new(false, format!("{differ} mappings are not the same memory")),
    })
}
