//! Budgets: the bounds that a scene foretells for a figure, and whether a reading keeps to them.
//!
//! Counts are whole, and are held to their bounds exactly. Messages may lack a step for one reason
//! only, and the scene states it: a step that is done for a sleeping receiver only is not done for
//! a message that arrives before its receiver sleeps.

use crossing::scene::{Act, Actor, Budget, Range, SceneDesign, When};

use super::figure::{Certainty, Question, Reading};

/// The part of all messages that may find their receiver awake, though its way of waiting is to sleep. The sender gives
/// it a moment to fall asleep, and on a busy machine that is not always enough.
const NOT_YET_ASLEEP: f64 = 0.1;

/// The bounds that the scene foretells.
pub(super) fn bounds(question: Question, budget: &Budget) -> Option<Range> {
    match question {
        Question::SenderCalls => Some(budget.sender_syscalls),
        Question::ReceiverCalls => Some(budget.receiver_syscalls),
        Question::KernelCopies => Some(budget.kernel_copies),
        Question::Wakes => Some(budget.wakes),
        _ => None,
    }
}

/// Whether a reading keeps within the bounds. If both ends share one core, each poll yields it:
/// that call is no part of the scene.
pub(super) fn holds(
    question: Question,
    scene: &SceneDesign,
    bounds: Range,
    reading: &Reading,
    one_core: bool,
) -> bool {
    let not = if one_core { "sched_yield" } else { "" };
    let each = reading.count_without(not) as f64 / reading.messages.max(1) as f64;
    // If no wake-up is foretold, no receiver sleeps, so none can be still awake.
    let let_off = bounds.most != Some(0.0) && only_for_sleepers(question, scene);
    let slack = if let_off { NOT_YET_ASLEEP } else { 0.0 };
    match reading.certainty {
        Certainty::AtLeast => bounds.most.is_none_or(|most| each <= most),
        _ => bounds.holds(each, slack),
    }
}

/// Whether what is asked for, or a part of it, is done only for a receiver that sleeps.
fn only_for_sleepers(question: Question, scene: &SceneDesign) -> bool {
    let actor = match question {
        Question::SenderCalls => Actor::Sender,
        Question::ReceiverCalls => Actor::Receiver,
        Question::Wakes => return true,
        _ => return false,
    };
    let calls = || {
        scene.steps.iter().filter_map(move |step| match &step.act {
            Act::Syscall { name } if step.actor == actor => Some((name, step.when)),
            _ => None,
        })
    };
    // One that is made in any case, too, is one call either way: it only takes longer.
    let in_any_case = |name| calls().any(|(other, when)| other == name && when == When::Always);
    calls().any(|(name, when)| when == When::ReceiverAsleep && !in_any_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossing::Kind;

    #[test]
    fn only_what_waits_for_a_sleeper_is_let_off() {
        let let_off = |kind: Kind, question| only_for_sleepers(question, kind.scene());
        for kind in Kind::ALL.into_iter().filter(|&kind| kind != Kind::Shm) {
            assert!(!let_off(kind, Question::SenderCalls), "{kind}");
            assert!(!let_off(kind, Question::ReceiverCalls), "{kind}");
        }
        for question in [Question::SenderCalls, Question::ReceiverCalls, Question::Wakes] {
            assert!(let_off(Kind::Shm, question), "{question:?}");
        }
        assert!(!let_off(Kind::Shm, Question::KernelCopies));
    }

    #[test]
    fn one_call_in_a_thousand_is_one_too_many() {
        let held = |kind: Kind, question, range, count| {
            let reading = Reading::whole("a test", Certainty::Exact, count, 1000);
            holds(question, kind.scene(), range, &reading, false)
        };
        let calls = |count| held(Kind::Pipe, Question::SenderCalls, Range::exactly(1.0), count);
        assert_eq!([999, 1000, 1001].map(calls), [false, true, false]);
        let spun = |count| held(Kind::Shm, Question::SenderCalls, Range::exactly(0.0), count);
        assert_eq!([0, 1].map(spun), [true, false]);
        let woken = |count| held(Kind::Pipe, Question::Wakes, Range::exactly(1.0), count);
        assert_eq!([899, 900, 1100, 1101].map(woken), [false, true, true, false]);
    }

    #[test]
    fn giving_up_the_only_core_is_not_held_against_anybody() {
        let parts = [("recvfrom".to_owned(), 1003), ("sched_yield".to_owned(), 777)];
        let reading = Reading::sum("a test", Certainty::Exact, &parts, 1003);
        let held = |one_core| {
            let scene = Kind::Tcp.scene();
            holds(Question::ReceiverCalls, scene, Range::exactly(1.0), &reading, one_core)
        };
        assert!(held(true) && !held(false));
    }
}
