//! rtrb by its chunks: a stream between two threads of one process, 64 messages at a time.
//!
//! As `rtrb` it is a bound and no way between processes, and as any batch it lets a message wait for those behind it.

use guest::{About, Failure, Job, Link, News, Result, Rival, Side, Waiting, by_size, spin};
use rtrb::{Consumer, CopyToUninit, Producer, RingBuffer};

const ABOUT: About = About {
    name: "rtrb-chunks",
    version: "rtrb 0.4.1, guest 1",
    kinds: &["shm"],
    workloads: &["stream"],
    waits: &["spin"],
    threads: true,
    note: Some("64 messages a chunk: each waits for those behind it"),
};

/// Messages in a chunk.
const CHUNK: usize = 64;
/// 64 bytes in 4096 slots; fewer slots of larger ones.
const RING_BYTES: usize = 256 << 10;

/// A message on lines of its own: the ring puts them where their type may lie.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Message<const SIZE: usize>([u8; SIZE]);

struct Ring<const SIZE: usize> {
    out: Producer<Message<SIZE>>,
    inward: Consumer<Message<SIZE>>,
    waiting: Waiting,
    /// Made and not sent yet: the first `made`.
    outgoing: Box<[Message<SIZE>]>,
    made: usize,
    /// Received: those from `taken` to `came` have not been looked at.
    incoming: Box<[Message<SIZE>]>,
    taken: usize,
    came: usize,
}

impl<const SIZE: usize> Rival for Ring<SIZE> {
    type Half = Ring<SIZE>;
    type Link = Ring<SIZE>;

    fn halves(job: &Job) -> Result<[Self::Half; 2]> {
        let slots = (RING_BYTES / SIZE).max(2 * CHUNK);
        let (there_out, there_in) = RingBuffer::new(slots);
        let (back_out, back_in) = RingBuffer::new(slots);
        let room = || vec![Message([0; SIZE]); CHUNK].into_boxed_slice();
        let waiting = job.waiting();
        let ring = |out, inward| {
            let (outgoing, incoming) = (room(), room());
            Ring { out, inward, waiting, outgoing, made: 0, incoming, taken: 0, came: 0 }
        };
        Ok([ring(there_out, back_in), ring(back_out, there_in)])
    }

    fn open(half: Self::Half, _: &Job, _: Side, _: &mut News) -> Result<Self::Link> {
        Ok(half)
    }
}

impl<const SIZE: usize> Link for Ring<SIZE> {
    #[inline]
    fn send(&mut self, make: impl FnOnce(&mut [u8])) -> Result<()> {
        make(&mut self.outgoing[self.made].0);
        self.made += 1;
        if self.made == CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        while self.out.slots() < self.made {
            self.waiting.not_yet();
        }
        let mut chunk = self.out.write_chunk_uninit(self.made).map_err(Failure::new)?;
        let (first, second) = chunk.as_mut_slices();
        let (to_first, to_second) = self.outgoing[..self.made].split_at(first.len());
        to_first.copy_to_uninit(first);
        to_second.copy_to_uninit(second);
        // SAFETY: both slices were written from end to end.
        unsafe { chunk.commit_all() };
        self.made = 0;
        Ok(())
    }

    #[inline]
    fn receive(&mut self, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        if self.taken == self.came {
            self.refill()?;
        }
        self.taken += 1;
        take(&self.incoming[self.taken - 1].0)
    }
}

impl<const SIZE: usize> Ring<SIZE> {
    fn refill(&mut self) -> Result<()> {
        self.came = spin(self.waiting, || match self.inward.slots().min(CHUNK) {
            0 => Ok(None),
            some => Ok(Some(some)),
        })?;
        self.taken = 0;
        let chunk = self.inward.read_chunk(self.came).map_err(Failure::new)?;
        let (first, second) = chunk.as_slices();
        self.incoming[..first.len()].copy_from_slice(first);
        self.incoming[first.len()..self.came].copy_from_slice(second);
        chunk.commit_all();
        Ok(())
    }
}

fn main() -> std::process::ExitCode {
    guest::main(&ABOUT, |job| by_size!(job, threads, Ring))
}
