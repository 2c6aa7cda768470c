//! The story of shared memory, as data: what [`scene`](crate::scene) asks of every mechanism.

use crate::kind::Kind;
use crate::scene::{Act, Actor, Budget, Experiment, Form, Gauge, Part, Quoted, Range, Scene, Step, When};

/// The story of one message through shared memory.
pub(crate) static SCENE: Scene = Scene {
    kind: Kind::Shm,
    title: "Shared memory",
    summary: "The sender writes the message into memory that the receiver can read. The kernel takes \
              part only when a process has to be woken.",
    explanation: "Both processes map the same pages of memory, so a message is there for the \
                  receiver the moment it is written. The sender copies it into its region and stores one number, tail; \
                  the receiver reads tail and copies the message out. No call enters the kernel on the way: a message costs \
                  the transfer of a few cache lines from one core to the other. A sleeping receiver must be woken, \
                  though, and that takes the kernel after all (futex), so blocking shared memory is about as slow as \
                  a pipe. Each process can write only its own region; the other's is mapped for reading, so a stray \
                  write stops the process that made it.",
    tags: &["0 kernel copies", "0 syscalls", "same host"],
    stage: &[
        Part::process(Actor::Sender),
        Part::user(
            "own",
            Form::Region(Actor::Sender),
            "the sender's region: it writes, the receiver reads",
            &[
                Gauge::text("sender_region_access", "mapped"),
                Gauge::new("tail", "tail: written so far", "B"),
                Gauge::new("back_head", "head: taken of the other region", "B"),
                Gauge::new("sender_asleep", "sender asleep", ""),
                Gauge::text("sender_region_message", "last message"),
                Gauge::text("sender_region_page", "page"),
            ],
        ),
        Part::user(
            "theirs",
            Form::Region(Actor::Receiver),
            "the receiver's region: it writes, the sender reads",
            &[
                Gauge::text("receiver_region_access", "mapped"),
                Gauge::new("back_tail", "tail: written so far", "B"),
                Gauge::new("head", "head: taken of the other region", "B"),
                Gauge::new("receiver_asleep", "receiver asleep", ""),
                Gauge::text("receiver_region_message", "last message"),
                Gauge::text("receiver_region_page", "page"),
            ],
        ),
        Part::process(Actor::Receiver),
        Part::kernel("futex", Form::Queue, "futex queue: threads asleep on a word of memory", &[]),
    ],
    steps: &[
        Step::new(
            "wait",
            Actor::Receiver,
            Act::Poll,
            "own",
            "The receiver loads tail again and again; it has not changed.",
        )
        .when(When::ReceiverFirst),
        Step::new(
            "flag",
            Actor::Receiver,
            Act::Store,
            "theirs",
            "It raises its sleeping flag.",
        )
        .when(When::ReceiverAsleep),
        Step::new(
            "barrier",
            Actor::Receiver,
            Act::Syscall("membarrier"),
            "theirs",
            "It has the kernel put a barrier on the sender's core, so that the sender needs none, and checks tail once more.",
        )
        .when(When::ReceiverAsleep),
        Step::new(
            "sleep",
            Actor::Receiver,
            Act::Syscall("futex_waitv"),
            "futex",
            "It sleeps on tail, and on a word that changes when the sender dies.",
        )
        .when(When::ReceiverAsleep),
        Step::new(
            "store",
            Actor::Sender,
            Act::Store,
            "sender",
            "The sender copies the message into its own region.",
        )
        .to("own"),
        Step::new("publish", Actor::Sender, Act::Store, "own", "One store of tail publishes it."),
        Step::new(
            "wake",
            Actor::Sender,
            Act::Syscall("futex"),
            "futex",
            "The sender sees the flag and asks the kernel to wake the receiver.",
        )
        .when(When::ReceiverAsleep),
        Step::new(
            "look",
            Actor::Receiver,
            Act::Load,
            "own",
            "The receiver loads tail: the cache line crosses from core to core.",
        ),
        Step::new(
            "load",
            Actor::Receiver,
            Act::Load,
            "own",
            "It checks the length and copies the message out.",
        )
        .to("receiver"),
    ],
    budgets: &[
        Budget {
            wait: "spin",
            sender_syscalls: Range::exactly(0.0),
            receiver_syscalls: Range::exactly(0.0),
            kernel_copies: Range::exactly(0.0),
            wakes: Range::exactly(0.0),
        },
        Budget {
            wait: "hybrid",
            sender_syscalls: Range::between(0.0, 1.0),
            receiver_syscalls: Range::between(0.0, 2.0),
            kernel_copies: Range::exactly(0.0),
            wakes: Range::between(0.0, 1.0),
        },
        Budget {
            wait: "block",
            sender_syscalls: Range::exactly(1.0),
            receiver_syscalls: Range::exactly(2.0),
            kernel_copies: Range::exactly(0.0),
            wakes: Range::exactly(1.0),
        },
    ],
    duplex: true,
    cross_host: false,
    quoted: Quoted { copies: "0", syscalls: "0", latency: "~0.002 ms", use_when: "maximum speed" },
    experiments: &[
        Experiment::new(
            "wild",
            "Let one process go wild",
            "A process writes all over the other's region. See which process dies, and whether any message is damaged.",
        ),
        Experiment::new(
            "wild-textbook",
            "The same with one region for both",
            "The same writes in the textbook layout, one region that both may write. See what happens to the messages.",
        ),
        Experiment { title: "Fill the ring", ..Experiment::FILL },
        Experiment::KILL_READER,
        Experiment::COPIED_OR_SHARED,
        Experiment::LIFE_OF_A_BYTE,
        Experiment::new(
            "one-page",
            "One page, two addresses",
            "Both processes map the same memory. Compare the numbers of the physical pages behind their addresses.",
        ),
    ],
};
