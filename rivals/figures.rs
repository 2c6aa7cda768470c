//! The figures that were promised: what is measured, and what is said of it. `examples/figures` of the lab measures
//! and judges; no other code names a rival.
//!
//! Three parts: the races (by the lab's own runner: the same payload, verification and placement for everybody), the
//! limits (shared memory without the making of messages, and what the hardware does), and the rows, each a promise.
//! A figure is a time, so less is better; `Times(3.0)` promises that ours is three times as fast.

use crossing::{Kind, WaitStrategy};
use lab::plan::{Placement, Workload};

use crate::limit::Limit;
use crate::table::{Figure, Place, Race, Row, Series, Table, Target, Value};

use Figure::{Bytes, Cpu, Each, P50, P99};
use Place::{Far, Near, NoFloor};
use Target::{AtMost, Times};

const SPIN: &[WaitStrategy] = &[WaitStrategy::Spin];
const BOTH: &[WaitStrategy] = &[WaitStrategy::Spin, WaitStrategy::Block];
const ALL: &[WaitStrategy] = &[WaitStrategy::Spin, WaitStrategy::HYBRID, WaitStrategy::Block];
const KERNEL: &[Kind] = &[Kind::Pipe, Kind::Unix, Kind::Tcp];

/// A race of shared memory, spinning, on two cores; the others say what they have instead.
const RACE: Race = Race {
    name: "",
    kinds: &[Kind::Shm],
    rivals: &[],
    workload: Workload::Stream,
    size_bytes: 64,
    placement: Placement::CrossCore,
    waits: SPIN,
    messages: 1_000_000,
    rate_per_s: 10_000,
    capacity_bytes: None,
    every: 1,
};

/// A message every so often.
const fn paced(name: &'static str, rate_per_s: u32, messages: u64) -> Race {
    Race { name, workload: Workload::Paced, waits: ALL, rate_per_s, messages, ..RACE }
}

const RACES: &[Race] = &[
    Race {
        name: "round trips",
        rivals: &["rtrb", "boost-spsc", "shmem-ipc", "iceoryx2"],
        workload: Workload::PingPong,
        messages: 40_000,
        ..RACE
    },
    Race {
        name: "stream",
        rivals: &["rtrb", "rtrb-chunks", "boost-spsc", "boost-message-queue", "shmem-ipc", "iceoryx2"],
        ..RACE
    },
    Race {
        name: "stream of 100 000",
        rivals: &["rtrb", "boost-spsc", "boost-message-queue", "shmem-ipc", "iceoryx2"],
        messages: 100_000,
        ..RACE
    },
    Race { name: "stream, ring of 2 MiB", capacity_bytes: Some(2 << 20), ..RACE },
    Race {
        name: "stream of the others",
        kinds: &[],
        rivals: &["plain-c", "zeromq", "nng", "zenoh", "ipc-channel", "interprocess"],
        messages: 10_000,
        every: 5,
        ..RACE
    },
    Race { name: "corked", workload: Workload::Corked, ..RACE },
    Race { name: "asleep", waits: ALL, ..RACE },
    Race { name: "corked, kernel", kinds: KERNEL, workload: Workload::Corked, waits: BOTH, ..RACE },
    Race { name: "batched, kernel", kinds: &[], rivals: &["plain-c-batched"], waits: BOTH, ..RACE },
    Race {
        name: "stream, kernel",
        kinds: KERNEL,
        rivals: &["plain-c"],
        waits: BOTH,
        messages: 20_000,
        ..RACE
    },
    Race {
        name: "round trips, two cores",
        kinds: KERNEL,
        rivals: &["plain-c"],
        workload: Workload::PingPong,
        waits: BOTH,
        messages: 6_000,
        ..RACE
    },
    Race {
        name: "round trips, one core",
        kinds: KERNEL,
        rivals: &["plain-c"],
        workload: Workload::PingPong,
        placement: Placement::SameCore,
        waits: BOTH,
        messages: 10_000,
        ..RACE
    },
    paced("every 1 us", 1_000_000, 200_000),
    paced("every 10 us", 100_000, 20_000),
    paced("every 100 us", 10_000, 3_000),
    paced("every 1 ms", 1_000, 400),
];

/// A measure with the default ring, spinning, the ends of a message numbered.
const fn limit(name: &'static str, measure: &'static str, size_bytes: usize, messages: u64) -> Limit {
    Limit { name, measure, size_bytes, messages, ring_bytes: 0, wait: "spin", payload: "ends" }
}

/// Each list is measured in one go, so that what is held against each other meets the same minute.
const LIMITS: &[&[Limit]] = &[
    &[
        limit("naive probe", "probe", 64, 40_000),
        limit("round trip of 64 B", "round-trip", 64, 40_000),
        limit("one way of 64 B", "one-way", 64, 40_000),
    ],
    &[
        limit("memcpy of 64 B", "memcpy", 64, 10_000_000),
        limit("corked stream of 64 B", "corked", 64, 2_000_000),
    ],
    &[
        limit("stream of 64 B", "stream", 64, 2_000_000),
        Limit { wait: "hybrid", ..limit("hybrid stream of 64 B", "stream", 64, 2_000_000) },
    ],
    &[limit("variable stream of 64 B", "variable", 64, 2_000_000)],
    &[
        Limit { payload: "words", ..limit("variable stream of 64 B, verified", "variable", 64, 1_000_000) },
        Limit { payload: "words", ..limit("variable stream of 100 000, verified", "variable", 64, 100_000) },
    ],
    &[limit("memcpy of 1 MiB", "memcpy", 1 << 20, 2_000), limit("stream of 1 MiB", "stream", 1 << 20, 1_000)],
    &[limit("one way of 1 MiB", "one-way", 1 << 20, 500)],
    &[
        limit("cross-core read of 64 KiB", "dirtied", 64 << 10, 4_000),
        limit("stream of 64 KiB", "stream", 64 << 10, 10_000),
        Limit { ring_bytes: 2 << 20, ..limit("stream of 64 KiB, ring of 2 MiB", "stream", 64 << 10, 10_000) },
    ],
    &[limit("memory", "memory", 64, 1)],
];

/// What each rule that can be left out may cost, all of them together too: the measure, and how many times as long it may
/// take with the rule as without.
pub(crate) const RULES: &[(&str, f64)] = &[
    ("corked stream of 64 B", 1.10),
    ("variable stream of 64 B", 1.10),
    ("round trip of 64 B", 1.10),
    ("stream of 64 B", 1.15),
];

/// Leaves out every rule.
pub(crate) const EVERY_RULE: &str = "all";

/// Builds that answer a row of their own below, and no safety rule.
pub(crate) const NO_SAFETY_RULE: &[&str] = &["asymmetric", "parts"];

fn raced(race: &'static str, who: &str) -> Series {
    Series::Race(race, who.into(), "spin")
}

fn each(race: &'static str, everybody: &[&'static str]) -> Vec<Value> {
    everybody.iter().map(|who| Value(Each, raced(race, who))).collect()
}

/// Every way between two processes that sends one message at a time; those over the kernel spin too.
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
    let mut all = each(race, &shared);
    for (name, kinds) in others {
        all.extend(
            kinds.iter().map(|kind| Value(Each, entrant("stream of the others", name, *kind, "spin"))),
        );
    }
    all
}

/// A rival's row as reports name it, `NAME/KIND`; ours where it has no name.
fn entrant(race: &'static str, name: &'static str, kind: Kind, wait: &'static str) -> Series {
    let who = if name.is_empty() { kind.to_string() } else { format!("{name}/{kind}") };
    Series::Race(race, who, wait)
}

fn row(
    group: &'static str,
    what: impl Into<String>,
    against: &'static str,
    ours: Value,
    theirs: Vec<Value>,
    target: Target,
    at: Place,
) -> Row {
    Row { group, what: what.into(), against, ours, theirs, target, at }
}

/// The whole table.
pub(crate) fn table() -> Table {
    let groups = [
        one_way(),
        streams(),
        batches(),
        large(),
        in_place(),
        corked_kernel(),
        plain_kernel(),
        round_trips_kernel(),
        hybrid(),
        asleep(),
        memory(),
    ];
    Table {
        races: RACES.to_vec(),
        limits: LIMITS.iter().map(|beside| beside.to_vec()).collect(),
        rows: groups.concat(),
    }
}

fn one_way() -> Vec<Row> {
    let group = "shared memory, 64 B, one way, spin, two cores";
    let half = |figure| Value(figure, Series::Limit("round trip of 64 B"));
    let stamped = |figure| Value(figure, Series::Limit("one way of 64 B"));
    let naive = || vec![Value(P50, Series::Limit("naive probe"))];
    let probe = "the naive two-line probe";
    let ours = || Value(P50, raced("round trips", "shm"));
    let p50 = |who| Value(P50, raced("round trips", who));
    let rings = ["rtrb/shm", "boost-spsc/shm", "shmem-ipc/shm"].map(p50).to_vec();
    vec![
        row(group, "half a round trip, p50", probe, half(P50), naive(), AtMost(0.80), Near),
        row(group, "half a round trip, p50", probe, half(P50), naive(), AtMost(1.05), Far),
        row(group, "stamped, p50", probe, stamped(P50), naive(), AtMost(0.80), Near),
        row(group, "stamped, p50", probe, stamped(P50), naive(), AtMost(1.05), Far),
        row(group, "half a round trip, p99", "its own p50", half(P99), vec![half(P50)], AtMost(2.0), Near),
        row(group, "stamped, p99", "its own p50", stamped(P99), vec![stamped(P50)], AtMost(2.0), Near),
        row(
            group,
            "verified, p50",
            "the best of rtrb, boost spsc, shmem-ipc",
            ours(),
            rings,
            AtMost(0.80),
            Near,
        ),
        row(
            group,
            "verified, p50",
            "iceoryx2, loan and fill",
            ours(),
            vec![p50("iceoryx2/shm")],
            AtMost(0.20),
            Near,
        ),
    ]
}

fn streams() -> Vec<Row> {
    let group = "shared memory, 64 B, stream, one send each, verified";
    let ours = |race| Value(Each, raced(race, "shm"));
    let limit = |name| Value(Each, Series::Limit(name));
    let mut rows = Vec::new();
    for (what, ours, race) in [
        ("fixed", ours("stream"), "stream"),
        ("variable", limit("variable stream of 64 B, verified"), "stream"),
        ("100 000 fixed", ours("stream of 100 000"), "stream of 100 000"),
        ("100 000 variable", limit("variable stream of 100 000, verified"), "stream of 100 000"),
        ("fixed, ring of 2 MiB", ours("stream, ring of 2 MiB"), "stream"),
    ] {
        let value = || ours.clone();
        rows.push(row(group, what, "rtrb (threads)", value(), each(race, &["rtrb/shm"]), Times(3.0), Near));
        rows.push(row(group, what, "every way between processes", value(), peers(race), Times(3.0), Near));
        rows.push(row(group, what, "iceoryx2", value(), each(race, &["iceoryx2/shm"]), Times(80.0), Near));
    }
    rows
}

fn batches() -> Vec<Row> {
    let group = "shared memory, 64 B, stream, batched";
    let corked = Value(Each, raced("corked", "shm"));
    let bare = Value(Each, Series::Limit("corked stream of 64 B"));
    let memcpy = vec![Value(Each, Series::Limit("memcpy of 64 B"))];
    vec![
        row(
            group,
            "verified",
            "rtrb's chunks (threads)",
            corked,
            each("stream", &["rtrb-chunks/shm"]),
            Times(1.0),
            Near,
        ),
        row(group, "numbered at both ends", "hot memcpy of 64 B", bare, memcpy, Times(0.5), Near),
    ]
}

fn large() -> Vec<Row> {
    let group = "shared memory, large messages, copied in and out";
    let stream = |name| Value(Each, Series::Limit(name));
    let read = || vec![Value(P50, Series::Limit("cross-core read of 64 KiB"))];
    let whole = vec![Value(P50, Series::Without("parts".into(), "one way of 1 MiB"))];
    let one_way = Value(P50, Series::Limit("one way of 1 MiB"));
    let memcpy = vec![stream("memcpy of 1 MiB")];
    vec![
        row(
            group,
            "stream of 1 MiB",
            "hot memcpy of 1 MiB",
            stream("stream of 1 MiB"),
            memcpy,
            Times(0.85),
            Near,
        ),
        row(group, "one way of 1 MiB", "published whole", one_way, whole, AtMost(0.6), Near),
        row(
            group,
            "stream of 64 KiB",
            "cross-core read",
            stream("stream of 64 KiB"),
            read(),
            Times(0.65),
            Near,
        ),
        row(
            group,
            "stream of 64 KiB, ring of 2 MiB",
            "cross-core read",
            stream("stream of 64 KiB, ring of 2 MiB"),
            read(),
            Times(0.65),
            Near,
        ),
    ]
}

/// Claim, commit and read in place, and blobs: flat from 64 B to 1 MiB.
fn in_place() -> Vec<Row> {
    Vec::new()
}

fn corked_kernel() -> Vec<Row> {
    let group = "pipe, Unix socket, TCP, 64 B, stream, corked";
    let mut rows = Vec::new();
    for (kind, times) in [(Kind::Pipe, 15.0), (Kind::Unix, 50.0), (Kind::Tcp, 150.0)] {
        for wait in ["block", "spin"] {
            let what = format!("{kind}, {wait}");
            let ours = || Value(Each, entrant("corked, kernel", "", kind, wait));
            let plain = vec![Value(Each, entrant("stream, kernel", "plain-c", kind, wait))];
            let batched = vec![Value(Each, entrant("batched, kernel", "plain-c-batched", kind, wait))];
            rows.push(row(
                group,
                what.clone(),
                "plain C, a write a message",
                ours(),
                plain,
                Times(times),
                Near,
            ));
            rows.push(row(group, what, "hand-batched C", ours(), batched, Times(0.85), Near));
        }
    }
    rows
}

fn plain_kernel() -> Vec<Row> {
    let group = "pipe, Unix socket, TCP, 64 B, stream, plain send";
    let of = |name, kind, wait| Value(Each, entrant("stream, kernel", name, kind, wait));
    let mut rows = Vec::new();
    for &kind in KERNEL {
        for wait in ["block", "spin"] {
            let theirs = vec![of("plain-c", kind, wait)];
            let what = format!("{kind}, {wait}");
            rows.push(row(
                group,
                what,
                "plain C, a write a message",
                of("", kind, wait),
                theirs,
                Times(1.0),
                Near,
            ));
        }
    }
    rows
}

fn round_trips_kernel() -> Vec<Row> {
    let group = "pipe, Unix socket, TCP, 64 B, half a round trip, p50";
    let mut rows = Vec::new();
    for (place, at, race) in
        [("two cores", Near, "round trips, two cores"), ("one core", NoFloor, "round trips, one core")]
    {
        for &kind in KERNEL {
            for wait in ["block", "spin"] {
                let of = |name| Value(P50, entrant(race, name, kind, wait));
                let what = format!("{kind}, {wait}, {place}");
                rows.push(row(
                    group,
                    what,
                    "plain C doing the same",
                    of(""),
                    vec![of("plain-c")],
                    AtMost(1.03),
                    at,
                ));
            }
        }
    }
    rows
}

fn hybrid() -> Vec<Row> {
    let group = "shared memory, 64 B, hybrid, paced, from the due time";
    let mut rows = Vec::new();
    for (race, like) in
        [("every 1 us", "spin"), ("every 10 us", "spin"), ("every 100 us", "block"), ("every 1 ms", "block")]
    {
        let of = |figure, wait| Value(figure, Series::Race(race, "shm".into(), wait));
        let what = |figure| format!("a message {race}, {figure}");
        rows.push(row(group, what("p50"), like, of(P50, "hybrid"), vec![of(P50, like)], AtMost(1.3), Near));
        if like == "block" {
            let (ours, theirs) = (of(Cpu, "hybrid"), vec![of(Cpu, like)]);
            rows.push(row(group, what("the receiver's CPU"), like, ours, theirs, AtMost(1.5), Near));
        }
    }
    rows
}

fn asleep() -> Vec<Row> {
    let group = "shared memory, 64 B, stream, one send each, where peers may sleep";
    let of = |wait| Value(Each, Series::Race("asleep", "shm".into(), wait));
    let spin = || vec![of("spin")];
    let hybrid = "hybrid stream of 64 B";
    let plain = Value(Each, Series::Limit(hybrid));
    let fenced = Value(Each, Series::Without("asymmetric".into(), hybrid));
    let bare = || vec![Value(Each, Series::Limit("stream of 64 B"))];
    vec![
        row(group, "hybrid, verified", "spin", of("hybrid"), spin(), Times(0.8), Near),
        row(group, "block, verified", "spin", of("block"), spin(), Times(0.8), Near),
        row(group, "hybrid, numbered at both ends", "spin", plain, bare(), Times(0.8), Near),
        row(group, "the same, a full fence for each send", "spin", fenced, bare(), Times(0.8), Near),
    ]
}

fn memory() -> Vec<Row> {
    let bytes = Value(Bytes, Series::Limit("memory"));
    let group = "memory of a default channel";
    vec![row(
        group,
        "shared memory, each side",
        "counted",
        bytes,
        Vec::new(),
        Target::Bytes(1 << 20),
        NoFloor,
    )]
}
