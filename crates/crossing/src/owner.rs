//! The owner: the process that made a thing.
//!
//! A child that was forked holds copies of everything its parent has, and some of them reach the
//! parent: shutdown(2) and the table of an epoll act on what both share. Memory that only one
//! process may write is not inherited. So each object that must not act in a child keeps its owner,
//! and checks it before it acts.
//!
//! **How a fork is noticed.** One page of private memory is wiped in every child (`MADV_WIPEONFORK`), however it was forked. It
//! holds the *epoch* of the process: a number that its ancestors have not used, drawn at the first need. A thing keeps the
//! epoch of its maker. Asking costs a load and a comparison, and no system call.
//!
//! # References
//! madvise(2), `dup_mmap` in kernel/fork.c.

#![allow(unsafe_code)]

use std::cell::OnceCell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

/// The page's content until its process has drawn an epoch: zeros, as after a fork.
const NOT_DRAWN: u32 = 0;
/// The attempt that failed when [`Owner::me`] fails.
pub(crate) const NOTICING: &str = "map the page by which a fork is noticed";

/// The epoch of no process.
const NOBODY: u32 = u32::MAX;

/// The process that made a thing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    /// The word in the page that a fork wipes.
    word: &'static AtomicU32,
    epoch: u32,
}

impl Owner {
    /// This process. The first call takes one page, and fails if the kernel lacks it.
    pub(crate) fn me() -> Result<Owner, Errno> {
        // A fork copies it: what a child draws, none of its ancestors has drawn.
        static LAST_DRAWN: AtomicU32 = AtomicU32::new(NOT_DRAWN);
        let word = word()?;
        let mut epoch = word.load(Ordering::Relaxed);
        if epoch == NOT_DRAWN {
            let drawn = LAST_DRAWN.fetch_add(1, Ordering::Relaxed) + 1;
            // Another thread may have drawn meanwhile. Nothing else is published by it.
            let set = word.compare_exchange(NOT_DRAWN, drawn, Ordering::Relaxed, Ordering::Relaxed);
            epoch = set.map_or_else(|there| there, |_| drawn);
        }
        Ok(Owner { word, epoch })
    }

    /// Whether this process is it.
    #[inline(always)]
    pub(crate) fn is_me(self) -> bool {
        self.word.load(Ordering::Relaxed) == self.epoch
    }

    /// No process at all, which is as quickly asked for.
    pub(crate) fn nobody(self) -> Owner {
        Owner { epoch: NOBODY, ..self }
    }
}

/// The word in the page that a fork wipes. The page is made once and stays.
fn word() -> Result<&'static AtomicU32, Errno> {
    static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
    let mut page = PAGE.load(Ordering::Acquire);
    if page.is_null() {
        let made = map()?;
        // Publishes the page with its advice; pairs with the load above.
        let set = PAGE.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire);
        page = set.map_or_else(|there| there, |_| made);
        if page != made {
            // SAFETY: just mapped, and no one else has its address. A failure would leak a page, nothing else.
            let _ = unsafe { munmap(made.cast(), PAGE_BYTES) };
        }
    }
    // SAFETY: a page that `map` made is never unmapped once it stands in PAGE; a word of zeros is a valid atomic.
    Ok(unsafe { &*page })
}

/// The kernel rounds it up to a whole page, whatever the size of a page is.
const PAGE_BYTES: usize = size_of::<AtomicU32>();

fn map() -> Result<*mut AtomicU32, Errno> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new range at a place of the kernel's choice; nothing that exists is touched.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), PAGE_BYTES, protection, MapFlags::PRIVATE) }?;
    // SAFETY: the range is ours; the advice changes what a fork inherits, not what is there.
    match unsafe { madvise(page, PAGE_BYTES, Advice::LinuxWipeOnFork) } {
        Ok(()) => Ok(page.cast()),
        Err(errno) => {
            // SAFETY: just mapped, and nothing else has its address. A failure would leak a page, nothing else.
            let _ = unsafe { munmap(page, PAGE_BYTES) };
            Err(errno)
        }
    }
}

/// A value that each process makes for itself at first use. A child never uses its parent's, whose
/// lock may have been held by a thread that the child lacks. The parent's value stays in the
/// child's memory, untouched, because other copies may still refer to it.
pub(crate) struct PerProcess<T: 'static>(AtomicPtr<OwnedValue<T>>);

struct OwnedValue<T> {
    owner: Owner,
    value: T,
}

impl<T: Default + Send + Sync> PerProcess<T> {
    /// Not made yet.
    pub(crate) const fn new() -> Self {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }

    /// This process's own.
    pub(crate) fn get(&self) -> Result<&'static T, Errno> {
        let owner = Owner::me()?;
        let mut there = self.0.load(Ordering::Acquire);
        loop {
            // SAFETY: what stands here was made by `Box::into_raw` below, and is never freed.
            if let Some(made) = unsafe { there.as_ref() }.filter(|made| made.owner.is_me()) {
                return Ok(&made.value);
            }
            let mine = Box::into_raw(Box::new(OwnedValue { owner, value: T::default() }));
            // Publishes the value; pairs with the load above.
            match self.0.compare_exchange(there, mine, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => there = mine,
                Err(others) => {
                    // SAFETY: made above, and no one else has its address.
                    drop(unsafe { Box::from_raw(mine) });
                    there = others;
                }
            }
        }
    }
}

/// Memory lent to a forked child in place of memory it does not inherit: as many bytes of its own,
/// zeroed, which go nowhere.
#[derive(Debug, Default)]
pub(crate) struct Substitute(OnceCell<Box<[u8]>>);

impl Substitute {
    /// Its bytes.
    pub(crate) fn bytes(&self, len: usize) -> &[u8] {
        self.0.get_or_init(|| vec![0; len].into())
    }

    /// The same, to write to.
    pub(crate) fn bytes_mut(&mut self, len: usize) -> &mut [u8] {
        self.bytes(len);
        self.0.get_mut().map_or(&mut [], |bytes| bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_itself_and_nobody_is_not() {
        let (first, second) = (Owner::me().unwrap(), Owner::me().unwrap());
        assert!(first.is_me() && second.is_me() && !first.nobody().is_me());
        assert_eq!(first.epoch, second.epoch);
    }

    #[test]
    fn a_process_has_one_value_of_its_own_and_leaves_anothers_alone() {
        static VALUE: PerProcess<AtomicU32> = PerProcess::new();
        VALUE.get().unwrap().store(7, Ordering::Relaxed);
        assert_eq!(VALUE.get().unwrap().load(Ordering::Relaxed), 7);
        // As a child finds it: made by another process.
        let owner = Owner::me().unwrap().nobody();
        let parents = Box::into_raw(Box::new(OwnedValue { owner, value: AtomicU32::new(8) }));
        VALUE.0.store(parents, Ordering::Relaxed);
        assert_eq!(VALUE.get().unwrap().load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_page_that_was_wiped_makes_what_was_there_another_ones() {
        // What the kernel does to a child's copy of the page, on a page of the test's own.
        let word: &'static AtomicU32 = Box::leak(Box::new(AtomicU32::new(7)));
        let parent = Owner { word, epoch: 7 };
        assert!(parent.is_me());
        word.store(NOT_DRAWN, Ordering::Relaxed);
        assert!(!parent.is_me() && !parent.nobody().is_me());
    }
}
