//! shmem-ipc: its ring in a memfd that both processes map, with an eventfd for each way of being woken.
//!
//! A message is made in the ring and copied out of it before it is looked at. Spinning uses the ring alone; blocking
//! its eventfds.

use std::fs::File;

use guest::{About, Job, Link, News, Result, Rival, Side, Waiting, by_size, spin};
use shmem_ipc::Error;
use shmem_ipc::sharedring::{Receiver, Sender};

const ABOUT: About = About {
    name: "shmem-ipc",
    version: "shmem-ipc 0.3.0, guest 1",
    kinds: &["shm"],
    workloads: About::WORKLOADS,
    waits: &["spin", "block"],
    threads: false,
    note: None,
};

/// 64 bytes in 4096 slots; fewer slots of larger ones.
const RING_BYTES: usize = 256 << 10;

/// What the other side needs to open an end: the memory and the two eventfds.
type Descriptors = [File; 3];

struct Ring<const SIZE: usize> {
    out: Sender<[u8; SIZE]>,
    inward: Receiver<[u8; SIZE]>,
    message: Box<[u8; SIZE]>,
    spins: Option<Waiting>,
}

const fn slots(size: usize) -> usize {
    let slots = RING_BYTES / size;
    if slots < 8 { 8 } else { slots }
}

impl<const SIZE: usize> Rival for Ring<SIZE> {
    /// There and back.
    type Half = [Descriptors; 2];
    type Link = Ring<SIZE>;

    fn halves(_: &Job) -> Result<[Self::Half; 2]> {
        let ring = || -> Result<[Descriptors; 2]> {
            let sender = Sender::<[u8; SIZE]>::new(slots(SIZE)).map_err(told)?;
            let files = [sender.memfd().as_file(), sender.empty_signal(), sender.full_signal()];
            let copy = || -> std::io::Result<Descriptors> {
                let [memory, empty, full] = files.map(File::try_clone);
                Ok([memory?, empty?, full?])
            };
            Ok([copy()?, copy()?])
        };
        let ([there, there_again], [back, back_again]) = (ring()?, ring()?);
        Ok([[there, back], [there_again, back_again]])
    }

    fn open([there, back]: Self::Half, job: &Job, side: Side, _: &mut News) -> Result<Self::Link> {
        let (out, inward) = if side == Side::First { (there, back) } else { (back, there) };
        let [memory, empty, full] = out;
        let out = Sender::open(slots(SIZE), memory, empty, full).map_err(told)?;
        let [memory, empty, full] = inward;
        let inward = Receiver::open(slots(SIZE), memory, empty, full).map_err(told)?;
        let spins = job.spins().then(|| job.waiting());
        Ok(Ring { out, inward, message: Box::new([0; SIZE]), spins })
    }
}

impl<const SIZE: usize> Link for Ring<SIZE> {
    #[inline]
    fn send(&mut self, make: impl FnOnce(&mut [u8])) -> Result<()> {
        let mut make = Some(make);
        let mut fill = |slot: *mut [u8; SIZE], _free: usize| {
            // SAFETY: the library calls this with a slot that is ours to write until it returns.
            make.take().map_or(0, |make| {
                make(unsafe { &mut *slot });
                1
            })
        };
        match self.spins {
            Some(waiting) => spin(waiting, || {
                let sender = self.out.sender_mut();
                let mut sent = false;
                sender.send(|slot, free| {
                    sent = true;
                    fill(slot, free)
                })?;
                Ok(sent.then_some(()))
            }),
            None => {
                self.out.block_until_writable().map_err(told)?;
                self.out.send_raw(fill).map_err(told)?;
                Ok(())
            }
        }
    }

    #[inline]
    fn receive(&mut self, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let message = &mut *self.message;
        let mut copy = |slot: *const [u8; SIZE], _there: usize| {
            // SAFETY: the library calls this with a slot that the sender has finished and not got back yet.
            *message = unsafe { slot.read() };
            1
        };
        match self.spins {
            Some(waiting) => spin(waiting, || {
                let mut came = false;
                self.inward.receiver_mut().recv(|slot, there| {
                    came = true;
                    copy(slot, there)
                })?;
                Ok(came.then_some(()))
            })?,
            None => {
                self.inward.block_until_readable().map_err(told)?;
                self.inward.receive_raw(copy).map_err(told)?;
            }
        }
        take(&*self.message)
    }
}

fn told(error: Error) -> guest::Failure {
    guest::Failure::Failed(error.to_string())
}

fn main() -> std::process::ExitCode {
    guest::main(&ABOUT, |job| by_size!(job, processes, Ring))
}
