//! Which calls are recorded, in a form that this process and the kernel's programs share.

/// When a call is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// When its first argument is a watched descriptor.
    Descriptor = 1,
    /// Always.
    Always = 2,
}
