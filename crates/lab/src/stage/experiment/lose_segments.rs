//! Lose segments: a filter at the receiving socket drops the segment of every fourth message, and
//! is taken away when the kernel has counted the loss. TCP sends the segment again when a timer
//! ends, and the messages still arrive whole and in order. So the lost segments are known, and not
//! left to chance.
//!
//! Which timer depends on what else is on its way. A segment that is alone is sent again after some 200 ms, by
//! the retransmission timer (RFC 6298) or by the probe for lost tails (RFC 8985), which waits about as long then;
//! if an earlier segment is not acknowledged yet the probe waits for about two round trips only.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::bench::{ExperimentBench, ExperimentVerdict};
use crate::peer::PeerFault;
use crate::stage::order::{Course, StageOrder};
use crate::stage::pair::{BOTH, Pair, place};
use crate::sys::socket::{TcpInfo, dropped, lose_everything, lose_nothing, tcp_info};
use crate::trace::{Call, Event, Side, Tone, What};
use crate::units;

/// The number of messages that are sent.
const SENT: u64 = 12;
/// One message in this many loses its segment.
const EVERY: u64 = 4;
/// How long the kernel has to count a loss. It counts when the packet arrives: at once, over
/// loopback.
const COUNTED_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn run(bench: &mut ExperimentBench<'_, '_>) -> Result<ExperimentVerdict, PeerFault> {
    let mut pair = bench.pair()?;
    if let Err(error) = begin_to_lose(&pair).and_then(|()| end_losing(&pair)) {
        return Ok(refused(bench, &error));
    }
    bench.teller.note(Tone::Plain, format!("the segment of every {EVERY}th message is lost on arrival"));
    let before = info(&pair)?;
    let mut seen = before;
    let mut slow = Vec::new();
    let (mut lost, mut whole, mut longest_ns) = (0, 0, 0);
    for sent in 1..=SENT {
        let number = bench.numbers(1);
        // One at a time, each waited for: no later segment tells of the loss, so it is a timer that ends it.
        pair.order(Side::Receiver, &StageOrder::Recv(Course::of(number, 1)))?;
        let loses = sent % EVERY == 0;
        let until_now = losses(&pair)?;
        if loses {
            begin_to_lose(&pair).map_err(failed)?;
        }
        let (calls, _) = bench.ask(&mut pair, Side::Sender, &StageOrder::Send(Course::of(number, 1)))?;
        if loses {
            lost += count_losses(&pair, until_now)?;
            end_losing(&pair).map_err(failed)?;
        }
        let again = if loses { until_again(bench, &pair, seen)? } else { None };
        let began = calls.first().map_or(0, |call| call.began);
        let timer_us = info(&pair)?.rto_us;
        let mut events = bench.teller.calls(Side::Sender, Call::Send, false, calls);
        let (calls, _) = bench.hear(&mut pair, Side::Receiver)?;
        let ended = calls.first().map_or(0, |call| call.ended);
        whole += u64::from(calls.iter().all(|call| call.fault.is_none()));
        events.extend(bench.teller.calls(Side::Receiver, Call::Recv, false, calls));
        events.extend(again.map(|ticks| {
            let packet = What::Packet { function: None, detail: None };
            let event = Event::new(bench.teller.t_ns(ticks), packet).by(Side::Kernel).of(number);
            Event { step: Some("device".into()), ..event.saying("sends the lost segment again") }
        }));
        bench.teller.in_order(events);
        let now = info(&pair)?;
        if now.total_retrans > seen.total_retrans {
            let flight_ns = bench.cast.clock.ns(ended.saturating_sub(began));
            longest_ns = longest_ns.max(flight_ns);
            slow.push(vec![
                number.to_string(),
                milliseconds(flight_ns),
                (now.total_retrans - seen.total_retrans).to_string(),
                milliseconds(u64::from(timer_us) * 1_000),
            ]);
            bench.teller.look(&pair, &BOTH);
        }
        seen = now;
    }
    let again = seen.total_retrans - before.total_retrans;
    bench.teller.note(
        Tone::Plain,
        "a segment that was alone on its way is sent again after some 200 ms, when the retransmission timer or the \
         probe for lost tails (RFC 8985) ends; after about two round trips if an earlier one was not acknowledged yet",
    );
    bench.teller.table(
        "Messages whose segment had to be sent again",
        &["message", "flight", "retransmits", "the retransmission timer then"],
        slow,
        "TCP_INFO (tcpi_total_retrans, tcpi_rto) of the sender; both processes' clock",
    );
    let held = lost >= SENT / EVERY && u64::from(again) >= SENT / EVERY && whole == SENT;
    let sentence = format!(
        "{lost} segments were lost, {again} were sent again, the slowest message took {}, and {whole} of {} arrived \
         whole and in order",
        milliseconds(longest_ns),
        units::plural(SENT, "message")
    );
    Ok(ExperimentVerdict::new(held, sentence))
}

fn milliseconds(ns: u64) -> String {
    format!("{:.1} ms", ns as f64 / 1e6)
}

fn failed(error: std::io::Error) -> PeerFault {
    PeerFault::Failed(error.to_string())
}

/// Does something with the receiver's own socket.
fn at_receiver<T>(pair: &Pair, act: impl FnOnce(OwnedFd) -> std::io::Result<T>) -> std::io::Result<T> {
    let gauges = pair.gauges().map_err(|error| std::io::Error::new(error.kind(), error.to_string()))?;
    act(gauges.inbound(place(Side::Receiver))?)
}

fn begin_to_lose(pair: &Pair) -> std::io::Result<()> {
    at_receiver(pair, lose_everything)
}

fn end_losing(pair: &Pair) -> std::io::Result<()> {
    at_receiver(pair, lose_nothing)
}

/// How many packets the receiver's socket has lost so far.
fn losses(pair: &Pair) -> Result<u64, PeerFault> {
    at_receiver(pair, dropped).map(u64::from).map_err(failed)
}

/// The last look, by the clock, at which the sender's socket had not sent its segment again. None if it had at the first.
fn until_again(
    bench: &ExperimentBench<'_, '_>,
    pair: &Pair,
    before: TcpInfo,
) -> Result<Option<u64>, PeerFault> {
    let end = Instant::now() + COUNTED_WITHIN;
    let mut last = None;
    loop {
        let now = bench.cast.clock.now();
        if info(pair)?.total_retrans > before.total_retrans || Instant::now() > end {
            return Ok(last);
        }
        last = Some(now);
        crossing::pause(Duration::from_micros(100));
    }
}

/// Waits until the receiver's socket has lost something since it had lost `before`; returns how much.
fn count_losses(pair: &Pair, before: u64) -> Result<u64, PeerFault> {
    let end = Instant::now() + COUNTED_WITHIN;
    loop {
        let now = losses(pair)?;
        if now > before {
            return Ok(now - before);
        }
        if Instant::now() > end {
            return Err(PeerFault::Failed(
                "the kernel lost no segment at a socket that loses everything".into(),
            ));
        }
        crossing::pause(Duration::from_micros(100));
    }
}

/// What the kernel tells of the sender's side of the connection.
fn info(pair: &Pair) -> Result<TcpInfo, PeerFault> {
    let gauges = pair.gauges().map_err(|error| PeerFault::Environment(error.to_string()))?;
    gauges
        .outbound(place(Side::Sender))
        .and_then(tcp_info)
        .map_err(|error| PeerFault::Failed(error.to_string()))
}

fn refused(bench: &mut ExperimentBench<'_, '_>, error: &std::io::Error) -> ExperimentVerdict {
    let remedy = if error.kind() == ErrorKind::PermissionDenied {
        "run the lab as root, or with CAP_NET_ADMIN in a network namespace of its own: \
         unshare --user --map-root-user --net sh -c 'ip link set lo up; ipcscope'"
    } else {
        "allow SO_ATTACH_FILTER in the container's seccomp profile"
    };
    bench.teller.say(What::Unavailable {
        figure: "a socket that loses segments".into(),
        why: format!("the kernel refuses a filter on the receiving socket: {error}"),
        remedy: remedy.into(),
    });
    ExperimentVerdict::untried("it could not be tried here")
}
