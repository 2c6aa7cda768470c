//! A stopper: ends waits from another thread.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use rustix::thread::futex;

use crate::descriptor::above_stdio;
use crate::owner::Owner;

/// Ends the waits of halves, of a [`Poll`](crate::Poll), of many at once, from any thread.
///
/// Give it to what shall be stopped: [`Receiver::set_stopper`](crate::Receiver::set_stopper),
/// [`Sender::set_stopper`](crate::Sender::set_stopper), [`Listener::set_stopper`](crate::Listener::set_stopper),
/// [`Poll::set_stopper`](crate::Poll::set_stopper). Once
/// [stopped](Stopper::stop), a call of theirs that would wait says [`Stopped`](crate::RecvError::Stopped) instead, the one that
/// waits now and every later one. Nothing is lost by it: a call that need not wait still does what it does, and so do the
/// non-blocking forms. It stays stopped. To wait again, give it another stopper.
///
/// A stopper takes one descriptor, however many it stops. A half that has one waits on a pipe and on sockets
/// by poll(2), which costs two system calls more than a wait in read(2). Where futex_waitv(2) is refused
/// (see [`sleeping`](crate::sleeping)), shared memory looks for it every 10 ms.
///
/// # Examples
/// ```
/// use crossing::{Config, Connection, Kind, RecvError, Stopper};
///
/// let (mut here, _there) = Connection::pair(Kind::Shm, &Config::default())?;
/// let stopper = Stopper::new()?;
/// here.receiver().set_stopper(&stopper);
/// let waiting = std::thread::spawn(move || here.recv(&mut [0; 64]));
/// stopper.stop();
/// assert_eq!(waiting.join().expect("no panic"), Err(RecvError::Stopped));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Stopper(Arc<StopWord>);

/// What a stopper and the waits that it ends share.
struct StopWord {
    /// Zero until it is stopped. Shared memory sleeps on it.
    word: AtomicU32,
    /// Readable from then on. Streams poll it.
    event: OwnedFd,
    owner: Owner,
}

/// What the word is before it is stopped.
pub(crate) const GOING: u32 = 0;
const STOPPED: u32 = 1;

impl Stopper {
    /// One that stops nothing yet.
    ///
    /// # Errors
    /// Those of eventfd(2): this process or this machine has no more descriptors.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::Stopper;
    ///
    /// let stopper = Stopper::new()?;
    /// here.set_stopper(&stopper);
    /// there.set_stopper(&stopper); // one for as many as you like
    /// assert!(!stopper.is_stopped());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> io::Result<Stopper> {
        let owner = Owner::me()?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).and_then(above_stdio)?;
        Ok(Stopper(Arc::new(StopWord { word: AtomicU32::new(GOING), event, owner })))
    }

    /// Ends every wait of what it was given to, now and later. Once more does nothing.
    ///
    /// It makes two system calls and takes no lock, so that a handler of signals may call it. In a forked child it ends the
    /// child's own waits only.
    ///
    /// # Examples
    /// ```
    /// # use crossing::{Config, Connection, Kind};
    /// # let (mut here, mut there) = Connection::pair(Kind::Shm, &Config::default())?;
    /// use crossing::{RecvError, Stopper};
    ///
    /// let stopper = Stopper::new()?;
    /// there.set_stopper(&stopper);
    /// here.send(b"the last one")?;
    /// stopper.stop();
    /// assert_eq!(there.recv(&mut [0; 64])?, 12); // no wait was needed
    /// assert_eq!(there.recv(&mut [0; 64]), Err(RecvError::Stopped));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop(&self) {
        let stop = &*self.0;
        stop.word.store(STOPPED, Ordering::SeqCst);
        // Fails on no address that exists.
        let _ = futex::wake(&stop.word, futex::Flags::PRIVATE, i32::MAX as u32);
        if stop.owner.is_me() {
            // EAGAIN after 2⁶⁴ stops: it is readable then.
            let _ = rustix::io::write(&stop.event, &1_u64.to_ne_bytes());
        }
    }

    /// Whether it was stopped.
    ///
    /// # Examples
    /// ```
    /// use crossing::Stopper;
    ///
    /// let stopper = Stopper::new()?;
    /// let working = std::thread::spawn({
    ///     let stopper = stopper.clone();
    ///     move || while !stopper.is_stopped() { std::thread::yield_now() }
    /// });
    /// stopper.stop();
    /// working.join().expect("no panic");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_stopped(&self) -> bool {
        self.0.word.load(Ordering::SeqCst) != GOING
    }

    /// The word that leaves [`GOING`] when it is stopped.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.0.word
    }
}

impl AsFd for Stopper {
    /// Readable once it was stopped, to be waited for by a loop of yours. Read nothing from it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").field("is_stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}
