//! Reports that the disk did not take: a few, in memory, for as long as the program runs.
//!
//! An hour of measuring is not lost to a full disk. What is held is listed, opened and exported like what is kept, and is put on disk as
//! soon as the disk takes it, under the id that it has already.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most reports that are held.
const MOST: usize = 8;

/// The most bytes of all of them together: 64 MiB.
const MOST_BYTES: usize = 64 << 20;

/// One report that is not on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnkeptFile {
    pub(crate) id: String,
    /// As its file would be.
    pub(crate) text: Vec<u8>,
    /// Why it is not on disk.
    pub(crate) why: String,
}

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Unkept(Mutex<Vec<UnkeptFile>>);

impl Unkept {
    /// Holds one more. Where that is too much, the oldest are let go; the newest is always held.
    pub(crate) fn hold(&self, held: UnkeptFile) {
        let mut all = self.all();
        all.push(held);
        let bytes = |all: &[UnkeptFile]| all.iter().map(|held| held.text.len()).sum::<usize>();
        while all.len() > 1 && (all.len() > MOST || bytes(&all) > MOST_BYTES) {
            all.remove(0);
        }
    }

    /// What is held under this id.
    pub(crate) fn get(&self, id: &str) -> Option<UnkeptFile> {
        self.all().iter().find(|held| held.id == id).cloned()
    }

    /// Lets go of what is held under this id, and says whether there was any.
    pub(crate) fn let_go(&self, id: &str) -> bool {
        let mut all = self.all();
        let before = all.len();
        all.retain(|held| held.id != id);
        all.len() < before
    }

    /// Lets go of what `put` has put elsewhere, and returns how many are left.
    pub(crate) fn put(&self, put: impl Fn(&UnkeptFile) -> bool) -> usize {
        let mut all = self.all();
        all.retain(|held| !put(held));
        all.len()
    }

    /// What `of` makes of each.
    pub(crate) fn each<T>(&self, of: impl Fn(&UnkeptFile) -> T) -> Vec<T> {
        self.all().iter().map(of).collect()
    }

    fn all(&self) -> MutexGuard<'_, Vec<UnkeptFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(id: usize, bytes: usize) -> UnkeptFile {
        UnkeptFile { id: id.to_string(), text: vec![b' '; bytes], why: "the disk is full".into() }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_much() {
        let unkept = Unkept::default();
        (0..20).for_each(|id| unkept.hold(held(id, 1)));
        assert_eq!(unkept.each(|held| held.id.clone()), ["12", "13", "14", "15", "16", "17", "18", "19"]);
        unkept.hold(held(20, MOST_BYTES - 1));
        assert_eq!(unkept.each(|held| held.id.clone()), ["19", "20"]);
        unkept.hold(held(21, MOST_BYTES + 1));
        assert_eq!(unkept.each(|held| held.id.clone()), ["21"]);
        assert!(unkept.let_go("21") && !unkept.let_go("21"));
    }
}
