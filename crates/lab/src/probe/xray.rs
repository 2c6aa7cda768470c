//! X-ray: one message's whole journey, both processes and the kernel on one axis of time.
//!
//! Tracepoints and watchpoints are read as one stream. Of a short row of messages the one is shown in which the
//! watchpoint on the kernel's own copy was where the copy was. Every event says which step of the scene it is an
//! instance of; one that is none is shown as such. Times are those of a message that is stopped a dozen times on its
//! way: the order is true, the lengths are not.

mod events;
mod inside;
mod journey;
mod looks;
mod outside;
mod packets;
mod scan;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicBool;

use self::outside::from_outside;
pub use self::scan::Xray;
use self::scan::{Scan, TraceKey};
use super::aim::Aim;
use super::bench::{Bench, InstrumentFault, ProbeError, ProbeSetup};
use super::copies::LEAST_BYTES;
use super::counters::cores;
use super::refusal::refused;
use super::stream::{EventStream, Want};
use super::symbols::Symbols;
use super::tracefs::{Tracefs, Tracepoint};
use super::wire::Tap;
use crate::mechanism;
use crate::sys::perf::{PerfEvent, Whom};

/// Pages of each ring.
const PAGES: usize = 2048;
/// Rows that are sent until one is met by the watchpoint on the kernel's copy.
const ROWS: usize = 3;

const TRACEPOINTS: [(TraceKey, &str); 8] = [
    (TraceKey::Enter, "raw_syscalls/sys_enter"),
    (TraceKey::Leave, "raw_syscalls/sys_exit"),
    (TraceKey::Waking, "sched/sched_waking"),
    (TraceKey::Switch, "sched/sched_switch"),
    (TraceKey::UserFault, "exceptions/page_fault_user"),
    (TraceKey::KernelFault, "exceptions/page_fault_kernel"),
    (TraceKey::Out, "net/net_dev_start_xmit"),
    (TraceKey::In, "net/netif_receive_skb"),
];

/// Looks through one message of at least [`LEAST_BYTES`], with the best instruments that this machine allows.
///
/// # Errors
/// When a process cannot be started, or a message is lost.
pub fn xray(setup: &ProbeSetup, stop: &AtomicBool) -> Result<Xray, ProbeError> {
    // A shorter message has no byte of its own to be watched.
    let setup = &ProbeSetup { size_bytes: setup.size_bytes.max(LEAST_BYTES), ..setup.clone() };
    let _held = Symbols::kernel();
    let looked = Tracefs::open().map_err(InstrumentFault::from);
    match looked.and_then(|tracefs| through_the_kernel(setup, &tracefs, stop)) {
        Ok(looked) => Ok(looked),
        Err(InstrumentFault::Lost(error)) => Err(error),
        Err(InstrumentFault::Refused(error)) => {
            from_outside(setup, refused("tracepoints of the kernel", &error), stop)
        }
    }
}

/// With tracepoints and watchpoints.
fn through_the_kernel(
    setup: &ProbeSetup,
    tracefs: &Tracefs,
    stop: &AtomicBool,
) -> Result<Xray, InstrumentFault> {
    let mut aim = Aim::take(setup, Some(tracefs), stop)?;
    let mut formats = BTreeMap::new();
    for (key, name) in TRACEPOINTS {
        match tracefs.tracepoint(name) {
            Ok(tracepoint) => drop(formats.insert(key, tracepoint)),
            // Not every kernel has all of them.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let ports = mechanism::carried(setup.kind, aim.bench().pids()).map(|[sender, _]| sender.ports);
    let tap = ports.and_then(|ports| Tap::open(ports).ok());
    let mut shown: Option<(bool, Xray)> = None;
    for guess in aim.guesses().into_iter().cycle().take(aim.guesses().len().max(ROWS)) {
        let mut wants = aim.wants(guess, TraceKey::Byte);
        wants.extend(traced(&formats, aim.bench()));
        let mut stream = EventStream::open(&wants, PAGES, true, true)?;
        stream.begin()?;
        drop(tap.as_ref().map(Tap::take));
        let row = aim.send(stop)?;
        let told = stream.end()?;
        let segments = tap.as_ref().map(Tap::take_acknowledged);
        let scan = Scan::new(setup, &formats, &told.events, aim.bench(), &row, segments.unwrap_or_default());
        let whole = scan.met.is_some() || guess.is_none();
        if shown.is_none() || whole {
            shown = Some((whole, scan.xray(told.lost)));
        }
        if whole {
            break;
        }
    }
    let shown = shown.ok_or_else(|| io::Error::other("no row was sent"))?;
    Ok(shown.1)
}

/// What is wanted of the kernel's tracepoints.
fn traced(formats: &BTreeMap<TraceKey, Tracepoint>, bench: &Bench) -> Vec<Want<TraceKey>> {
    let [sender, receiver] = bench.pids();
    let mut wants = Vec::new();
    for (&key, format) in formats {
        let watched = PerfEvent::Tracepoint(format.id);
        let only = match key {
            TraceKey::Waking => Some(format!("pid == {sender} || pid == {receiver}")),
            TraceKey::Switch => Some(
                [sender, receiver].map(|pid| format!("prev_pid == {pid} || next_pid == {pid}")).join(" || "),
            ),
            _ => None,
        };
        let whom: Vec<Whom> = match only {
            Some(_) => cores(bench).into_iter().map(Whom::Core).collect(),
            None => vec![Whom::Thread(sender), Whom::Thread(receiver)],
        };
        wants.extend(whom.into_iter().map(|whom| Want { key, watched, whom, only: only.clone() }));
    }
    wants
}
