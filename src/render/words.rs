//! Words for the parts of a scene.

use lab::scene::{Act, Budget, Range, When};

/// What a step is made of.
pub(crate) fn act(act: &Act) -> String {
    match act {
        Act::Store => "store".into(),
        Act::Load => "load".into(),
        Act::Syscall { name } => format!("{name}()"),
        Act::Copy => "copy".into(),
        Act::Wake => "wake".into(),
        Act::Sleep => "sleep".into(),
        Act::Poll => "poll".into(),
        Act::Other => "–".into(),
    }
}

/// Under which condition a step happens; `None` for every message.
pub(crate) fn when(when: When) -> Option<&'static str> {
    match when {
        When::Always => None,
        When::ReceiverFirst => Some("only if the receiver came first"),
        When::ReceiverAsleep => Some("only if the receiver sleeps"),
        When::Full => Some("only if there is no room"),
        When::Other => Some("only under a condition that this ipcscope does not know"),
    }
}

/// How many: `2`, `0 to 1`, `1 or more`.
pub(crate) fn range(range: Range) -> String {
    match range.most {
        Some(most) if most == range.least => range.least.to_string(),
        Some(most) => format!("{} to {most}", range.least),
        None => format!("{} or more", range.least),
    }
}

/// How many of a thing, a message: `1 wake-up`, `2 copies`, `0 to 1 wake-ups`.
pub(crate) fn counted(of: Range, one: &str, many: &str) -> String {
    format!("{} {}", range(of), if of.least == 1.0 && of.most == Some(1.0) { one } else { many })
}

/// What one message may cost, as pairs of a count and what is counted.
pub(crate) fn budget(budget: &Budget) -> [(String, &'static str); 4] {
    [
        (range(budget.sender_syscalls), "system calls by the sender"),
        (range(budget.receiver_syscalls), "system calls by the receiver"),
        (range(budget.kernel_copies), "copies by the kernel"),
        (range(budget.wakes), "wake-ups of the receiver"),
    ]
}
