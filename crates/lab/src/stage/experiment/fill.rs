//! Fill: without a receive, the sender sends until it is put to sleep. Then the receiver takes
//! everything, and the sender goes on.

use std::time::{Duration, Instant};

use crossing::WaitStrategy;

use super::bench::{ExperimentBench, ExperimentVerdict};
use crate::mechanism::Gauges;
use crate::peer::PeerFault;
use crate::stage::order::{Course, StageOrder};
use crate::stage::pair::{BOTH, Pair};
use crate::stage::state::SeenProcess;
use crate::trace::{Call, Event, ProcessState, Side, Tone};
use crate::units;

/// More than fit anywhere.
const MOST: u64 = 50_000_000;
/// Between two looks at the gauges.
const LOOK: Duration = Duration::from_millis(5);
/// Looks in a row that must have found the same for the buffer to count as full.
const STILL: u32 = 10;
/// How long a buffer may take to be full.
const FULL: Duration = Duration::from_secs(8);
/// Gauges that are told while it fills, about.
const TOLD: u32 = 20;

pub(super) fn run(bench: &mut ExperimentBench<'_, '_>) -> Result<ExperimentVerdict, PeerFault> {
    let mut pair = bench.pair()?;
    let first = *bench.next;
    bench.teller.note(Tone::Plain, "the receiver takes nothing; the sender sends until it must wait");
    pair.order(Side::Sender, &StageOrder::SendOn(Course::of(first, MOST)))?;
    // A process tells of its calls when all is over: until then, so that all of it is in order of time, nothing is told.
    let mut events = Vec::new();
    let outcome = filled_and_drained(bench, &mut pair, first, &mut events);
    bench.teller.in_order(events);
    let Some((bytes, seen, Drained { sent, received, damaged })) = outcome? else {
        return Ok(ExperimentVerdict::untried("the kernel does not let the lab see what the buffer holds"));
    };
    let fitted = fitting(bench, bytes);
    *bench.next += sent;
    bench.teller.look(&pair, &BOTH);
    let call = seen.call.as_ref().map(|call| format!("{call}()"));
    let place = match (&call, &seen.wchan) {
        (Some(call), Some(wchan)) => format!("{call} ({wchan})"),
        (Some(call), None) => call.clone(),
        _ => "nothing: it spins".into(),
    };
    bench.teller.table(
        "What fits while the receiver takes nothing",
        &[
            "messages",
            "bytes on their way",
            "the sender then sleeps in",
            "sent in all",
            "received and verified",
        ],
        vec![vec![
            fitted.to_string(),
            bytes.to_string(),
            place,
            sent.to_string(),
            (received - damaged).to_string(),
        ]],
        "the buffer's own count (ioctl(2), or the region's indices); /proc/PID/syscall and wchan",
    );
    let asleep = if seen.state == ProcessState::Sleeping {
        format!("the sender slept{}", call.map(|call| format!(" in {call}")).unwrap_or_default())
    } else {
        "the sender asked again and again, as it was told to spin".into()
    };
    let size = u64::from(bench.cast.size_bytes);
    let held = sent > 0 && received == sent && damaged == 0;
    let rest = if held {
        format!(
            "when the receiver had taken some, it went on, and {} of {} arrived",
            units::count(sent),
            units::plural(sent, "message")
        )
    } else {
        format!(
            "{} of {} arrived whole, {damaged} came damaged",
            units::count(received - damaged),
            units::plural(sent, "message")
        )
    };
    Ok(ExperimentVerdict::new(
        held,
        format!(
            "{} fitted ({bytes} B: each takes {} B, its own {size} B and a header); then {asleep}; {rest}",
            units::plural(fitted, "message"),
            frame_bytes(bench),
        ),
    )
    .of(sent, received - damaged))
}

/// How many messages so many bytes are.
fn fitting(bench: &ExperimentBench<'_, '_>, bytes: u64) -> u64 {
    bytes / frame_bytes(bench)
}

/// Bytes that each message takes, with its header and padding.
fn frame_bytes(bench: &ExperimentBench<'_, '_>) -> u64 {
    bench.cast.kind.frame_bytes(bench.cast.size_bytes as usize)
}

/// Lets the buffer fill, and then the receiver take everything: the bytes that fitted, where the sender was then, and what
/// came. `None` when the kernel does not let us look.
fn filled_and_drained(
    bench: &mut ExperimentBench<'_, '_>,
    pair: &mut Pair,
    first: u64,
    events: &mut Vec<Event>,
) -> Result<Option<(u64, SeenProcess, Drained)>, PeerFault> {
    let Some((bytes, seen)) = fill(bench, pair, events)? else { return Ok(None) };
    events.extend(bench.teller.looked(pair, &BOTH));
    // The message that found no room is sent as soon as there is some; then the sender has heard enough.
    pair.order(Side::Sender, &StageOrder::Enough)?;
    let drained = drain(bench, pair, first, fitting(bench, bytes), events)?;
    Ok(Some((bytes, seen, drained)))
}

/// Watches until nothing moves any more: the bytes on their way, and where the sender is then.
fn fill(
    bench: &mut ExperimentBench<'_, '_>,
    pair: &Pair,
    events: &mut Vec<Event>,
) -> Result<Option<(u64, SeenProcess)>, PeerFault> {
    let deadline = Instant::now() + FULL;
    let (mut still, mut before, mut looks, mut every) = (0, None, 0_u32, 1_u32);
    loop {
        if bench.stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(PeerFault::Stopped);
        }
        let Some(bytes) = pair.gauges().ok().and_then(Gauges::on_the_way) else { return Ok(None) };
        still = if before == Some(bytes) { still + 1 } else { 0 };
        before = Some(bytes);
        let seen = pair.look(Side::Sender);
        // One that spins never sleeps: for it, that nothing has moved must do.
        let waits = seen.state == ProcessState::Sleeping || bench.cast.wait == WaitStrategy::Spin;
        if bytes > 0 && still >= STILL && waits {
            return Ok(Some((bytes, seen)));
        }
        if Instant::now() >= deadline {
            return Err(PeerFault::Failed(format!(
                "after {} s the sender had still not to wait",
                FULL.as_secs()
            )));
        }
        if looks.is_multiple_of(every) && still == 0 {
            events.extend(bench.teller.read_gauges(pair));
        }
        looks += 1;
        // However long it takes, it is told about so often.
        every = (looks / TOLD + 1).next_power_of_two();
        crossing::pause(LOOK);
    }
}

struct Drained {
    sent: u64,
    received: u64,
    damaged: u64,
}

/// Lets the receiver take enough for the sender to go on, then everything that the sender reports
/// as sent.
fn drain(
    bench: &mut ExperimentBench<'_, '_>,
    pair: &mut Pair,
    first: u64,
    fitted: u64,
    events: &mut Vec<Event>,
) -> Result<Drained, PeerFault> {
    let mut drained = Drained { sent: 0, received: 0, damaged: 0 };
    events.extend(take(bench, pair, first, (fitted / 8 * 7).max(1), &mut drained, &[])?);
    let (calls, sent) = bench.hear(pair, Side::Sender)?;
    drained.sent = sent;
    let told = calls.iter().map(|call| call.number).collect::<Vec<_>>();
    events.extend(bench.teller.calls(Side::Sender, Call::Send, false, calls));
    let rest = sent.saturating_sub(drained.received);
    events.extend(take(bench, pair, first, rest, &mut drained, &told)?);
    Ok(drained)
}

/// Lets the receiver take `count` messages more; what is told of them: the calls of those that are not what was sent, and of
/// those in `told`, whose sending is told, too.
fn take(
    bench: &mut ExperimentBench<'_, '_>,
    pair: &mut Pair,
    first: u64,
    count: u64,
    drained: &mut Drained,
    told: &[u64],
) -> Result<Vec<Event>, PeerFault> {
    let mut events = Vec::new();
    let end = drained.received + count;
    while drained.received < end && drained.damaged == 0 {
        // Not too many at a time: each is noted.
        let some = (end - drained.received).min(4096);
        let order = StageOrder::Recv(Course::of(first + drained.received, some));
        let (calls, came) = bench.ask(pair, Side::Receiver, &order)?;
        drained.received += came;
        drained.damaged += calls.iter().filter(|call| call.fault.is_some()).count() as u64;
        let (followed, _): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|call| call.fault.is_some() || told.contains(&call.number));
        events.extend(bench.teller.calls(Side::Receiver, Call::Recv, false, followed));
    }
    Ok(events)
}
