//! Lose segments: a filter at the receiving socket drops one in five of what comes. TCP sends it again when a
//! timer ends, and the messages still arrive whole and in order.
//!
//! Which timer depends on what else is on its way. A segment that is alone is sent again after some 200 ms, by
//! the retransmission timer (RFC 6298) or by the probe for lost tails (RFC 8985), which waits about as long then;
//! if an earlier segment is not acknowledged yet the probe waits for about two round trips only.

use std::io::ErrorKind;

use super::{Bench, Verdict, messages};
use crate::peer::Fault;
use crate::stage::order::{Course, Order};
use crate::stage::pair::{BOTH, Pair, place};
use crate::sys::socket::{TcpInfo, lose_at_random, tcp_info};
use crate::trace::{Call, Side, Tone, What};

/// Of a thousand segments, so many are lost.
const LOST: u32 = 200;
/// So many retransmits are waited for.
const WANTED: u32 = 3;
/// Messages until it is given up: without one loss in so many the filter does not work.
const MOST: u64 = 200;

pub(super) fn run(bench: &mut Bench<'_, '_>) -> Result<Verdict, Fault> {
    let mut pair = bench.pair()?;
    if let Err(error) = attach(&pair) {
        return Ok(refused(bench, &error));
    }
    let text = format!("from here on {} of {} segments are lost on arrival", LOST, 1000);
    bench.teller.note(Tone::Plain, text);
    let before = info(&pair)?;
    let mut seen = before;
    let mut slow = Vec::new();
    let (mut sent, mut whole, mut longest_ns) = (0, 0, 0);
    while seen.total_retrans - before.total_retrans < WANTED && sent < MOST {
        let number = bench.numbers(1);
        // One at a time, each waited for: no later segment tells of the loss, so it is a timer that ends it.
        pair.order(Side::Receiver, &Order::Recv(Course::of(number, 1)))?;
        let (calls, _) = bench.ask(&mut pair, Side::Sender, &Order::Send(Course::of(number, 1)))?;
        let began = calls.first().map_or(0, |call| call.began);
        let timer_us = info(&pair)?.rto_us;
        let mut events = bench.teller.calls(Side::Sender, Call::Send, false, calls);
        let (calls, _) = bench.hear(&mut pair, Side::Receiver)?;
        let ended = calls.first().map_or(0, |call| call.ended);
        whole += u64::from(calls.iter().all(|call| call.fault.is_none()));
        events.extend(bench.teller.calls(Side::Receiver, Call::Recv, false, calls));
        bench.teller.in_order(events);
        sent += 1;
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
    let held = again > 0 && whole == sent;
    let sentence = format!(
        "{again} segments were sent again, the slowest message took {}, and {whole} of {} arrived whole and in order",
        milliseconds(longest_ns),
        messages(sent)
    );
    Ok(Verdict::new(held, sentence))
}

fn milliseconds(ns: u64) -> String {
    format!("{:.1} ms", ns as f64 / 1e6)
}

fn attach(pair: &Pair) -> std::io::Result<()> {
    let gauges = pair.gauges().map_err(|error| std::io::Error::new(error.kind(), error.to_string()))?;
    lose_at_random(gauges.inbound(place(Side::Receiver))?, LOST)
}

/// What the kernel tells of the sender's side of the connection.
fn info(pair: &Pair) -> Result<TcpInfo, Fault> {
    let gauges = pair.gauges().map_err(|error| Fault::Environment(error.to_string()))?;
    gauges.outbound(place(Side::Sender)).and_then(tcp_info).map_err(|error| Fault::Failed(error.to_string()))
}

fn refused(bench: &mut Bench<'_, '_>, error: &std::io::Error) -> Verdict {
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
    Verdict::untried("it could not be tried here")
}
