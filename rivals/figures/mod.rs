//! The figures that were promised, and against whom. `examples/figures` of the lab measures and judges them; this folder is
//! where they stand, because nothing outside of it names a rival. What is measured is in `runs.rs`.
//!
//! A row says what is measured, what it is held against, ours, theirs (of several the best counts), and the target. Every
//! figure is a time, so less is better: `AtMost(0.8)` promises that ours takes at most 0.8 times as long as theirs, and
//! `Times(3.0)` that it is three times as fast.

mod runs;

use crossing::Kind;

use crate::table::{Figure, Place, Row, Series, Table, Target, Value};

use Figure::{Bytes, Cpu, Each, P50, P99};
use Target::{AtMost, Times};
use runs::{KERNEL, LIMITS, RACES};

/// What each safety rule may cost, and all of them together: the measure, and how many times as long it may take with the
/// rule as in a build without it.
pub(crate) const RULES: &[(&str, Figure, f64)] = &[
    ("corked stream of 64 B", Each, 1.10),
    ("variable stream of 64 B", Each, 1.10),
    ("round trip of 64 B", P50, 1.10),
    ("stream of 64 B", Each, 1.15),
];

/// The build without any of them.
pub(crate) const EVERY_RULE: &str = "all";

/// Builds without something that is no safety rule; each answers a row of its own below.
pub(crate) const NO_SAFETY_RULE: &[&str] = &["asymmetric", "parts"];

/// The whole table.
pub(crate) fn table() -> Table {
    let mut rows = [one_way(), streams(), batches(), large(), in_place()].concat();
    rows.extend([corked_kernel(), plain_kernel(), round_trips_kernel()].concat());
    rows.extend([hybrid(), asleep(), memory()].concat());
    let limits = LIMITS.iter().map(|beside| beside.to_vec()).collect();
    Table { races: RACES.to_vec(), limits, rows }
}

fn one_way() -> Vec<Row> {
    let of = Group("shared memory, 64 B, one way, spin, two cores");
    let half = |figure| limit(figure, "round trip of 64 B");
    let stamped = |figure| limit(figure, "one way of 64 B");
    let naive = || [limit(P50, "naive probe")];
    let (probe, rings) = ("the naive two-line probe", "the best of rtrb, boost spsc, shmem-ipc");
    let p50 = |who| spun(P50, "round trips", who);
    let three = ["rtrb/shm", "boost-spsc/shm", "shmem-ipc/shm"].map(p50);
    vec![
        of.near("half a round trip, p50", probe, half(P50), naive(), AtMost(0.80)),
        of.far("half a round trip, p50", probe, half(P50), naive(), AtMost(1.05)),
        of.near("stamped, p50", probe, stamped(P50), naive(), AtMost(0.80)),
        of.far("stamped, p50", probe, stamped(P50), naive(), AtMost(1.05)),
        of.near("half a round trip, p99", "its own p50", half(P99), [half(P50)], AtMost(2.0)),
        of.near("stamped, p99", "its own p50", stamped(P99), [stamped(P50)], AtMost(2.0)),
        of.near("verified, half a round trip, p50", rings, p50("shm"), three, AtMost(0.80)),
        of.near("the same", "iceoryx2, loan and fill", p50("shm"), [p50("iceoryx2/shm")], AtMost(0.20)),
    ]
}

fn streams() -> Vec<Row> {
    let of = Group("shared memory, 64 B, stream, one send each, verified");
    let ours = |race| spun(Each, race, "shm");
    let variable = |name| limit(Each, name);
    let all = "every way between processes, one send each";
    let mut rows = Vec::new();
    for (what, ours, race) in [
        ("fixed", ours("stream"), "stream"),
        ("variable", variable("variable stream of 64 B, verified"), "stream"),
        ("100 000 fixed", ours("stream of 100 000"), "stream of 100 000"),
        ("100 000 variable", variable("variable stream of 100 000, verified"), "stream of 100 000"),
        ("fixed, ring of 2 MiB", ours("stream, ring of 2 MiB"), "stream"),
    ] {
        let theirs = |who| [spun(Each, race, who)];
        rows.push(of.near(what, "rtrb (threads)", ours.clone(), theirs("rtrb/shm"), Times(3.0)));
        rows.push(of.near(what, all, ours.clone(), peers(race), Times(3.0)));
        rows.push(of.near(what, "iceoryx2", ours, theirs("iceoryx2/shm"), Times(80.0)));
    }
    rows
}

/// Every rival between two processes; those over the kernel spin too.
fn peers(race: &'static str) -> Vec<Value> {
    let shared = ["boost-spsc/shm", "boost-message-queue/shm", "shmem-ipc/shm", "iceoryx2/shm"];
    let others = [
        ("plain-c", KERNEL),
        ("zeromq", &[Kind::Unix, Kind::Tcp]),
        ("nng", &[Kind::Unix, Kind::Tcp]),
        ("zenoh", &[Kind::Unix, Kind::Tcp]),
        ("ipc-channel", &[Kind::Unix]),
        ("interprocess", &[Kind::Unix, Kind::Pipe]),
    ];
    let rows = others.iter().flat_map(|(name, kinds)| kinds.iter().map(move |kind| format!("{name}/{kind}")));
    let others = rows.map(|who| spun(Each, "stream of the others", &who));
    shared.into_iter().map(|who| spun(Each, race, who)).chain(others).collect()
}

fn batches() -> Vec<Row> {
    let of = Group("shared memory, 64 B, stream, batched");
    let (corked, chunks) = (spun(Each, "corked", "shm"), spun(Each, "stream", "rtrb-chunks/shm"));
    let (bare, memcpy) = (limit(Each, "corked stream of 64 B"), limit(Each, "memcpy of 64 B"));
    vec![
        of.near("verified", "rtrb's chunks (threads)", corked, [chunks], Times(1.0)),
        of.near("numbered at both ends", "hot memcpy of 64 B", bare, [memcpy], Times(0.5)),
    ]
}

fn large() -> Vec<Row> {
    let of = Group("shared memory, large messages, copied in and out");
    let stream = |name| limit(Each, name);
    let read = || [limit(P50, "cross-core read of 64 KiB")];
    let (memcpy, one_way) = (stream("memcpy of 1 MiB"), limit(P50, "one way of 1 MiB"));
    let whole = without(P50, "parts", "one way of 1 MiB");
    let (least, more) = ("stream of 64 KiB", "stream of 64 KiB, ring of 2 MiB");
    vec![
        of.near("stream of 1 MiB", "hot memcpy of 1 MiB", stream("stream of 1 MiB"), [memcpy], Times(0.85)),
        of.near("one way of 1 MiB, p50", "published whole", one_way, [whole], AtMost(0.6)),
        of.near(least, "cross-core read", stream(least), read(), Times(0.65)),
        of.near(more, "cross-core read", stream(more), read(), Times(0.65)),
    ]
}

fn in_place() -> Vec<Row> {
    let of = Group("shared memory, claimed, committed and read in place, payload untouched, one way, p50");
    let larger = [("4 KiB", "in place, 4 KiB"), ("64 KiB", "in place, 64 KiB"), ("1 MiB", "in place, 1 MiB")];
    let least = || [limit(P50, "in place, 64 B")];
    larger.map(|(what, name)| of.near(what, "64 B", limit(P50, name), least(), AtMost(1.3))).to_vec()
}

fn corked_kernel() -> Vec<Row> {
    let of = Group("pipe, Unix socket, TCP, 64 B, stream, corked, verified");
    let mut rows = Vec::new();
    for (kind, times) in [(Kind::Pipe, 15.0), (Kind::Unix, 50.0), (Kind::Tcp, 150.0)] {
        for wait in ["block", "spin"] {
            let (what, ours) = (format!("{kind}, {wait}"), raced(Each, "corked, kernel", kind.name(), wait));
            let plain = raced(Each, "stream, kernel", &format!("plain-c/{kind}"), wait);
            let batched = raced(Each, "batched, kernel", &format!("plain-c-batched/{kind}"), wait);
            rows.push(of.near(&what, "plain C, a write a message", ours.clone(), [plain], Times(times)));
            rows.push(of.near(&what, "hand-batched C", ours, [batched], Times(0.85)));
        }
    }
    rows
}

fn plain_kernel() -> Vec<Row> {
    let of = Group("pipe, Unix socket, TCP, 64 B, stream, plain send, verified");
    let mut rows = Vec::new();
    for kind in KERNEL {
        for wait in ["block", "spin"] {
            let (what, ours) = (format!("{kind}, {wait}"), raced(Each, "stream, kernel", kind.name(), wait));
            let plain = raced(Each, "stream, kernel", &format!("plain-c/{kind}"), wait);
            rows.push(of.near(&what, "plain C, a write a message", ours, [plain], Times(1.0)));
        }
    }
    rows
}

fn round_trips_kernel() -> Vec<Row> {
    let of = Group("pipe, Unix socket, TCP, 64 B, half a round trip, p50, verified");
    let places = [("two cores", Place::Near), ("one core", Place::NoFloor)];
    let mut rows = Vec::new();
    for ((place, at), race) in places.into_iter().zip(["round trips, two cores", "round trips, one core"]) {
        for kind in KERNEL {
            for wait in ["block", "spin"] {
                let (what, ours) = (format!("{kind}, {wait}, {place}"), raced(P50, race, kind.name(), wait));
                let plain = raced(P50, race, &format!("plain-c/{kind}"), wait);
                rows.push(of.row(&what, "plain C doing the same", ours, [plain], AtMost(1.03), at));
            }
        }
    }
    rows
}

fn hybrid() -> Vec<Row> {
    let of = Group("shared memory, 64 B, hybrid, paced, from the due time, two cores");
    let mut rows = Vec::new();
    for (race, like) in
        [("every 1 us", "spin"), ("every 10 us", "spin"), ("every 100 us", "block"), ("every 1 ms", "block")]
    {
        let shm = |figure, wait| raced(figure, race, "shm", wait);
        let what = format!("a message {race}, p50");
        rows.push(of.near(&what, like, shm(P50, "hybrid"), [shm(P50, like)], AtMost(1.3)));
        if like == "block" {
            let what = format!("a message {race}, the receiver's CPU");
            rows.push(of.near(&what, like, shm(Cpu, "hybrid"), [shm(Cpu, like)], AtMost(1.5)));
        }
    }
    rows
}

fn asleep() -> Vec<Row> {
    let of = Group("shared memory, 64 B, stream, one send each, where peers may sleep");
    let asleep = |wait| raced(Each, "asleep", "shm", wait);
    let (hybrid, spin) = ("hybrid stream of 64 B", || [limit(Each, "stream of 64 B")]);
    let fenced = without(Each, "asymmetric", hybrid);
    vec![
        of.near("hybrid, verified", "spin", asleep("hybrid"), [asleep("spin")], Times(0.8)),
        of.near("block, verified", "spin", asleep("block"), [asleep("spin")], Times(0.8)),
        of.near("hybrid, numbered at both ends", "spin", limit(Each, hybrid), spin(), Times(0.8)),
        of.near("the same, a full fence for each send", "spin", fenced, spin(), Times(0.8)),
    ]
}

fn memory() -> Vec<Row> {
    let of = Group("memory of a default channel");
    let (what, limit) = ("shared memory, the region of a side", limit(Bytes, "memory"));
    vec![of.row(what, "counted", limit, [], Target::Bytes(1 << 20), Place::NoFloor)]
}

/// A row of a race: the kind of one of ours, or `NAME/KIND`.
fn raced(figure: Figure, race: &'static str, who: &str, wait: &'static str) -> Value {
    Value(figure, Series::Race(race, who.into(), wait))
}

fn spun(figure: Figure, race: &'static str, who: &str) -> Value {
    raced(figure, race, who, "spin")
}

fn limit(figure: Figure, name: &'static str) -> Value {
    Value(figure, Series::Limit(name))
}

fn without(figure: Figure, rule: &str, name: &'static str) -> Value {
    Value(figure, Series::Without(rule.into(), name))
}

/// Rows that stand together.
#[derive(Clone, Copy)]
struct Group(&'static str);

impl Group {
    fn near(
        self,
        what: &str,
        against: &'static str,
        ours: Value,
        theirs: impl IntoIterator<Item = Value>,
        target: Target,
    ) -> Row {
        self.row(what, against, ours, theirs, target, Place::Near)
    }

    fn far(
        self,
        what: &str,
        against: &'static str,
        ours: Value,
        theirs: impl IntoIterator<Item = Value>,
        target: Target,
    ) -> Row {
        self.row(what, against, ours, theirs, target, Place::Far)
    }

    fn row(
        self,
        what: &str,
        against: &'static str,
        ours: Value,
        theirs: impl IntoIterator<Item = Value>,
        target: Target,
        at: Place,
    ) -> Row {
        let Group(group) = self;
        Row { group, what: what.into(), against, ours, theirs: theirs.into_iter().collect(), target, at }
    }
}
