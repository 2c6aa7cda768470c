//! The story of shared memory, as data: what [`scene`](crate::scene) asks of every mechanism.

use crate::kind::Kind;
use crate::scene::{Act, Actor, Budget, Effect, Form, Part, ROOM, Range, SceneDesign, Step, WAKES, When};

/// The story of one message through shared memory.
pub(crate) static SCENE: SceneDesign = SceneDesign {
    kind: Kind::Shm,
    stage: &[
        Part::process(Actor::Sender),
        Part::user(
            "own",
            Form::Region { writer: Some(Actor::Sender) },
            "the sender's region: it writes, the receiver reads",
        ),
        Part::user(
            "theirs",
            Form::Region { writer: Some(Actor::Receiver) },
            "the receiver's region: it writes, the sender reads",
        ),
        Part::process(Actor::Receiver),
        Part::kernel("futex", Form::Queue, "futex queue: threads asleep on a word of memory"),
    ],
    steps: &[
        Step::receiver(
            "wait",
            Act::Poll,
            "own",
            "The receiver loads tail again and again; it has not changed.",
        )
        .when(When::ReceiverFirst),
        Step::receiver("flag", Act::Store, "theirs", "It raises its sleeping flag.")
            .when(When::ReceiverAsleep)
            .effects(const { &[Effect::set("receiver_asleep", true)] }),
        Step::receiver(
            "barrier",
            Act::syscall("membarrier"),
            "theirs",
            "It has the kernel put a barrier on the sender's core, so that the sender needs none, \
             and checks tail once more.",
        )
        .when(When::ReceiverAsleep),
        Step::receiver(
            "sleep",
            Act::syscall("futex_waitv"),
            "futex",
            "It sleeps on tail, and on a word that changes when the sender dies.",
        )
        .when(When::ReceiverAsleep)
        .effects(const { &[Effect::sleeps("futex")] }),
        Step::sender(
            "full",
            Act::syscall("futex_waitv"),
            "futex",
            "The ring has no room: the sender raises its sleeping flag and sleeps on head, until the \
             receiver has taken a quarter of the ring.",
        )
        .when(When::Full)
        .effects(const { &[Effect::set("sender_asleep", true), Effect::sleeps("futex")] }),
        Step::sender("room", Act::Store, "own", "There is room: awake, it takes its sleeping flag down.")
            .when(When::Full)
            .effects(const { &[ROOM, Effect::set("sender_asleep", false)] }),
        Step::sender("store", Act::Store, "sender", "The sender copies the message into its own region.")
            .to("own"),
        Step::sender("publish", Act::Store, "own", "One store of tail publishes it.")
            .effects(const { &[Effect::add("tail"), Effect::show("sender_region_message")] }),
        Step::sender(
            "wake",
            Act::syscall("futex"),
            "futex",
            "The sender sees the flag and asks the kernel to wake the receiver.",
        )
        .when(When::ReceiverAsleep)
        .effects(WAKES),
        Step::receiver(
            "look",
            Act::Load,
            "own",
            "The receiver loads tail: the cache line crosses from core to core.",
        ),
        Step::receiver("unflag", Act::Store, "theirs", "Awake, it takes its sleeping flag down.")
            .when(When::ReceiverAsleep)
            .effects(const { &[Effect::set("receiver_asleep", false)] }),
        Step::receiver("load", Act::Load, "own", "It checks the length and copies the message out.")
            .to("receiver"),
    ],
    budgets: &[
        Budget::new("spin", [Range::exactly(0.0); 4]),
        Budget::new(
            "hybrid",
            [
                Range::between(0.0, 1.0),
                Range::between(0.0, 2.0),
                Range::exactly(0.0),
                Range::between(0.0, 1.0),
            ],
        ),
        Budget::new(
            "block",
            [Range::exactly(1.0), Range::exactly(2.0), Range::exactly(0.0), Range::exactly(1.0)],
        ),
    ],
    duplex: true,
    cross_host: false,
};
