//! What arming says.

/// What a half says when it is armed: [`Receiver::arm`](crate::Receiver::arm), [`Sender::arm`](crate::Sender::arm).
///
/// # Examples
/// ```
/// # use crossing::{Config, Connection, Kind};
/// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
/// use crossing::Ready;
///
/// match there.arm() {
///     Ready::Now => println!("receive"),
///     Ready::Wait => println!("wait for the descriptor"),
/// }
/// # assert_eq!(there.arm(), Ready::Wait);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ready {
    /// The next call would not wait: there is a message, or room, or an end or an error that the call
    /// tells. Nothing is armed.
    Now,
    /// It would wait. The descriptor tells when that changes.
    Wait,
}
