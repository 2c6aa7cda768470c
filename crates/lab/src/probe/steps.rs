//! Which step of a scene an event is an instance of.
//!
//! The rules follow from the scene alone: the actor of a step, its act, and the order. An event
//! that fits no step is not in the scene.

use crossing::scene::{Act, Actor, SceneDesign, Step, When};

/// What was seen, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign<'a> {
    /// A process enters a call, or comes out of one in which it slept.
    Call {
        /// Which.
        name: &'a str,
        /// Whether it is about to wait in it.
        waits: bool,
    },
    /// The kernel touched the message while it ran for this process.
    KernelCopy,
    /// The process itself touched the message in memory that both have mapped.
    SharedTouch,
    /// The other process was made runnable while this one was in a call.
    Wakes {
        /// The call.
        within: Option<&'a str>,
    },
    /// The process gave up its core in a call.
    Sleeps {
        /// The call.
        within: Option<&'a str>,
    },
    /// A packet with data got its number.
    Numbered,
    /// A packet with data went through a device.
    Carried,
    /// A packet without data.
    Acknowledged,
}

/// The step of `scene` that `side` (0 the sender, 1 the receiver) does with this sign.
pub(super) fn step(scene: &'static SceneDesign, side: usize, sign: Sign<'_>) -> Option<&'static str> {
    let actor = if side == 0 { Actor::Sender } else { Actor::Receiver };
    let of = |who: Actor| scene.steps.iter().filter(move |step| step.actor == who);
    let call = |name: &str| {
        let is = |step: &&Step| matches!(&step.act, Act::Syscall { name: called } if called == name);
        of(actor).filter(is).collect::<Vec<_>>()
    };
    let kernel_stores: Vec<&'static Step> = of(Actor::Kernel).filter(|step| step.act == Act::Store).collect();
    let found = match sign {
        Sign::Call { name, waits } => {
            let steps = call(name);
            let waiting = steps.iter().copied().find(|step| step.when != When::Always);
            let moving = steps.iter().copied().find(|step| step.when == When::Always);
            if waits { waiting.or(moving) } else { moving.or(waiting) }
        }
        Sign::KernelCopy => {
            let mut copies = of(Actor::Kernel).filter(|step| step.act == Act::Copy);
            if side == 0 { copies.next() } else { copies.next_back() }
        }
        Sign::SharedTouch => {
            let act = if side == 0 { Act::Store } else { Act::Load };
            of(actor).find(|step| step.act == act && step.to.is_some())
        }
        Sign::Wakes { within } => {
            of(Actor::Kernel).find(|step| step.act == Act::Wake).or_else(|| call(within?).first().copied())
        }
        Sign::Sleeps { within } => {
            of(actor).find(|step| step.act == Act::Sleep).or_else(|| call(within?).first().copied())
        }
        Sign::Numbered => kernel_stores.first().copied(),
        Sign::Carried => kernel_stores.iter().copied().find(|step| step.to.is_some()),
        Sign::Acknowledged => kernel_stores.iter().copied().rfind(|step| step.to.is_none()),
    };
    found.map(|step| &*step.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossing::Kind;

    #[test]
    fn signs_are_tied_to_the_steps_of_their_scene() {
        let tied = |kind: Kind, side, sign| step(kind.scene(), side, sign);
        let read = |waits| Sign::Call { name: "read", waits };
        assert_eq!(tied(Kind::Pipe, 1, read(true)), Some("wait"));
        assert_eq!(tied(Kind::Pipe, 1, read(false)), Some("read"));
        assert_eq!(tied(Kind::Pipe, 0, read(false)), None, "the sender reads nothing");
        assert_eq!(tied(Kind::Pipe, 0, Sign::KernelCopy), Some("copy-in"));
        assert_eq!(tied(Kind::Pipe, 1, Sign::KernelCopy), Some("copy-out"));
        assert_eq!(tied(Kind::Pipe, 0, Sign::Wakes { within: Some("write") }), Some("wake"));
        assert_eq!(tied(Kind::Shm, 0, Sign::Wakes { within: Some("futex") }), Some("wake"));
        assert_eq!(tied(Kind::Shm, 1, Sign::Sleeps { within: Some("futex_waitv") }), Some("sleep"));
        assert_eq!(tied(Kind::Shm, 1, Sign::Call { name: "membarrier", waits: false }), Some("barrier"));
        assert_eq!(tied(Kind::Shm, 1, Sign::Call { name: "sched_yield", waits: true }), None, "not foretold");
        assert_eq!(tied(Kind::Shm, 0, Sign::SharedTouch), Some("store"));
        assert_eq!(tied(Kind::Shm, 1, Sign::SharedTouch), Some("load"));
        assert_eq!(tied(Kind::Shm, 0, Sign::KernelCopy), None);
        assert_eq!(tied(Kind::Tcp, 0, Sign::Numbered), Some("segment"));
        assert_eq!(tied(Kind::Tcp, 0, Sign::Carried), Some("device"));
        assert_eq!(tied(Kind::Tcp, 1, Sign::Acknowledged), Some("ack"));
        assert_eq!(tied(Kind::Unix, 0, Sign::Carried), None);
    }
}
