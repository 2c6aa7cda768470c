//! The forms of both halves on a whole connection. Each does what the form of the same name does on its half.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::Connection;
use super::ahead::{Latest, Pending};
use super::claim::Claim;
use super::messages::Incoming;
use crate::error::{End, RecvError, SendError};
use crate::halves::Mechanism;

/// A form of a half for each line, on the connection that has the half. The comment above a line is the form's example;
/// `after` is what stands before it, and the text of the documentation begins with a space as a comment's does.
macro_rules! forms {
    ($($half:ident of $type:ident after $setup:literal {
        $($(#[doc = $line:literal])+ $name:ident($($given:ident: $kind:ty),*) -> $result:ty;)*
    })*) => {
        $($(
            #[doc = concat!(" See [`", stringify!($type), "::", stringify!($name), "`](crate::", stringify!($type), "::", stringify!($name), ").")]
            #[doc = ""]
            #[doc = " # Errors\n See there.\n\n # Examples\n ```"]
            #[doc = $setup]
            $(#[doc = $line])+
            #[doc = " # Ok::<(), Box<dyn std::error::Error>>(())\n ```"]
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
        sender of Sender after " # use std::{io::IoSlice, time::{Duration, Instant}};
 # use crossing::{Config, Connection, Kind, SendError};
 # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;" {
            /// here.send(b"ping")?;
            /// assert_eq!(there.recv(&mut [0; 64])?, 4);
            send(message: &[u8]) -> Result<(), SendError>;

            /// match here.try_send(b"if there is room") {
            ///     Err(SendError::Full) => println!("not taken: the peer is behind"),
            ///     outcome => outcome?,
            /// }
            /// # assert_eq!(there.recv(&mut [0; 64])?, 16);
            try_send(message: &[u8]) -> Result<(), SendError>;

            /// // The question and its answer, both within five seconds.
            /// let deadline = Instant::now() + Duration::from_secs(5);
            /// here.send_deadline(b"question", deadline)?;
            /// # assert_eq!(there.recv(&mut [0; 64])?, 8);
            /// # there.send(b"answer")?;
            /// let len = here.recv_deadline(&mut [0; 64], deadline)?;
            /// # assert_eq!(len, 6);
            send_deadline(message: &[u8], deadline: Instant) -> Result<(), SendError>;

            /// match here.send_timeout(b"news", Duration::from_millis(100)) {
            ///     Err(SendError::Timeout) => println!("not taken: there was no room for a tenth of a second"),
            ///     outcome => outcome?,
            /// }
            /// # assert_eq!(there.recv(&mut [0; 64])?, 4);
            send_timeout(message: &[u8], timeout: Duration) -> Result<(), SendError>;

            /// let payload = [7; 100];
            /// here.send_vectored(&[IoSlice::new(b"header"), IoSlice::new(&payload)])?;
            /// assert_eq!(there.recv(&mut [0; 128])?, 106);
            send_vectored(parts: &[IoSlice<'_>]) -> Result<(), SendError>;

            /// let parts = [&b"header"[..], b"payload"].map(IoSlice::new);
            /// match here.try_send_vectored(&parts) {
            ///     Err(SendError::Full) => println!("not taken: the peer is behind"),
            ///     outcome => outcome?,
            /// }
            /// # assert_eq!(there.recv(&mut [0; 64])?, 13);
            try_send_vectored(parts: &[IoSlice<'_>]) -> Result<(), SendError>;

            /// let deadline = Instant::now() + Duration::from_secs(5);
            /// for payload in [b"one", b"two"] {
            ///     here.send_vectored_deadline(&[IoSlice::new(b"number "), IoSlice::new(payload)], deadline)?;
            /// }
            /// # assert_eq!([there.recv(&mut [0; 64])?, there.recv(&mut [0; 64])?], [10, 10]);
            send_vectored_deadline(parts: &[IoSlice<'_>], deadline: Instant) -> Result<(), SendError>;

            /// let parts = [&b"header"[..], b"payload"].map(IoSlice::new);
            /// here.send_vectored_timeout(&parts, Duration::from_secs(5))?;
            /// assert_eq!(there.recv(&mut [0; 64])?, 13);
            send_vectored_timeout(parts: &[IoSlice<'_>], timeout: Duration) -> Result<(), SendError>;

            /// let mut claim = here.claim(8)?;
            /// claim.copy_from_slice(&42_u64.to_le_bytes());
            /// claim.commit()?;
            /// # assert_eq!(there.recv(&mut [0; 64])?, 8);
            claim(len: usize) -> Result<Claim<'_, M>, SendError>;

            /// if let Ok(mut claim) = here.try_claim(1024) {
            ///     claim.fill(7);
            ///     claim.commit()?;
            /// }
            /// # assert_eq!(there.skip()?, 1024);
            try_claim(len: usize) -> Result<Claim<'_, M>, SendError>;

            /// let deadline = Instant::now() + Duration::from_secs(5);
            /// for number in 0..3_u64 {
            ///     let mut claim = here.claim_deadline(8, deadline)?;
            ///     claim.copy_from_slice(&number.to_le_bytes());
            ///     claim.commit()?;
            /// }
            /// # assert_eq!(there.pending()?.messages, 3);
            claim_deadline(len: usize, deadline: Instant) -> Result<Claim<'_, M>, SendError>;

            /// let mut claim = here.claim_timeout(1024, Duration::from_secs(5))?;
            /// claim.fill(7);
            /// claim.commit()?;
            /// # assert_eq!(there.skip()?, 1024);
            claim_timeout(len: usize, timeout: Duration) -> Result<Claim<'_, M>, SendError>;

            /// # while here.try_send(b"more").is_ok() {}
            /// here.sender().cork().send(b"last")?; // a cork dropped into a full channel: it stays in line
            /// # assert!(here.sender().has_in_line());
            /// # while there.try_skip().is_ok() {}
            /// here.flush()?; // the peer has made room
            /// assert!(!here.sender().has_in_line());
            flush() -> Result<(), SendError>;

            /// match here.try_flush() {
            ///     Err(SendError::Full) => println!("there is something in line, and no room for it"),
            ///     outcome => outcome?,
            /// }
            try_flush() -> Result<(), SendError>;

            /// here.flush_deadline(Instant::now() + Duration::from_secs(5))?;
            /// assert!(!here.sender().has_in_line());
            flush_deadline(deadline: Instant) -> Result<(), SendError>;

            /// here.flush_timeout(Duration::from_secs(5))?;
            /// assert!(!here.sender().has_in_line());
            flush_timeout(timeout: Duration) -> Result<(), SendError>;
        }
        receiver of Receiver after " # use std::time::{Duration, Instant};
 # use crossing::{Config, Connection, Kind, RecvError};
 # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;" {
            /// # there.send(b"ping")?;
            /// let mut buffer = [0; 64];
            /// let len = here.recv(&mut buffer)?;
            /// assert_eq!(&buffer[..len], b"ping");
            recv(buffer: &mut [u8]) -> Result<usize, RecvError>;

            /// let mut buffer = [0; 64];
            /// match here.try_recv(&mut buffer) {
            ///     Ok(len) => println!("{:?}", &buffer[..len]),
            ///     Err(RecvError::Empty) => println!("there is none now"),
            ///     Err(error) => return Err(error.into()),
            /// }
            try_recv(buffer: &mut [u8]) -> Result<usize, RecvError>;

            /// # there.send(b"header")?;
            /// # there.send(b"payload")?;
            /// // Both messages within five seconds.
            /// let deadline = Instant::now() + Duration::from_secs(5);
            /// let (mut header, mut payload) = ([0; 16], [0; 1024]);
            /// here.recv_deadline(&mut header, deadline)?;
            /// let len = here.recv_deadline(&mut payload, deadline)?;
            /// # assert_eq!(len, 7);
            recv_deadline(buffer: &mut [u8], deadline: Instant) -> Result<usize, RecvError>;

            /// match here.recv_timeout(&mut [0; 64], Duration::from_millis(1)) {
            ///     Err(RecvError::Timeout) => println!("the peer is late"),
            ///     outcome => println!("{} bytes", outcome?),
            /// }
            recv_timeout(buffer: &mut [u8], timeout: Duration) -> Result<usize, RecvError>;

            /// # there.send(b"as long as it likes")?;
            /// let mut message = Vec::new();
            /// here.recv_vec(&mut message)?;
            /// assert_eq!(message, b"as long as it likes");
            recv_vec(message: &mut Vec<u8>) -> Result<usize, RecvError>;

            /// # there.send(b"one")?;
            /// # there.send(b"two")?;
            /// let mut message = Vec::new();
            /// while here.try_recv_vec(&mut message).is_ok() {
            ///     println!("{message:?}");
            /// }
            /// assert!(message.is_empty());
            try_recv_vec(message: &mut Vec<u8>) -> Result<usize, RecvError>;

            /// # there.send(b"one")?;
            /// # there.send(b"two")?;
            /// let (mut one, mut two) = (Vec::new(), Vec::new());
            /// let deadline = Instant::now() + Duration::from_secs(5);
            /// here.recv_vec_deadline(&mut one, deadline)?;
            /// here.recv_vec_deadline(&mut two, deadline)?;
            /// # assert_eq!([one, two], [b"one", b"two"]);
            recv_vec_deadline(message: &mut Vec<u8>, deadline: Instant) -> Result<usize, RecvError>;

            /// let mut message = Vec::new();
            /// match here.recv_vec_timeout(&mut message, Duration::from_millis(1)) {
            ///     Err(RecvError::Timeout) => println!("the peer is late"),
            ///     outcome => println!("{} bytes", outcome?),
            /// }
            recv_vec_timeout(message: &mut Vec<u8>, timeout: Duration) -> Result<usize, RecvError>;

            /// for price in [b"100", b"101", b"103"] {
            ///     there.send(price)?;
            /// }
            /// let mut price = [0; 3];
            /// assert_eq!(here.recv_latest(&mut price)?.passed, 2);
            /// assert_eq!(&price, b"103");
            recv_latest(buffer: &mut [u8]) -> Result<Latest, RecvError>;

            /// let mut price = *b"100";
            /// match here.try_recv_latest(&mut price) {
            ///     Ok(latest) => println!("{} prices were out of date", latest.passed),
            ///     Err(RecvError::Empty) => {} // the price is what it was
            ///     Err(error) => return Err(error.into()),
            /// }
            /// # assert_eq!(&price, b"100");
            try_recv_latest(buffer: &mut [u8]) -> Result<Latest, RecvError>;

            /// # there.send(b"100")?;
            /// let mut price = [0; 8];
            /// let latest = here.recv_latest_deadline(&mut price, Instant::now() + Duration::from_secs(5))?;
            /// assert_eq!(&price[..latest.len], b"100");
            recv_latest_deadline(buffer: &mut [u8], deadline: Instant) -> Result<Latest, RecvError>;

            /// match here.recv_latest_timeout(&mut [0; 8], Duration::from_millis(1)) {
            ///     Err(RecvError::Timeout) => println!("no news"),
            ///     outcome => println!("{} prices were out of date", outcome?.passed),
            /// }
            recv_latest_timeout(buffer: &mut [u8], timeout: Duration) -> Result<Latest, RecvError>;

            /// there.send(b"not for here")?;
            /// there.send(b"for here")?;
            /// here.skip()?;
            /// assert_eq!(here.recv(&mut [0; 64])?, 8);
            skip() -> Result<usize, RecvError>;

            /// # there.send(b"old")?;
            /// # there.send(b"older")?;
            /// while here.try_skip().is_ok() {}
            /// assert_eq!(here.pending()?.messages, 0);
            try_skip() -> Result<usize, RecvError>;

            /// # there.send(b"header")?;
            /// # there.send(b"payload")?;
            /// let deadline = Instant::now() + Duration::from_secs(5);
            /// here.skip_deadline(deadline)?;
            /// let len = here.recv_deadline(&mut [0; 64], deadline)?;
            /// # assert_eq!(len, 7);
            skip_deadline(deadline: Instant) -> Result<usize, RecvError>;

            /// match here.skip_timeout(Duration::from_millis(1)) {
            ///     Err(RecvError::Timeout) => println!("the peer is late"),
            ///     outcome => println!("{} bytes were passed over", outcome?),
            /// }
            skip_timeout(timeout: Duration) -> Result<usize, RecvError>;

            /// for picture in [b"1st", b"2nd", b"3rd"] {
            ///     there.send(picture)?;
            /// }
            /// here.skip_stale()?;
            /// let mut picture = Vec::new();
            /// here.recv_vec(&mut picture)?;
            /// assert_eq!(picture, b"3rd");
            skip_stale() -> Result<usize, RecvError>;

            /// there.send(b"one")?;
            /// there.send(b"two")?;
            /// assert_eq!(here.pending()?.messages, 2);
            pending() -> Result<Pending, RecvError>;
        }
    }

    /// See [`Receiver::messages`](crate::Receiver::messages).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// # there.send(b"one")?;
    /// # there.send(b"two")?;
    /// # drop(there);
    /// for message in here.messages() {
    ///     println!("{} bytes", message?.len());
    /// }
    /// // The peer has closed its end, and everything was received.
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn messages(&mut self) -> Incoming<'_, M> {
        self.receiver.messages()
    }

    /// See [`Receiver::try_messages`](crate::Receiver::try_messages).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// there.send(b"one")?;
    /// there.send(b"two")?;
    /// assert_eq!(here.try_messages().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_messages(&mut self) -> Incoming<'_, M> {
        self.receiver.try_messages()
    }

    /// How the direction from the peer ended: see [`Receiver::end`](crate::Receiver::end).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::{End, RecvError};
    ///
    /// drop(there);
    /// assert_eq!(here.recv(&mut [0; 64]), Err(RecvError::Disconnected));
    /// assert_eq!(here.end(), Some(End::Closed)); // not killed
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn end(&self) -> Option<End> {
        self.receiver.end()
    }

    /// See [`Receiver::bytes_ahead`](crate::Receiver::bytes_ahead).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// assert_eq!(here.bytes_ahead(), 0); // shared memory has no reads that could bring more than a message
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes_ahead(&self) -> usize {
        self.receiver.bytes_ahead()
    }

    /// How many bytes may be on their way to the peer: see [`Sender::capacity_bytes`](crate::Sender::capacity_bytes).
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// if let Some(bytes) = here.capacity_bytes() {
    ///     println!("{} KiB may be on their way", bytes / 1024);
    /// }
    /// # assert_eq!(here.capacity_bytes(), Some(256 << 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity_bytes(&self) -> Option<usize> {
        self.sender.capacity_bytes()
    }
}
