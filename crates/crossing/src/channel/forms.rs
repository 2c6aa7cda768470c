//! The forms of both halves on a whole connection. Each does what the form of the same name does on its half.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::Connection;
use super::ahead::{Latest, Pending};
use super::claim::Claim;
use super::messages::Incoming;
use crate::error::{End, RecvError, SendError};
use crate::halves::Mechanism;

/// A form of a half for each line, on the connection that has the half.
macro_rules! forms {
    ($($half:ident of $type:ident { $($name:ident($($given:ident: $kind:ty),*) -> $result:ty;)* })*) => {
        $($(
            #[doc = concat!("See [`", stringify!($type), "::", stringify!($name), "`](crate::", stringify!($type), "::", stringify!($name), ").")]
            ///
            /// # Errors
            /// See there.
            #[inline(always)]
            pub fn $name(&mut self, $($given: $kind),*) -> $result {
                self.$half().$name($($given),*)
            }
        )*)*
    };
}

pub(crate) use forms;

impl<M: Mechanism> Connection<M> {
    forms! {
        sender of Sender {
            send(message: &[u8]) -> Result<(), SendError>;
            try_send(message: &[u8]) -> Result<(), SendError>;
            send_deadline(message: &[u8], deadline: Instant) -> Result<(), SendError>;
            send_timeout(message: &[u8], timeout: Duration) -> Result<(), SendError>;
            send_vectored(parts: &[IoSlice<'_>]) -> Result<(), SendError>;
            try_send_vectored(parts: &[IoSlice<'_>]) -> Result<(), SendError>;
            send_vectored_deadline(parts: &[IoSlice<'_>], deadline: Instant) -> Result<(), SendError>;
            send_vectored_timeout(parts: &[IoSlice<'_>], timeout: Duration) -> Result<(), SendError>;
            claim(len: usize) -> Result<Claim<'_, M>, SendError>;
            try_claim(len: usize) -> Result<Claim<'_, M>, SendError>;
            claim_deadline(len: usize, deadline: Instant) -> Result<Claim<'_, M>, SendError>;
            claim_timeout(len: usize, timeout: Duration) -> Result<Claim<'_, M>, SendError>;
            flush() -> Result<(), SendError>;
            try_flush() -> Result<(), SendError>;
            flush_deadline(deadline: Instant) -> Result<(), SendError>;
            flush_timeout(timeout: Duration) -> Result<(), SendError>;
        }
        receiver of Receiver {
            recv(buffer: &mut [u8]) -> Result<usize, RecvError>;
            try_recv(buffer: &mut [u8]) -> Result<usize, RecvError>;
            recv_deadline(buffer: &mut [u8], deadline: Instant) -> Result<usize, RecvError>;
            recv_timeout(buffer: &mut [u8], timeout: Duration) -> Result<usize, RecvError>;
            recv_vec(message: &mut Vec<u8>) -> Result<usize, RecvError>;
            try_recv_vec(message: &mut Vec<u8>) -> Result<usize, RecvError>;
            recv_vec_deadline(message: &mut Vec<u8>, deadline: Instant) -> Result<usize, RecvError>;
            recv_vec_timeout(message: &mut Vec<u8>, timeout: Duration) -> Result<usize, RecvError>;
            recv_latest(buffer: &mut [u8]) -> Result<Latest, RecvError>;
            try_recv_latest(buffer: &mut [u8]) -> Result<Latest, RecvError>;
            recv_latest_deadline(buffer: &mut [u8], deadline: Instant) -> Result<Latest, RecvError>;
            recv_latest_timeout(buffer: &mut [u8], timeout: Duration) -> Result<Latest, RecvError>;
            skip() -> Result<usize, RecvError>;
            try_skip() -> Result<usize, RecvError>;
            skip_deadline(deadline: Instant) -> Result<usize, RecvError>;
            skip_timeout(timeout: Duration) -> Result<usize, RecvError>;
            skip_stale() -> Result<usize, RecvError>;
            pending() -> Result<Pending, RecvError>;
        }
    }

    /// See [`Receiver::messages`](crate::Receiver::messages).
    pub fn messages(&mut self) -> Incoming<'_, M> {
        self.receiver.messages()
    }

    /// See [`Receiver::try_messages`](crate::Receiver::try_messages).
    pub fn try_messages(&mut self) -> Incoming<'_, M> {
        self.receiver.try_messages()
    }

    /// How the direction from the peer ended: see [`Receiver::end`](crate::Receiver::end).
    pub fn end(&self) -> Option<End> {
        self.receiver.end()
    }

    /// See [`Receiver::bytes_ahead`](crate::Receiver::bytes_ahead).
    pub fn bytes_ahead(&self) -> usize {
        self.receiver.bytes_ahead()
    }

    /// How many bytes may be on their way to the peer: see [`Sender::capacity_bytes`](crate::Sender::capacity_bytes).
    pub fn capacity_bytes(&self) -> Option<usize> {
        self.sender.capacity_bytes()
    }
}
