//! Waiting: the same menu on every mechanism.
//!
//! A wait has two parts. *How* is the [`WaitStrategy`] that the owner of an end chose; *how long* comes with
//! the call: not at all, until a deadline, or for ever. Both together are a `Patience`, which runs the
//! polling part of a wait; the mechanism knows how to sleep. The clock is read only here, while there is
//! nothing to do.

mod patience;
mod spacing;
mod strategy;

pub(crate) use self::patience::{Patience, Polled};
pub use self::spacing::Spacing;
pub use self::strategy::WaitStrategy;
pub(crate) use self::strategy::{Until, only_core};
