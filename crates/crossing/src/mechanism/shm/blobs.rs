//! The calls that send and receive blobs, in every form: see [`passing`](super::passing).

use std::io;
use std::time::{Duration, Instant};

use super::blob::Blob;
use super::flight::Flight;
use super::passing::{Inlet, Outlet};
use super::{RingReceiver, RingSender, Shm};
use crate::channel::{Connection, Receiver, Sender, forms};
use crate::error::{RecvError, SendError, Violation};
use crate::wait::{Patience, Until};

impl Sender<Shm> {
    /// Hands a blob to the peer; you can still read it. Waits while the number or bytes of blobs on
    /// their way have reached a limit: [`Config::blobs_in_flight`](crate::Config::blobs_in_flight)
    /// and [`blob_bytes_in_flight`](crate::Config::blob_bytes_in_flight).
    ///
    /// Before the first blob the peer's library is asked for a lane to send blobs on. It answers
    /// whatever its program does, unless the process is stopped.
    ///
    /// # Errors
    /// Those of [`send`](Sender::send). [`Io`](SendError::Io) also when the user has too many descriptors on their way
    /// (`ETOOMANYREFS`), or this process as many as it may have (`EMFILE`): nothing was sent then.
    ///
    /// # Examples
    /// ```
    /// use crossing::{BlobMut, SendError};
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # let (mut sender, mut receiver) = (here.split().0, there.split().1);
    ///
    /// let mut picture = BlobMut::new(1 << 20)?;
    /// picture[0] = 7;
    /// let picture = picture.seal()?;
    /// sender.send_blob(&picture)?;
    /// assert_eq!(receiver.recv_blob()?[0], 7);
    /// assert_eq!(picture[0], 7);      // it can still be read here, and sent to others
    ///
    /// drop(receiver);
    /// while sender.send_blob(&picture) != Err(SendError::Disconnected) {}     // told soon after
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_blob(&mut self, blob: &Blob) -> Result<(), SendError> {
        self.send_blob_until(blob, Until::Forever)
    }

    /// Hands a blob to the peer, if there is room for it on the way now. There is none for the
    /// first blob: the peer is asked for a lane, and does not answer at once.
    ///
    /// # Errors
    /// Those of [`send_blob`](Sender::send_blob), and [`Full`](SendError::Full).
    ///
    /// # Examples
    /// ```
    /// use crossing::{BlobMut, SendError};
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let config = Config::default().blobs_in_flight(1);
    /// # let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &config)?;
    /// # let (mut sender, mut receiver) = (here.split().0, there.split().1);
    ///
    /// let picture = BlobMut::new(4096)?.seal()?;
    /// sender.send_blob(&picture)?;
    /// match sender.try_send_blob(&picture) {
    ///     Err(SendError::Full) => { /* the receiver is behind: leave this one out */ }
    ///     outcome => outcome?,
    /// }
    /// # assert_eq!(receiver.recv_blob()?.len(), 4096);
    /// # assert_eq!(receiver.try_recv_blob().map(drop), Err(crossing::RecvError::Empty));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send_blob(&mut self, blob: &Blob) -> Result<(), SendError> {
        self.send_blob_until(blob, Until::Now)
    }

    /// Hands a blob to the peer, if there is room for it on the way before `deadline`.
    ///
    /// # Errors
    /// Those of [`send_blob`](Sender::send_blob), and [`Timeout`](SendError::Timeout).
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    /// use crossing::{BlobMut, SendError};
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let config = Config::default().blobs_in_flight(1);
    /// # let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &config)?;
    /// # let (mut sender, _receiver) = (here.split().0, there.split().1);
    ///
    /// let picture = BlobMut::new(4096)?.seal()?;
    /// sender.send_blob(&picture)?;
    /// // As many blobs as this end allows are on their way, and the receiver takes none.
    /// let deadline = Instant::now() + Duration::from_millis(1);
    /// assert_eq!(sender.send_blob_deadline(&picture, deadline), Err(SendError::Timeout));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_blob_deadline(&mut self, blob: &Blob, deadline: Instant) -> Result<(), SendError> {
        self.send_blob_until(blob, Until::At(deadline))
    }

    /// Hands a blob to the peer, if there is room for it on the way within `timeout`.
    ///
    /// # Errors
    /// Those of [`send_blob_deadline`](Sender::send_blob_deadline).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::BlobMut;
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let config = Config::default().blobs_in_flight(1);
    /// # let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &config)?;
    /// # let (mut sender, _receiver) = (here.split().0, there.split().1);
    ///
    /// let picture = BlobMut::new(4096)?.seal()?;
    /// sender.send_blob_timeout(&picture, Duration::from_secs(5))?;
    /// // As many blobs as this end allows are on their way, and the receiver takes none.
    /// let outcome = sender.send_blob_timeout(&picture, Duration::from_millis(1));
    /// assert!(outcome.is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_blob_timeout(&mut self, blob: &Blob, timeout: Duration) -> Result<(), SendError> {
        self.send_blob_until(blob, Until::after(timeout))
    }

    /// How many blobs are on their way: sent, and not yet taken by the receiver.
    ///
    /// # Examples
    /// ```
    /// use crossing::{BlobMut, Config, Connection, Kind, Shm};
    ///
    /// let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// let (mut sender, mut receiver) = (here.split().0, there.split().1);
    /// sender.send_blob(&BlobMut::new(5000)?.seal()?)?;
    /// assert_eq!((sender.blobs_in_flight(), sender.blob_bytes_in_flight()), (1, 5000));
    /// receiver.recv_blob()?;
    /// assert_eq!((sender.blobs_in_flight(), sender.blob_bytes_in_flight()), (0, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blobs_in_flight(&mut self) -> usize {
        self.outbound_mut().flight().blobs()
    }

    /// How many bytes the blobs have that are on their way.
    ///
    /// # Examples
    /// ```
    /// use crossing::BlobMut;
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # let (mut sender, mut receiver) = (here.split().0, there.split().1);
    ///
    /// let picture = BlobMut::new(5000)?.seal()?;
    /// sender.send_blob(&picture)?;
    /// sender.send_blob(&picture)?;
    /// assert_eq!(sender.blob_bytes_in_flight(), 10_000);
    /// receiver.recv_blob()?;
    /// assert_eq!(sender.blob_bytes_in_flight(), 5000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blob_bytes_in_flight(&mut self) -> u64 {
        self.outbound_mut().flight().bytes()
    }

    fn send_blob_until(&mut self, blob: &Blob, until: Until) -> Result<(), SendError> {
        self.ask(until, |out, patience| out.send_blob(blob, patience))
    }
}

impl Receiver<Shm> {
    /// Waits for the next blob.
    ///
    /// # Errors
    /// Those of [`recv`](Receiver::recv). [`Poisoned`](RecvError::Poisoned) when what came could still be changed by its
    /// sender. [`Io`](RecvError::Io) with `EMFILE` when this process has as many descriptors as it may have: that blob is
    /// lost, the connection goes on.
    ///
    /// # Examples
    /// ```
    /// use crossing::{BlobMut, RecvError};
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # let (mut sender, mut receiver) = (here.split().0, there.split().1);
    ///
    /// sender.send_blob(&BlobMut::new(5000)?.seal()?)?;
    /// let blob = receiver.recv_blob()?;
    /// let slice: &[u8] = &blob;       // in place, and no process can change it
    /// assert_eq!(slice.len(), 5000);
    ///
    /// drop(sender);
    /// assert_eq!(receiver.recv_blob().map(drop), Err(RecvError::Disconnected));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_blob(&mut self) -> Result<Blob, RecvError> {
        self.recv_blob_until(Until::Forever)
    }

    /// Takes the next blob, if there is one now.
    ///
    /// # Errors
    /// Those of [`recv_blob`](Receiver::recv_blob), and [`Empty`](RecvError::Empty).
    ///
    /// # Examples
    /// ```
    /// use crossing::{BlobMut, RecvError};
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # let (mut sender, mut receiver) = (here.split().0, there.split().1);
    ///
    /// sender.send_blob(&BlobMut::new(5000)?.seal()?)?;
    /// assert_eq!(receiver.try_recv_blob()?.len(), 5000);
    /// assert_eq!(receiver.try_recv_blob().map(drop), Err(RecvError::Empty));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv_blob(&mut self) -> Result<Blob, RecvError> {
        self.recv_blob_until(Until::Now)
    }

    /// Waits for the next blob until `deadline`.
    ///
    /// # Errors
    /// Those of [`recv_blob`](Receiver::recv_blob), and [`Timeout`](RecvError::Timeout).
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    /// use crossing::{BlobMut, RecvError};
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # let (mut sender, mut receiver) = (here.split().0, there.split().1);
    ///
    /// sender.send_blob(&BlobMut::new(5000)?.seal()?)?;
    /// // One deadline for all that come.
    /// let deadline = Instant::now() + Duration::from_millis(20);
    /// let mut lens = Vec::new();
    /// let end = loop {
    ///     match receiver.recv_blob_deadline(deadline) {
    ///         Ok(blob) => lens.push(blob.len()),
    ///         Err(error) => break error,
    ///     }
    /// };
    /// assert_eq!((lens, end), (vec![5000], RecvError::Timeout));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_blob_deadline(&mut self, deadline: Instant) -> Result<Blob, RecvError> {
        self.recv_blob_until(Until::At(deadline))
    }

    /// Waits for the next blob for `timeout`.
    ///
    /// # Errors
    /// Those of [`recv_blob_deadline`](Receiver::recv_blob_deadline).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use crossing::BlobMut;
    /// # use crossing::{Config, Connection, Kind, Shm};
    /// # let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
    /// # let (mut sender, mut receiver) = (here.split().0, there.split().1);
    ///
    /// sender.send_blob(&BlobMut::new(5000)?.seal()?)?;
    /// assert_eq!(receiver.recv_blob_timeout(Duration::from_secs(5))?.len(), 5000);
    /// let outcome = receiver.recv_blob_timeout(Duration::from_millis(1));
    /// assert!(outcome.is_err_and(|error| error.is_timeout()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_blob_timeout(&mut self, timeout: Duration) -> Result<Blob, RecvError> {
        self.recv_blob_until(Until::after(timeout))
    }

    fn recv_blob_until(&mut self, until: Until) -> Result<Blob, RecvError> {
        self.ask(until, RingReceiver::recv_blob)
    }
}

impl Connection<Shm> {
    forms! {
        sender of Sender after " # use std::time::{Duration, Instant};
 # use crossing::{BlobMut, Config, Connection, Kind, SendError, Shm};
 # let (mut here, mut there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
 let picture = BlobMut::new(4096)?.seal()?;" {
            /// here.send_blob(&picture)?;
            /// assert_eq!(there.recv_blob()?.len(), 4096);
            send_blob(blob: &Blob) -> Result<(), SendError>;

            /// # here.send_blob(&picture)?;
            /// match here.try_send_blob(&picture) {
            ///     Err(SendError::Full) => println!("not taken: as many are on their way as may be"),
            ///     outcome => outcome?,
            /// }
            /// # assert_eq!(there.recv_blob()?.len(), 4096);
            try_send_blob(blob: &Blob) -> Result<(), SendError>;

            /// here.send_blob_deadline(&picture, Instant::now() + Duration::from_secs(5))?;
            /// assert_eq!(there.recv_blob()?.len(), 4096);
            send_blob_deadline(blob: &Blob, deadline: Instant) -> Result<(), SendError>;

            /// here.send_blob_timeout(&picture, Duration::from_secs(5))?;
            /// assert_eq!(there.recv_blob()?.len(), 4096);
            send_blob_timeout(blob: &Blob, timeout: Duration) -> Result<(), SendError>;
        }
        receiver of Receiver after " # use std::time::{Duration, Instant};
 # use crossing::{BlobMut, Config, Connection, Kind, RecvError, Shm};
 # let (mut here, mut there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;" {
            /// # there.send_blob(&BlobMut::new(4096)?.seal()?)?;
            /// let picture = here.recv_blob()?;
            /// assert_eq!(picture.len(), 4096);
            recv_blob() -> Result<Blob, RecvError>;

            /// match here.try_recv_blob() {
            ///     Ok(picture) => println!("{} bytes", picture.len()),
            ///     Err(RecvError::Empty) => println!("there is none now"),
            ///     Err(error) => return Err(error.into()),
            /// }
            try_recv_blob() -> Result<Blob, RecvError>;

            /// # there.send_blob(&BlobMut::new(4096)?.seal()?)?;
            /// let picture = here.recv_blob_deadline(Instant::now() + Duration::from_secs(5))?;
            /// assert_eq!(picture.len(), 4096);
            recv_blob_deadline(deadline: Instant) -> Result<Blob, RecvError>;

            /// match here.recv_blob_timeout(Duration::from_millis(1)) {
            ///     Err(RecvError::Timeout) => println!("the peer is late"),
            ///     outcome => println!("{} bytes", outcome?.len()),
            /// }
            recv_blob_timeout(timeout: Duration) -> Result<Blob, RecvError>;
        }
    }
}

impl RingSender {
    fn send_blob(&mut self, blob: &Blob, patience: &mut Patience) -> Result<(), SendError> {
        let view = self.ring.memory();
        let look = |outlet: &mut Outlet| outlet.send(view, blob).transpose();
        match patience.wait(&mut self.outlet, look, |outlet, patience| outlet.sleep(view, patience)) {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Err(SendError::timeout(patience)),
            Err(errno) => Err(SendError::Io(errno.into())),
        }
    }

    /// The blobs on their way. Anything wrong with the peer's answers is told by the next call that
    /// sends.
    fn flight(&mut self) -> &Flight {
        let _ = self.outlet.look(self.ring.memory());
        &self.outlet.flight
    }
}

impl RingReceiver {
    fn recv_blob(&mut self, patience: &mut Patience) -> Result<Blob, RecvError> {
        let view = self.ring.memory();
        let look = |inlet: &mut Inlet| inlet.recv(view).transpose();
        let memfd = match patience.wait(&mut self.inlet, look, |inlet, patience| inlet.sleep(view, patience))
        {
            Ok(Some(outcome)) => outcome?,
            Ok(None) => return Err(RecvError::timeout(patience)),
            Err(errno) => return Err(RecvError::Io(errno.into())),
        };
        Blob::open(memfd).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Violation::Blob { why: "it is not sealed as a blob is" }.into(),
            _ => RecvError::Io(error),
        })
    }
}
