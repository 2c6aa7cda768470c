//! The story of shared memory, as data: what [`scene`](crate::scene) asks of every mechanism.

use std::borrow::Cow;

use crate::kind::Kind;
use crate::scene::{Act, Actor, Budget, Form, Part, Range, SceneDesign, Step, When};

/// The story of one message through shared memory.
pub(crate) static SCENE: SceneDesign = SceneDesign {
    kind: Kind::Shm,
    stage: &[
        Part::process(Actor::Sender),
        Part::user("own", Form::Region { writer: Actor::Sender }, "the sender's region: it writes, the receiver reads"),
        Part::user("theirs", Form::Region { writer: Actor::Receiver }, "the receiver's region: it writes, the sender reads"),
        Part::process(Actor::Receiver),
        Part::kernel("futex", Form::Queue, "futex queue: threads asleep on a word of memory"),
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
            Act::syscall("membarrier"),
            "theirs",
            "It has the kernel put a barrier on the sender's core, so that the sender needs none, and checks tail once more.",
        )
        .when(When::ReceiverAsleep),
        Step::new(
            "sleep",
            Actor::Receiver,
            Act::syscall("futex_waitv"),
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
            Act::syscall("futex"),
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
            wait: Cow::Borrowed("spin"),
            sender_syscalls: Range::exactly(0.0),
            receiver_syscalls: Range::exactly(0.0),
            kernel_copies: Range::exactly(0.0),
            wakes: Range::exactly(0.0),
        },
        Budget {
            wait: Cow::Borrowed("hybrid"),
            sender_syscalls: Range::between(0.0, 1.0),
            receiver_syscalls: Range::between(0.0, 2.0),
            kernel_copies: Range::exactly(0.0),
            wakes: Range::between(0.0, 1.0),
        },
        Budget {
            wait: Cow::Borrowed("block"),
            sender_syscalls: Range::exactly(1.0),
            receiver_syscalls: Range::exactly(2.0),
            kernel_copies: Range::exactly(0.0),
            wakes: Range::exactly(1.0),
        },
    ],
    duplex: true,
    cross_host: false,
};
