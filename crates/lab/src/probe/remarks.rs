//! Remarks: one sentence for each difference between what textbooks say and what was counted.
//!
//! They follow from the scene and from what was counted, and name no mechanism.

use crossing::WaitStrategy;

use crate::scene::{Scene, Space};

use super::figure::{Certainty, Question, Reading};

/// The sentence beside a reading, if there is one to be said.
pub(super) fn remark(
    question: Question,
    scene: &Scene,
    wait: WaitStrategy,
    one_core: bool,
    reading: &Reading,
) -> Option<String> {
    let polls = wait != WaitStrategy::Block;
    let through_kernel = scene.stage.iter().any(|shown| {
        shown.part.space == Space::Kernel
            && scene.steps.iter().any(|step| step.to.as_ref() == Some(&shown.part.id))
    });
    let quoted = |text: &str| text.trim_end_matches('+').parse::<f64>().ok();
    match question {
        Question::Calls | Question::ReceiverCalls if one_core && polls && yields(reading) => Some(
            "both share one core, so that each empty look gives it up (sched_yield) for the other to run"
                .into(),
        ),
        Question::Calls => {
            let (measured, quoted) = (reading.per_message, quoted(&scene.quoted.syscalls)?);
            match () {
                () if measured > quoted + 0.5 && polls => {
                    Some("each empty look of a polling receiver is a call of its own".into())
                }
                () if measured > quoted + 0.5 => {
                    Some("no call moves the bytes: these put the receiver to sleep and wake it".into())
                }
                () if measured < quoted - 0.5 => Some(
                    "one call sends and one receives; the rest happens within them, or in interrupts".into(),
                ),
                () => None,
            }
        }
        Question::KernelCopies if reading.certainty == Certainty::Derived => Some(
            "each call that takes or gives the bytes is counted as one copy; what the kernel does between them was not \
             seen"
                .into(),
        ),
        Question::KernelCopies => {
            let (measured, quoted) = (reading.per_message, quoted(&scene.quoted.copies)?);
            match () {
                () if measured < quoted - 0.5 && scene.cross_host => Some(
                    "on loopback the page that send() filled is the page that recv() reads: nothing is copied in \
                     between, and no checksum is computed over it"
                        .into(),
                ),
                () if measured < 0.5 && !through_kernel => {
                    Some("the two copies there are, in and out of the region, are made by the processes".into())
                }
                () => None,
            }
        }
        Question::Wakes if polls && reading.per_message < 0.5 => {
            Some("a receiver that polls does not sleep, and need not be woken".into())
        }
        _ => None,
    }
}

fn yields(reading: &Reading) -> bool {
    reading.parts.iter().any(|(name, count)| name.ends_with("sched_yield") && *count >= 0.5)
}
