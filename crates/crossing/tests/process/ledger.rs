//! What a process has done, in memory that outlives it.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use rustix::fs::MemfdFlags;

/// Numbers that outlive the process that writes them: one word of an anonymous file.
pub(crate) struct Ledger(File);

impl Ledger {
    pub(crate) fn new() -> Ledger {
        let file = rustix::fs::memfd_create(c"ledger", MemfdFlags::CLOEXEC).expect("memory for a ledger");
        let ledger = Ledger(file.into());
        ledger.record(0);
        ledger
    }

    /// The ledger that came as standard input.
    pub(crate) fn inherited() -> Ledger {
        Ledger(std::io::stdin().as_fd().try_clone_to_owned().expect("standard input is open").into())
    }

    /// The same one, to be kept elsewhere.
    pub(crate) fn another(&self) -> Ledger {
        Ledger(self.0.try_clone().expect("a descriptor"))
    }

    pub(crate) fn for_child(&self) -> Stdio {
        self.another().0.into()
    }

    pub(crate) fn record(&self, number: u64) {
        self.0.write_all_at(&number.to_le_bytes(), 0).expect("the ledger is memory");
    }

    pub(crate) fn read(&self) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 0).expect("a number was recorded");
        u64::from_le_bytes(bytes)
    }
}
