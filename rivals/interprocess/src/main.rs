//! interprocess: its local socket (on Linux a Unix stream socket) and its unnamed pipe, read and written as they are.

use std::io::{ErrorKind, Read, Write};

use guest::{About, Failure, Job, Link, News, Result, Rival, Side, Waiting, spin};
use interprocess::TryClone;
use interprocess::local_socket::prelude::*;
use interprocess::local_socket::{GenericNamespaced, Listener, ListenerOptions};
use interprocess::os::unix::unnamed_pipe::UnnamedPipeExt;
use interprocess::unnamed_pipe::{self, Recver, Sender};

const ABOUT: About = About {
    name: "interprocess",
    version: "interprocess 2.4.7, guest 1",
    kinds: &["unix", "pipe"],
    workloads: About::WORKLOADS,
    waits: &["block", "spin"],
    threads: false,
    note: None,
};

/// Bytes out and bytes in.
struct Bytes<W, R> {
    out: W,
    inward: R,
    message: Box<[u8]>,
    waiting: Waiting,
}

impl<W: Write, R: Read> Bytes<W, R> {
    fn new(out: W, inward: R, job: &Job) -> Self {
        Bytes { out, inward, message: vec![0; job.size_bytes].into(), waiting: job.waiting() }
    }
}

struct Socket;

impl Rival for Socket {
    type Half = Meeting;
    type Link = Bytes<LocalSocketStream, LocalSocketStream>;

    fn halves(_: &Job) -> Result<[Self::Half; 2]> {
        let name = format!("ipcscope-rival-{}", std::process::id());
        let listener = ListenerOptions::new().name(name.as_str().to_ns_name::<GenericNamespaced>()?);
        Ok([Meeting::Listener(listener.create_sync()?), Meeting::Name(name)])
    }

    fn open(half: Self::Half, job: &Job, _: Side, _: &mut News) -> Result<Self::Link> {
        let stream = match half {
            Meeting::Listener(listener) => listener.accept()?,
            Meeting::Name(name) => LocalSocketStream::connect(name.to_ns_name::<GenericNamespaced>()?)?,
        };
        stream.set_nonblocking(job.spins())?;
        Ok(Bytes::new(stream.try_clone()?, stream, job))
    }
}

/// How a side comes to its socket.
enum Meeting {
    Listener(Listener),
    Name(String),
}

struct Pipes;

impl Rival for Pipes {
    type Half = (Sender, Recver);
    type Link = Bytes<Sender, Recver>;

    fn halves(_: &Job) -> Result<[Self::Half; 2]> {
        let (there_out, there_in) = unnamed_pipe::pipe()?;
        let (back_out, back_in) = unnamed_pipe::pipe()?;
        Ok([(there_out, back_in), (back_out, there_in)])
    }

    fn open((out, inward): Self::Half, job: &Job, _: Side, _: &mut News) -> Result<Self::Link> {
        out.set_nonblocking(job.spins())?;
        inward.set_nonblocking(job.spins())?;
        Ok(Bytes::new(out, inward, job))
    }
}

impl<W: Write, R: Read> Link for Bytes<W, R> {
    fn send(&mut self, make: impl FnOnce(&mut [u8])) -> Result<()> {
        make(&mut self.message);
        let mut left = &self.message[..];
        while !left.is_empty() {
            let sent = moved(self.waiting, || self.out.write(left))?;
            left = &left[sent..];
        }
        Ok(())
    }

    fn receive(&mut self, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let mut came = 0;
        while came < self.message.len() {
            came += moved(self.waiting, || self.inward.read(&mut self.message[came..]))?;
        }
        take(&self.message)
    }
}

/// Some bytes, as soon as any can be moved; a blocking end waits inside `call`.
fn moved(waiting: Waiting, mut call: impl FnMut() -> std::io::Result<usize>) -> Result<usize> {
    spin(waiting, || match call() {
        Ok(0) => Err(Failure::Failed("the other side is gone".into())),
        Ok(some) => Ok(Some(some)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error.into()),
    })
}

fn main() -> std::process::ExitCode {
    guest::main(&ABOUT, |job| match job.kind.as_str() {
        "pipe" => guest::processes::<Pipes>(job),
        _ => guest::processes::<Socket>(job),
    })
}
