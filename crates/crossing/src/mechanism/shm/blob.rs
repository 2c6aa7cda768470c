//! Blobs: memory sealed against writing, passed from process to process without a copy.
//!
//! A message is copied into the ring and out of it. Many bytes, or bytes for many receivers, can
//! stay in place: you fill a [`BlobMut`], then [seal](BlobMut::seal) it, and from then on no
//! process, its maker included, can write to it (`F_SEAL_WRITE`). So a [`Blob`] can be read as a
//! plain slice even if its maker is not trusted. Only a descriptor travels.
//!
//! # References
//! memfd_create(2), fcntl(2) "File sealing", unix(7) SCM_RIGHTS.

#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::SealFlags;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use super::memfd::{self, MemoryFault};
use super::room::{MemoryLimit, Shortage};
use crate::error::{Error, is_same};
use crate::owner::{Owner, Substitute};

/// The seals of a blob: its size stays, and its bytes stay.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE);

/// Memory that is being filled to become a [`Blob`]. It begins as zeros.
///
/// It is not inherited. In a child that was forked while it was filled, its copy is memory of the child's own, which begins as
/// zeros and cannot be sealed.
///
/// # Examples
/// ```
/// use crossing::{BlobMut, Config, Connection, Kind, Shm};
///
/// let (here, there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
/// let mut picture = BlobMut::new(3 << 20)?;
/// picture[0] = 7;
/// here.split().0.send_blob(&picture.seal()?)?;
///
/// let picture = there.split().1.recv_blob()?;
/// assert_eq!((picture.len(), picture[0]), (3 << 20, 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BlobMut {
    pages: Pages,
    memfd: OwnedFd,
    owner: Owner,
    /// The memory that a forked child writes to.
    substitute: Substitute,
}

impl BlobMut {
    /// The longest blob that [`new`](BlobMut::new) makes, in bytes: 1 GiB.
    ///
    /// # Examples
    /// ```
    /// use crossing::BlobMut;
    ///
    /// let error = BlobMut::new(BlobMut::LIMIT_BYTES + 1).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// ```
    pub const LIMIT_BYTES: usize = 1 << 30;

    /// Makes `len` bytes of memory, at most [`LIMIT_BYTES`](BlobMut::LIMIT_BYTES), and brings them in.
    ///
    /// # Errors
    /// A [`Shortage`] when `len` is above that limit, or above what is left to this process by its limit on the size of files
    /// (RLIMIT_FSIZE), its control groups and the machine: it comes at once, before anything is made. Else what
    /// memfd_create(2), fallocate(2) and mmap(2) say.
    ///
    /// # Examples
    /// ```
    /// use crossing::BlobMut;
    ///
    /// let mut picture = BlobMut::new(640 * 480)?;
    /// assert!(picture.iter().all(|byte| *byte == 0));
    /// picture[..640].fill(255);
    /// assert_eq!(picture.len(), 640 * 480);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(len: usize) -> io::Result<BlobMut> {
        BlobMut::with_limit(len, BlobMut::LIMIT_BYTES)
    }

    /// The same, with a limit in bytes of the program's own: for a length that came from somewhere else.
    ///
    /// # Errors
    /// As [`new`](BlobMut::new).
    ///
    /// # Examples
    /// ```
    /// use crossing::BlobMut;
    ///
    /// let asked_for = 5_000_000;
    /// let error = BlobMut::with_limit(asked_for, 1 << 20).unwrap_err();
    /// assert!(error.to_string().contains("the limit of 1048576"));
    /// ```
    pub fn with_limit(len: usize, limit_bytes: usize) -> io::Result<BlobMut> {
        if len > limit_bytes {
            let (wanted_bytes, left_bytes) = (len as u64, limit_bytes as u64);
            return Err(Shortage { wanted_bytes, left_bytes, limit: MemoryLimit::Configured }.into());
        }
        let memfd = memfd::create(len as u64, || {})?;
        let mut pages = Pages::map(&memfd, len, ProtFlags::empty(), MapFlags::SHARED)?;
        let owner = Owner::me()?;
        pages.open_for_me_alone(owner)?;
        Ok(BlobMut { pages, memfd, owner, substitute: Substitute::default() })
    }

    /// Nothing writes to it from now on.
    ///
    /// # Errors
    /// Those of fcntl(2) and mmap(2). `ResourceBusy` (EBUSY) while other users hold its pages: a
    /// child forked while it was made, or a device that reads from it. It can be [tried
    /// again](SealError::retry). `PermissionDenied` in a forked child.
    ///
    /// # Examples
    /// ```
    /// use crossing::BlobMut;
    ///
    /// let mut table = BlobMut::new(4096)?;
    /// table[0] = 7;
    /// let table = table.seal()?;      // from here on nothing writes to it, this process included
    /// assert_eq!(table[0], 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn seal(self) -> Result<Blob, SealError> {
        let BlobMut { pages, memfd, owner, .. } = self;
        // A file that is mapped for writing cannot be sealed.
        drop(pages);
        seal(memfd, owner)
    }
}

fn seal(memfd: OwnedFd, owner: Owner) -> Result<Blob, SealError> {
    if !owner.is_me() {
        let why = "this blob belongs to the process that forked this one: make one after the fork";
        let error = io::Error::new(io::ErrorKind::PermissionDenied, why);
        return Err(SealError { error, memfd, owner });
    }
    let wanted = SEALS | SealFlags::SEAL;
    let sealed = rustix::fs::fcntl_get_seals(&memfd).and_then(|seals| {
        if seals.contains(wanted) { Ok(()) } else { rustix::fs::fcntl_add_seals(&memfd, wanted) }
    });
    match sealed.map_err(io::Error::from).and_then(|()| Blob::pages(&memfd)) {
        Ok(pages) => Ok(Blob { pages, memfd }),
        Err(error) => Err(SealError { error, memfd, owner }),
    }
}

/// Why a [`BlobMut`] could not be sealed. Its content is kept, until the error becomes another one.
///
/// Two are equal when the kernel's errors are.
///
/// # Examples
/// ```
/// use std::io;
/// use crossing::{Blob, BlobMut};
///
/// fn sealed(picture: BlobMut) -> Result<Blob, crossing::Error> {
///     let mut outcome = picture.seal();
///     // A child that was forked just now may hold the pages, until it runs its program.
///     for _ in 0..1000 {
///         match outcome {
///             Err(error) if error.kind() == io::ErrorKind::ResourceBusy => outcome = error.retry(),
///             _ => break,
///         }
///     }
///     Ok(outcome?)
/// }
/// assert_eq!(sealed(BlobMut::new(4096)?)?.len(), 4096);
/// # Ok::<(), crossing::Error>(())
/// ```
#[derive(Debug)]
pub struct SealError {
    error: io::Error,
    memfd: OwnedFd,
    owner: Owner,
}

impl SealError {
    /// Tries once more.
    ///
    /// # Errors
    /// As [`BlobMut::seal`].
    ///
    /// # Examples
    /// ```
    /// use crossing::BlobMut;
    ///
    /// let mut table = BlobMut::new(4096)?;
    /// table[0] = 7;
    /// // Once more, since a child that is just being started may hold the pages.
    /// let table = table.seal().or_else(|error| error.retry())?;
    /// assert_eq!(table[0], 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn retry(self) -> Result<Blob, SealError> {
        seal(self.memfd, self.owner)
    }

    /// The kernel's error.
    ///
    /// # Examples
    /// ```
    /// use std::io::ErrorKind;
    /// use crossing::BlobMut;
    ///
    /// match BlobMut::new(4096)?.seal() {
    ///     Ok(blob) => assert_eq!(blob.len(), 4096),
    ///     Err(error) if error.kind() == ErrorKind::ResourceBusy => println!("later: {error}"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the blob was not sealed: {}", self.error)
    }
}

impl std::error::Error for SealError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl PartialEq for SealError {
    fn eq(&self, other: &Self) -> bool {
        is_same(&self.error, &other.error)
    }
}

impl Eq for SealError {}

impl From<SealError> for io::Error {
    fn from(error: SealError) -> io::Error {
        error.error
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Error {
        Error::Io(error.error)
    }
}

impl Deref for BlobMut {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        if !self.owner.is_me() {
            return self.substitute.bytes(self.pages.len);
        }
        // SAFETY: the pages are mapped, and no other process has the descriptor.
        unsafe { self.pages.bytes() }
    }
}

impl DerefMut for BlobMut {
    fn deref_mut(&mut self) -> &mut [u8] {
        if !self.owner.is_me() {
            return self.substitute.bytes_mut(self.pages.len);
        }
        // SAFETY: the pages are mapped for writing as long as this value exists, no other process has the descriptor, and `&mut self`
        // is the only way to them here.
        unsafe { std::slice::from_raw_parts_mut(self.pages.base.as_ptr(), self.pages.len) }
    }
}

/// Memory sealed against writing: see [`Sender::send_blob`](crate::Sender::send_blob). It can be
/// sent to many receivers.
///
/// # Examples
/// ```
/// use crossing::{BlobMut, Config, Connection, Kind, Shm};
///
/// let mut map = BlobMut::new(1 << 20)?;
/// map[7] = 42;
/// let map = map.seal()?;
/// // One blob, two processes that read it: its bytes are in memory once.
/// for _ in 0..2 {
///     let (mut here, mut there) = Connection::<Shm>::pair_as(Kind::Shm, &Config::default())?;
///     here.send_blob(&map)?;
///     assert_eq!(there.recv_blob()?[7], 42);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Blob {
    pages: Pages,
    memfd: OwnedFd,
}

impl Blob {
    /// A blob from a descriptor received in another way, say over your own Unix socket, if it is
    /// sealed as a blob is.
    ///
    /// # Errors
    /// `InvalidData` when its writer could still change it, take it away, or let its reader pay for it; what mmap(2) says.
    ///
    /// # Examples
    /// ```
    /// use std::os::fd::AsFd;
    /// use crossing::{Blob, BlobMut};
    ///
    /// let mut made = BlobMut::new(4096)?;
    /// made[0] = 7;
    /// let made = made.seal()?;
    /// // As it comes over a socket of your own (SCM_RIGHTS).
    /// let memfd = made.as_fd().try_clone_to_owned()?;
    /// assert_eq!(Blob::open(memfd)?[0], 7);
    ///
    /// // A file that can still be written to is none.
    /// let file = std::fs::File::open("/proc/self/exe")?;
    /// assert!(Blob::open(file.into()).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open(memfd: OwnedFd) -> io::Result<Blob> {
        Ok(Blob { pages: Blob::pages(&memfd)?, memfd })
    }

    fn pages(memfd: &OwnedFd) -> io::Result<Pages> {
        let bytes = memfd::check(memfd, SEALS).map_err(|fault| match fault {
            MemoryFault::Theirs(field, why) => {
                io::Error::new(io::ErrorKind::InvalidData, format!("{field}: {why}"))
            }
            MemoryFault::Here(_, errno) => errno.into(),
        })?;
        let len = usize::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // A private mapping for reading shows the file's own pages. A shared one of a file that is sealed against writing
        // exists since Linux 6.7.
        Pages::map(memfd, len, ProtFlags::READ, MapFlags::PRIVATE)
    }
}

impl Deref for Blob {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the pages are mapped, and seals keep them: they cannot be removed or written to.
        unsafe { self.pages.bytes() }
    }
}

impl AsFd for Blob {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memfd.as_fd()
    }
}

/// Pages of a file in this process.
struct Pages {
    base: NonNull<u8>,
    len: usize,
    /// The process that alone has them, if they are not for all.
    owner: Option<Owner>,
}

// SAFETY: pages are an address range; they belong to the process, not to a thread.
unsafe impl Send for Pages {}
// SAFETY: through a shared reference they are only read.
unsafe impl Sync for Pages {}

impl Pages {
    fn map(memfd: &OwnedFd, len: usize, protection: ProtFlags, flags: MapFlags) -> io::Result<Pages> {
        if len == 0 {
            return Ok(Pages { base: NonNull::dangling(), len, owner: None });
        }
        // SAFETY: a new range at a place of the kernel's choice; nothing that exists is touched.
        let base = unsafe { rustix::mm::mmap(ptr::null_mut(), len, protection, flags, memfd, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Pages { base, len, owner: None })
    }

    /// Opens them for writing, and brings all of them in. A child that inherited the right to write would keep the file from
    /// being sealed: it is kept from children before it is given.
    fn open_for_me_alone(&mut self, me: Owner) -> io::Result<()> {
        self.owner = Some(me);
        let (base, len) = (self.base.as_ptr().cast(), self.len);
        if len > 0 {
            // SAFETY: the range is ours, and no reference into it exists yet. The advice changes
            // what a fork inherits and when pages are brought in, not their contents.
            unsafe {
                rustix::mm::madvise(base, len, Advice::LinuxDontFork)?;
                rustix::mm::mprotect(base, len, MprotectFlags::READ | MprotectFlags::WRITE)?;
                rustix::mm::madvise(base, len, Advice::LinuxPopulateWrite)?;
            }
        }
        Ok(())
    }

    /// # Safety
    /// Nothing writes to them while the slice is there.
    unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: they are mapped as long as this value exists, and not written to while the slice
        // exists, as this function requires.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // In a forked child what was not for it is not there, and something else may be.
        if self.len > 0 && self.owner.is_none_or(Owner::is_me) {
            // SAFETY: mapped by `map`, and every slice of them borrowed this value. A failure would
            // leak address space, nothing else.
            let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        }
    }
}

impl fmt::Debug for BlobMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobMut").field("bytes", &self.pages.len).finish()
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("bytes", &self.pages.len).finish()
    }
}
