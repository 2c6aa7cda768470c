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

/// What stands before the call in the example of a form of a receive, and behind it.
macro_rules! question {
    () => {
        " # use std::time::{Duration, Instant};
 # use crossing::{Config, Connection, Kind, RecvError};
 # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
 let mut corked = here.cork();
 corked.send(b\"question\")?;"
    };
    (answered) => {
        concat!(question!(), "\n # there.send(b\"answer\")?;")
    };
    (sent) => {
        " # assert_eq!(there.recv(&mut [0; 64])?, 8);
 # Ok::<(), Box<dyn std::error::Error>>(())
 ```"
    };
}

/// The four forms of one call of the receiver, each with what was gathered published first. The comment above a line makes the
/// place of the answer in the examples.
macro_rules! answers {
    ($($(#[doc = $place:literal])? $ask:ident($($given:ident: $kind:ty)?) -> $result:ty: $now:ident, $later:ident, $by:ident, $within:ident;)*) => {
        $(
            #[doc = concat!(" Publishes everything in line, then as [`Receiver::", stringify!($later), "`](crate::Receiver::", stringify!($later), ").")]
            #[doc = ""]
            #[doc = " # Errors\n See there.\n\n # Examples\n ```"]
            #[doc = question!(answered)]
            $(#[doc = $place])?
            #[doc = concat!(" corked.", stringify!($later), "(", $("&mut ", stringify!($given),)? ")?; // sends the question first")]
            #[doc = question!(sent)]
            pub fn $later(&mut self, $($given: $kind)?) -> Result<$result, RecvError> {
                self.asked(Until::Forever).$ask($($given,)? Until::Forever)
            }

            #[doc = concat!(" Publishes of what is in line as much as there is room for, then as [`Receiver::", stringify!($now), "`](crate::Receiver::", stringify!($now), ").")]
            #[doc = ""]
            #[doc = " # Errors\n See there.\n\n # Examples\n ```"]
            #[doc = question!()]
            $(#[doc = $place])?
            #[doc = concat!(" // Sends the question; the answer is not there yet.\n assert_eq!(corked.", stringify!($now), "(", $("&mut ", stringify!($given),)? "), Err(RecvError::Empty));")]
            #[doc = question!(sent)]
            pub fn $now(&mut self, $($given: $kind)?) -> Result<$result, RecvError> {
                self.asked(Until::Now).$ask($($given,)? Until::Now)
            }

            #[doc = concat!(" Publishes everything in line, then as [`Receiver::", stringify!($by), "`](crate::Receiver::", stringify!($by), "), both until `deadline`.")]
            #[doc = ""]
            #[doc = " # Errors\n See there.\n\n # Examples\n ```"]
            #[doc = question!(answered)]
            $(#[doc = $place])?
            #[doc = concat!(" let deadline = Instant::now() + Duration::from_secs(5);\n corked.", stringify!($by), "(", $("&mut ", stringify!($given), ", ",)? "deadline)?; // sends the question first")]
            #[doc = question!(sent)]
            pub fn $by(&mut self, $($given: $kind,)? deadline: Instant) -> Result<$result, RecvError> {
                self.asked(Until::At(deadline)).$ask($($given,)? Until::At(deadline))
            }

            #[doc = concat!(" Publishes everything in line, then as [`Receiver::", stringify!($within), "`](crate::Receiver::", stringify!($within), "), both within `timeout`.")]
            #[doc = ""]
            #[doc = " # Errors\n See there.\n\n # Examples\n ```"]
            #[doc = question!(answered)]
            $(#[doc = $place])?
            #[doc = concat!(" corked.", stringify!($within), "(", $("&mut ", stringify!($given), ", ",)? "Duration::from_secs(5))?; // sends the question first")]
            #[doc = question!(sent)]
            pub fn $within(&mut self, $($given: $kind,)? timeout: Duration) -> Result<$result, RecvError> {
                let until = Until::after(timeout);
                self.asked(until).$ask($($given,)? until)
            }
        )*
    };
}

impl<'a, M: Mechanism> CorkedConnection<'a, M> {
    forms! {
        cork of Cork after " # use std::{io::IoSlice, time::{Duration, Instant}};
 # use crossing::{Config, Connection, Kind, RecvError, SendError};
 # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
 let mut corked = here.cork();" {
            /// for part in [b"one", b"two"] {
            ///     corked.send(part)?;
            /// }
            /// corked.flush()?; // both at once
            /// # assert_eq!(there.pending()?.messages, 2);
            send(message: &[u8]) -> Result<(), SendError>;

            /// match corked.try_send(b"if there is room") {
            ///     Err(SendError::Full) => println!("not taken: the peer is behind"),
            ///     outcome => outcome?,
            /// }
            /// # corked.flush()?;
            /// # assert_eq!(there.recv(&mut [0; 64])?, 16);
            try_send(message: &[u8]) -> Result<(), SendError>;

            /// // All of it within five seconds.
            /// let deadline = Instant::now() + Duration::from_secs(5);
            /// for part in [b"one", b"two"] {
            ///     corked.send_deadline(part, deadline)?;
            /// }
            /// corked.flush_deadline(deadline)?;
            /// # assert_eq!(there.pending()?.messages, 2);
            send_deadline(message: &[u8], deadline: Instant) -> Result<(), SendError>;

            /// corked.send_timeout(b"one", Duration::from_secs(5))?;
            /// corked.flush()?;
            /// # assert_eq!(there.recv(&mut [0; 64])?, 3);
            send_timeout(message: &[u8], timeout: Duration) -> Result<(), SendError>;

            /// for payload in [b"one", b"two"] {
            ///     corked.send_vectored(&[IoSlice::new(b"number "), IoSlice::new(payload)])?;
            /// }
            /// corked.flush()?;
            /// # assert_eq!([there.skip()?, there.skip()?], [10, 10]);
            send_vectored(parts: &[IoSlice<'_>]) -> Result<(), SendError>;

            /// let parts = [&b"header"[..], b"payload"].map(IoSlice::new);
            /// match corked.try_send_vectored(&parts) {
            ///     Err(SendError::Full) => println!("not taken: the peer is behind"),
            ///     outcome => outcome?,
            /// }
            /// # corked.flush()?;
            /// # assert_eq!(there.skip()?, 13);
            try_send_vectored(parts: &[IoSlice<'_>]) -> Result<(), SendError>;

            /// let parts = [&b"header"[..], b"payload"].map(IoSlice::new);
            /// let deadline = Instant::now() + Duration::from_secs(5);
            /// corked.send_vectored_deadline(&parts, deadline)?;
            /// corked.flush_deadline(deadline)?;
            /// # assert_eq!(there.skip()?, 13);
            send_vectored_deadline(parts: &[IoSlice<'_>], deadline: Instant) -> Result<(), SendError>;

            /// let parts = [&b"header"[..], b"payload"].map(IoSlice::new);
            /// corked.send_vectored_timeout(&parts, Duration::from_secs(5))?;
            /// corked.flush()?;
            /// # assert_eq!(there.skip()?, 13);
            send_vectored_timeout(parts: &[IoSlice<'_>], timeout: Duration) -> Result<(), SendError>;

            /// for number in 0..3_u64 {
            ///     let mut claim = corked.claim(8)?;
            ///     claim.copy_from_slice(&number.to_le_bytes());
            ///     claim.commit()?;
            /// }
            /// corked.flush()?;
            /// # assert_eq!(there.pending()?.messages, 3);
            claim(len: usize) -> Result<CorkClaim<'_, M>, SendError>;

            /// if let Ok(mut claim) = corked.try_claim(8) {
            ///     claim.fill(7);
            ///     claim.commit()?;
            /// }
            /// # corked.flush()?;
            /// # assert_eq!(there.skip()?, 8);
            try_claim(len: usize) -> Result<CorkClaim<'_, M>, SendError>;

            /// let deadline = Instant::now() + Duration::from_secs(5);
            /// let mut claim = corked.claim_deadline(8, deadline)?;
            /// claim.fill(7);
            /// claim.commit()?;
            /// corked.flush_deadline(deadline)?;
            /// # assert_eq!(there.skip()?, 8);
            claim_deadline(len: usize, deadline: Instant) -> Result<CorkClaim<'_, M>, SendError>;

            /// let mut claim = corked.claim_timeout(8, Duration::from_secs(5))?;
            /// claim.fill(7);
            /// claim.commit()?;
            /// # corked.flush()?;
            /// # assert_eq!(there.skip()?, 8);
            claim_timeout(len: usize, timeout: Duration) -> Result<CorkClaim<'_, M>, SendError>;

            /// corked.send(b"question")?;
            /// corked.flush()?;
            /// assert_eq!(there.recv(&mut [0; 64])?, 8);
            flush() -> Result<(), SendError>;

            /// corked.send(b"news")?;
            /// match corked.try_flush() {
            ///     Err(SendError::Full) => println!("some of it waits in line for room"),
            ///     outcome => outcome?,
            /// }
            /// # assert_eq!(there.skip()?, 4);
            try_flush() -> Result<(), SendError>;

            /// corked.send(b"question")?;
            /// corked.flush_deadline(Instant::now() + Duration::from_secs(5))?;
            /// assert_eq!(there.recv(&mut [0; 64])?, 8);
            flush_deadline(deadline: Instant) -> Result<(), SendError>;

            /// corked.send(b"question")?;
            /// corked.flush_timeout(Duration::from_secs(5))?;
            /// assert_eq!(there.recv(&mut [0; 64])?, 8);
            flush_timeout(timeout: Duration) -> Result<(), SendError>;
        }
    }

    /// The cork.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::{Cork, SendError};
    ///
    /// # let mut corked = here.cork();
    /// fn write_rows(cork: &mut Cork) -> Result<(), SendError> {
    ///     (0..100_u32).try_for_each(|row| cork.send(&row.to_le_bytes()))
    /// }
    /// write_rows(corked.cork())?;
    /// corked.flush()?;
    /// # assert_eq!(there.pending()?.messages, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cork(&mut self) -> &mut Cork<'a, M> {
        &mut self.cork
    }

    answers! {
        /// let mut buffer = [0; 64];
        recv_within(buffer: &mut [u8]) -> usize: try_recv, recv, recv_deadline, recv_timeout;
        /// let mut message = Vec::new();
        recv_vec_until(message: &mut Vec<u8>) -> usize: try_recv_vec, recv_vec, recv_vec_deadline, recv_vec_timeout;
        /// let mut buffer = [0; 64];
        recv_latest_until(buffer: &mut [u8]) -> Latest: try_recv_latest, recv_latest, recv_latest_deadline, recv_latest_timeout;
        skip_until() -> usize: try_skip, skip, skip_deadline, skip_timeout;
    }

    /// Publishes everything in line, then as [`Receiver::messages`](crate::Receiver::messages).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # there.send(b"one")?;
    /// # there.send(b"two")?;
    /// let mut corked = here.cork();
    /// corked.send(b"two lines, please")?;
    /// for answer in corked.messages().take(2) { // sends the question first
    ///     println!("{} bytes", answer?.len());
    /// }
    /// # assert_eq!(there.recv(&mut [0; 64])?, 17);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn messages(&mut self) -> Incoming<'_, M> {
        self.asked(Until::Forever).messages()
    }

    /// Publishes of what is in line as much as there is room for, then as
    /// [`Receiver::try_messages`](crate::Receiver::try_messages).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # there.send(b"one")?;
    /// # there.send(b"two")?;
    /// let mut corked = here.cork();
    /// corked.send(b"more, please")?;
    /// assert_eq!(corked.try_messages().count(), 2); // sends the question first
    /// # assert_eq!(there.recv(&mut [0; 64])?, 12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_messages(&mut self) -> Incoming<'_, M> {
        self.asked(Until::Now).try_messages()
    }

    /// See [`Receiver::pending`](crate::Receiver::pending). Publishes nothing.
    ///
    /// # Errors
    /// See there.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// let mut corked = here.cork();
    /// corked.send(b"question")?;
    /// assert_eq!(corked.pending()?.messages, 0);
    /// assert_eq!(there.pending()?.messages, 0); // the question is still in line
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pending(&mut self) -> Result<Pending, RecvError> {
        self.receiver.pending()
    }

    /// See [`Receiver::skip_stale`](crate::Receiver::skip_stale). Publishes nothing.
    ///
    /// # Errors
    /// See there.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// for price in [b"100", b"101", b"103"] {
    ///     there.send(price)?;
    /// }
    /// let mut corked = here.cork();
    /// assert_eq!(corked.skip_stale()?, 2);
    /// let mut price = [0; 3];
    /// corked.recv(&mut price)?;
    /// assert_eq!(&price, b"103");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_stale(&mut self) -> Result<usize, RecvError> {
        self.receiver.skip_stale()
    }

    /// See [`Receiver::end`](crate::Receiver::end).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::{End, RecvError};
    ///
    /// drop(there);
    /// let mut corked = here.cork();
    /// assert_eq!(corked.recv(&mut [0; 64]), Err(RecvError::Disconnected));
    /// assert_eq!(corked.end(), Some(End::Closed)); // not killed
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn end(&self) -> Option<End> {
        self.receiver.end()
    }

    /// The receiver, after what was gathered has been published.
    fn asked(&mut self, until: Until) -> &mut Receiver<M> {
        let _ = self.cork.sender.flush_until(until);
        self.receiver
    }
}
