//! Entries: what a poll holds, found by keys that are never used twice.

use std::os::fd::OwnedFd;

/// Finds what a [`Poll`](super::Poll) holds. A key is never used twice.
///
/// # Examples
/// ```
/// use std::collections::HashMap;
/// use crossing::{Config, Connection, Kind, Poll, PollKey};
///
/// let mut poll = Poll::new()?;
/// let mut names: HashMap<PollKey, &str> = HashMap::new();
/// let (mut here, there) = Connection::pair(Kind::Unix, &Config::default())?;
/// names.insert(poll.insert(there)?, "anna");
/// here.send(b"hello")?;
/// let (key, _) = poll.next()?;
/// assert_eq!(names[&key], "anna");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PollKey {
    /// Where it stands.
    slot: u32,
    /// How many stood there before.
    generation: u32,
}

impl PollKey {
    /// The number that finds nothing.
    pub(super) const OF_NOTHING: u64 = u64::MAX;

    /// Both parts in one number, for the kernel to keep.
    pub(super) fn number(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The key of a number.
    pub(super) fn of(number: u64) -> PollKey {
        PollKey { slot: number as u32, generation: (number >> 32) as u32 }
    }
}

/// Where an entry is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Among those that are ready.
    InLine,
    /// Armed, watched, or lent.
    Elsewhere,
}

/// Something that a poll holds.
#[derive(Debug)]
pub(super) struct Entry<H> {
    pub(super) half: H,
    /// What stands in the epoll for its descriptor, which stood there already.
    pub(super) copy: Option<OwnedFd>,
    pub(super) place: Place,
}

#[derive(Debug)]
struct PollSlot<H> {
    generation: u32,
    entry: Option<Entry<H>>,
}

/// What a poll holds.
#[derive(Debug)]
pub(super) struct Entries<H> {
    slots: Vec<PollSlot<H>>,
    /// The slots that hold nothing.
    free: Vec<u32>,
    len: usize,
}

impl<H> Entries<H> {
    pub(super) fn new() -> Entries<H> {
        Entries { slots: Vec::new(), free: Vec::new(), len: 0 }
    }

    /// The key for the next insertion.
    pub(super) fn next_key(&self) -> PollKey {
        match self.free.last() {
            Some(&slot) => PollKey { slot, generation: self.slots[slot as usize].generation },
            // Each of them has a descriptor, of which a process has fewer than 2³¹.
            None => PollKey { slot: self.slots.len() as u32, generation: 0 },
        }
    }

    /// Puts an entry where `key` finds it, which is the next one.
    pub(super) fn insert(&mut self, key: PollKey, entry: Entry<H>) {
        self.len += 1;
        if self.free.pop().is_some() {
            self.slots[key.slot as usize].entry = Some(entry);
        } else {
            self.slots.push(PollSlot { generation: key.generation, entry: Some(entry) });
        }
    }

    pub(super) fn remove(&mut self, key: PollKey) -> Option<Entry<H>> {
        let slot = self.slots.get_mut(key.slot as usize).filter(|slot| slot.generation == key.generation)?;
        let entry = slot.entry.take()?;
        self.len -= 1;
        // The last generation of a slot is never followed by its first: the slot stays empty.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(key.slot);
        }
        Some(entry)
    }

    pub(super) fn get_mut(&mut self, key: PollKey) -> Option<&mut Entry<H>> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.entry.as_mut().filter(|_| slot.generation == key.generation)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (PollKey, &mut Entry<H>)> {
        self.slots.iter_mut().enumerate().filter_map(|(slot, there)| {
            let key = PollKey { slot: slot as u32, generation: there.generation };
            there.entry.as_mut().map(|entry| (key, entry))
        })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(entries: &mut Entries<&'static str>, half: &'static str) -> PollKey {
        let key = entries.next_key();
        entries.insert(key, Entry { half, copy: None, place: Place::Elsewhere });
        key
    }

    #[test]
    fn a_key_finds_its_own_and_never_another() {
        let mut entries = Entries::new();
        let [a, b] = ["a", "b"].map(|half| insert(&mut entries, half));
        assert_eq!(entries.remove(a).map(|it| it.half), Some("a"));
        assert!(entries.remove(a).is_none() && entries.len() == 1);
        let c = insert(&mut entries, "c");
        assert_eq!(c.slot, a.slot);
        assert!(entries.get_mut(a).is_none());
        assert_eq!(entries.get_mut(c).map(|it| it.half), Some("c"));
        let all: Vec<_> = entries.iter_mut().map(|(key, entry)| (key, entry.half)).collect();
        assert_eq!(all, [(c, "c"), (b, "b")]);
        for key in [a, b, c] {
            assert_eq!(PollKey::of(key.number()), key);
        }
    }

    #[test]
    fn a_slot_whose_keys_are_used_up_stays_empty() {
        let mut entries = Entries::new();
        let first = insert(&mut entries, "first");
        entries.slots[0].generation = u32::MAX;
        assert!(entries.remove(PollKey { generation: u32::MAX, ..first }).is_some());
        assert_eq!((insert(&mut entries, "second").slot, entries.len()), (1, 1));
    }
}
