//! The kernel's socket tables, asked by netlink(7): sock_diag(7).

mod inet;
mod message;
mod unix;

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

pub(crate) use inet::{InetSocket, Protocol};
pub(crate) use unix::{UnixSocket, UnixType};

use message::AnswerPart;

/// How often a table is asked for again that has changed while it was told.
const ATTEMPTS: u32 = 4;

/// No more sockets of one table are taken: what is beyond is told as cut.
const MOST: usize = 1 << 20;

/// How long the kernel may take for one part of its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A table, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Dump<T> {
    pub(crate) sockets: Vec<T>,
    /// Why it may lack sockets.
    pub(crate) lacks: Option<&'static str>,
}

/// A connection to the kernel, in the network namespace of the thread that has made it.
#[derive(Debug)]
pub(crate) struct Tables(OwnedFd);

impl Tables {
    /// Connects.
    pub(crate) fn open() -> rustix::io::Result<Tables> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Tables(socket))
    }

    /// All unix(7) sockets.
    pub(crate) fn unix(&self) -> rustix::io::Result<Dump<UnixSocket>> {
        self.dump(&unix::request(), unix::parse)
    }

    /// All sockets of a protocol over IPv4, or over IPv6.
    pub(crate) fn inet(&self, protocol: Protocol, version_6: bool) -> rustix::io::Result<Dump<InetSocket>> {
        self.dump(&inet::request(protocol, version_6), |body| inet::parse(protocol, body))
    }

    fn dump<T>(&self, request: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> rustix::io::Result<Dump<T>> {
        let mut dump = Dump { sockets: Vec::new(), lacks: None };
        for sequence in 1..=ATTEMPTS {
            dump = self.dump_once(sequence, request, &parse)?;
            if dump.lacks != Some(CHANGED) {
                break;
            }
        }
        Ok(dump)
    }

    fn dump_once<T>(
        &self,
        sequence: u32,
        request: &[u8],
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> rustix::io::Result<Dump<T>> {
        rustix::net::send(&self.0, &message::request(sequence, request), SendFlags::empty())?;
        let mut dump = Dump { sockets: Vec::new(), lacks: None };
        let mut buffer = vec![0; 64 << 10];
        loop {
            let (taken, length) = match rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::TRUNC) {
                Err(Errno::INTR) => continue,
                received => received?,
            };
            if length > taken {
                dump.lacks = Some("an answer of the kernel was longer than any should be");
            }
            for part in message::parts(&buffer[..taken], sequence) {
                match part {
                    AnswerPart::Body { body, changed } => {
                        dump.lacks = if changed { Some(CHANGED) } else { dump.lacks };
                        match parse(body) {
                            Some(socket) if dump.sockets.len() < MOST => dump.sockets.push(socket),
                            Some(_) => dump.lacks = Some("it has more than a million sockets"),
                            None => dump.lacks = Some("an entry of it was cut"),
                        }
                    }
                    AnswerPart::Done => return Ok(dump),
                    AnswerPart::Refused(error) => return Err(error),
                    AnswerPart::Cut => dump.lacks = Some("an answer of the kernel was cut"),
                }
            }
        }
    }
}

/// Of a table that has changed: NLM_F_DUMP_INTR.
const CHANGED: &str = "it changed while it was read";
