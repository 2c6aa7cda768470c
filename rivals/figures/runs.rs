//! What is measured for the table: the races, and the limits.

use crossing::{Kind, WaitStrategy};
use lab::plan::{Placement, Workload};

use crate::limit::Limit;
use crate::table::Race;

const SPIN: &[WaitStrategy] = &[WaitStrategy::Spin];
const BOTH: &[WaitStrategy] = &[WaitStrategy::Spin, WaitStrategy::Block];
const ALL: &[WaitStrategy] = &[WaitStrategy::Spin, WaitStrategy::HYBRID, WaitStrategy::Block];
pub(super) const KERNEL: &[Kind] = &[Kind::Pipe, Kind::Unix, Kind::Tcp];

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

pub(super) const RACES: &[Race] = &[
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
    Limit { name, measure, size_bytes, messages, ring_bytes: 0, wait: "spin", payload: "ends", times: 3 }
}

/// Each list is measured in one go, so that what is held against each other meets the same minute.
pub(super) const LIMITS: &[&[Limit]] = &[
    &[
        limit("naive probe", "probe", 64, 40_000),
        limit("round trip of 64 B", "round-trip", 64, 40_000),
        limit("one way of 64 B", "one-way", 64, 40_000),
    ],
    &[
        limit("memcpy of 64 B", "memcpy", 64, 10_000_000),
        limit("corked stream of 64 B", "corked", 64, 1_000_000),
    ],
    &[
        limit("stream of 64 B", "stream", 64, 1_000_000),
        Limit { wait: "hybrid", ..limit("hybrid stream of 64 B", "stream", 64, 1_000_000) },
    ],
    &[limit("variable stream of 64 B", "variable", 64, 1_000_000)],
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
    &[
        limit("in place, 64 B", "in-place", 64, 20_000),
        limit("in place, 4 KiB", "in-place", 4 << 10, 20_000),
        limit("in place, 64 KiB", "in-place", 64 << 10, 20_000),
        limit("in place, 1 MiB", "in-place", 1 << 20, 20_000),
    ],
    &[Limit { times: 1, ..limit("memory", "memory", 64, 1) }],
];
