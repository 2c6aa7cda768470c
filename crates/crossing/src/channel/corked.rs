//! The forms of a corked connection: a send gathers, and a receive publishes first, because an answer needs its question sent.
//!
//! The next send reports a failure to publish: messages that have arrived can be received all the same.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::ahead::{Latest, Pending};
use super::cork::{Cork, CorkedConnection};
use super::cork_claim::CorkClaim;
use super::forms::forms;
use super::messages::Incoming;
use super::receiver::Receiver;
use crate::error::{End, RecvError, SendError};
use crate::halves::Mechanism;
use crate::wait::Until;

/// The four forms of one call of the receiver, each with what was gathered published first.
macro_rules! answers {
    ($($ask:ident($($given:ident: $kind:ty)?) -> $result:ty: $now:ident, $later:ident, $by:ident, $within:ident;)*) => {
        $(
            #[doc = concat!("Publishes everything in line, then as [`Receiver::", stringify!($later), "`](crate::Receiver::", stringify!($later), ").")]
            ///
            /// # Errors
            /// See there.
            pub fn $later(&mut self, $($given: $kind)?) -> Result<$result, RecvError> {
                self.asked(Until::Forever).$ask($($given,)? Until::Forever)
            }

            #[doc = concat!("Publishes of what is in line as much as there is room for, then as [`Receiver::", stringify!($now), "`](crate::Receiver::", stringify!($now), ").")]
            ///
            /// # Errors
            /// See there.
            pub fn $now(&mut self, $($given: $kind)?) -> Result<$result, RecvError> {
                self.asked(Until::Now).$ask($($given,)? Until::Now)
            }

            #[doc = concat!("Publishes everything in line, then as [`Receiver::", stringify!($by), "`](crate::Receiver::", stringify!($by), "), both until `deadline`.")]
            ///
            /// # Errors
            /// See there.
            pub fn $by(&mut self, $($given: $kind,)? deadline: Instant) -> Result<$result, RecvError> {
                self.asked(Until::At(deadline)).$ask($($given,)? Until::At(deadline))
            }

            #[doc = concat!("Publishes everything in line, then as [`Receiver::", stringify!($within), "`](crate::Receiver::", stringify!($within), "), both within `timeout`.")]
            ///
            /// # Errors
            /// See there.
            pub fn $within(&mut self, $($given: $kind,)? timeout: Duration) -> Result<$result, RecvError> {
                let until = Until::after(timeout);
                self.asked(until).$ask($($given,)? until)
            }
        )*
    };
}

impl<'a, M: Mechanism> CorkedConnection<'a, M> {
    forms! {
        cork of Cork {
            send(message: &[u8]) -> Result<(), SendError>;
            try_send(message: &[u8]) -> Result<(), SendError>;
            send_deadline(message: &[u8], deadline: Instant) -> Result<(), SendError>;
            send_timeout(message: &[u8], timeout: Duration) -> Result<(), SendError>;
            send_vectored(parts: &[IoSlice<'_>]) -> Result<(), SendError>;
            try_send_vectored(parts: &[IoSlice<'_>]) -> Result<(), SendError>;
            send_vectored_deadline(parts: &[IoSlice<'_>], deadline: Instant) -> Result<(), SendError>;
            send_vectored_timeout(parts: &[IoSlice<'_>], timeout: Duration) -> Result<(), SendError>;
            claim(len: usize) -> Result<CorkClaim<'_, M>, SendError>;
            try_claim(len: usize) -> Result<CorkClaim<'_, M>, SendError>;
            claim_deadline(len: usize, deadline: Instant) -> Result<CorkClaim<'_, M>, SendError>;
            claim_timeout(len: usize, timeout: Duration) -> Result<CorkClaim<'_, M>, SendError>;
            flush() -> Result<(), SendError>;
            try_flush() -> Result<(), SendError>;
            flush_deadline(deadline: Instant) -> Result<(), SendError>;
            flush_timeout(timeout: Duration) -> Result<(), SendError>;
        }
    }

    /// The cork.
    pub fn cork(&mut self) -> &mut Cork<'a, M> {
        &mut self.cork
    }

    answers! {
        recv_within(buffer: &mut [u8]) -> usize: try_recv, recv, recv_deadline, recv_timeout;
        recv_vec_until(message: &mut Vec<u8>) -> usize: try_recv_vec, recv_vec, recv_vec_deadline, recv_vec_timeout;
        recv_latest_until(buffer: &mut [u8]) -> Latest: try_recv_latest, recv_latest, recv_latest_deadline, recv_latest_timeout;
        skip_until() -> usize: try_skip, skip, skip_deadline, skip_timeout;
    }

    /// Publishes everything in line, then as [`Receiver::messages`](crate::Receiver::messages).
    pub fn messages(&mut self) -> Incoming<'_, M> {
        self.asked(Until::Forever).messages()
    }

    /// Publishes of what is in line as much as there is room for, then as
    /// [`Receiver::try_messages`](crate::Receiver::try_messages).
    pub fn try_messages(&mut self) -> Incoming<'_, M> {
        self.asked(Until::Now).try_messages()
    }

    /// See [`Receiver::pending`](crate::Receiver::pending). Publishes nothing.
    ///
    /// # Errors
    /// See there.
    pub fn pending(&mut self) -> Result<Pending, RecvError> {
        self.receiver.pending()
    }

    /// See [`Receiver::skip_stale`](crate::Receiver::skip_stale). Publishes nothing.
    ///
    /// # Errors
    /// See there.
    pub fn skip_stale(&mut self) -> Result<usize, RecvError> {
        self.receiver.skip_stale()
    }

    /// See [`Receiver::end`](crate::Receiver::end).
    pub fn end(&self) -> Option<End> {
        self.receiver.end()
    }

    /// The receiver, after what was gathered has been published.
    fn asked(&mut self, until: Until) -> &mut Receiver<M> {
        let _ = self.cork.sender.flush_until(until);
        self.receiver
    }
}
