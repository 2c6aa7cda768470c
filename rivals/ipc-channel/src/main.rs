//! ipc-channel: its channel of bytes, one each way, which on Linux is a Unix socket of packets.

use guest::{About, Failure, Job, Link, News, Result, Rival, Side, Waiting, spin};
use ipc_channel::TryRecvError;
use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, bytes_channel};

const ABOUT: About = About {
    name: "ipc-channel",
    version: "ipc-channel 0.23.1, guest 1",
    kinds: &["unix"],
    workloads: About::WORKLOADS,
    waits: &["block", "spin"],
    threads: false,
    note: Some("packets, each received into fresh memory; a sender without room sleeps, spinning or not"),
};

struct Channels {
    out: IpcBytesSender,
    inward: IpcBytesReceiver,
    message: Box<[u8]>,
    spins: Option<Waiting>,
}

impl Rival for Channels {
    type Half = Channels;
    type Link = Channels;

    fn halves(job: &Job) -> Result<[Self::Half; 2]> {
        let (there_out, there_in) = bytes_channel()?;
        let (back_out, back_in) = bytes_channel()?;
        let channels = |out, inward| Channels {
            out,
            inward,
            message: vec![0; job.size_bytes].into(),
            spins: job.spins().then(|| job.waiting()),
        };
        Ok([channels(there_out, back_in), channels(back_out, there_in)])
    }

    fn open(half: Self::Half, _: &Job, _: Side, _: &mut News) -> Result<Self::Link> {
        Ok(half)
    }
}

impl Link for Channels {
    fn send(&mut self, make: impl FnOnce(&mut [u8])) -> Result<()> {
        make(&mut self.message);
        Ok(self.out.send(&self.message)?)
    }

    fn receive(&mut self, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let message = match self.spins {
            None => self.inward.recv().map_err(Failure::new)?,
            Some(waiting) => spin(waiting, || match self.inward.try_recv() {
                Ok(message) => Ok(Some(message)),
                Err(TryRecvError::Empty) => Ok(None),
                Err(error) => Err(Failure::new(error)),
            })?,
        };
        take(&message)
    }
}

fn main() -> std::process::ExitCode {
    guest::main(&ABOUT, guest::processes::<Channels>)
}
