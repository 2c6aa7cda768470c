//! Reading the gauges: what regions, pipes and sockets hold, seen from outside of both processes.
//!
//! The fields are those that the scenes name. Bytes and segments are counted from the opening of the stage.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossing::Kind;
use rustix::io::ioctl_fionread;
use rustix::net::sockopt::socket_peercred;
use serde_json::Value;

use super::descriptors::Window;
use super::message;
use super::region::Region;
use crate::sys::socket::{TcpInfo, outgoing_bytes, tcp_info};
use crate::sys::stray::{Mapped, regions};
use crate::trace::Values;

/// Windows into both processes, and what was counted before anybody looked.
#[derive(Debug)]
pub(crate) struct Gauges {
    kind: Kind,
    size: usize,
    pids: [u32; 2],
    windows: [Window; 2],
    before: Before,
    /// The path by which the two have met.
    path: Option<String>,
}

/// Counts at the opening of the stage: of each process in turn.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    tails: [u64; 2],
    heads: [u64; 2],
    tcp: [TcpInfo; 2],
}

/// Which of the two.
const SENDER: usize = 0;
const RECEIVER: usize = 1;

impl Gauges {
    /// Opens the windows.
    ///
    /// # Errors
    /// When the kernel does not let us look.
    pub(crate) fn open(kind: Kind, size: usize, pids: [u32; 2], path: Option<String>) -> io::Result<Gauges> {
        let windows = Window::open_both(kind, pids)?;
        Ok(Gauges { kind, size, pids, windows, before: Before::default(), path })
    }

    /// What was sent until now is not counted from here on.
    pub(crate) fn count_from_here(&mut self) {
        let mut before = Before::default();
        for side in [SENDER, RECEIVER] {
            if self.kind == Kind::Shm
                && let Ok(region) = self.region(side)
            {
                (before.tails[side], before.heads[side]) = (region.tail, region.head);
            }
            if self.kind == Kind::Tcp
                && let Ok(info) = self.outbound(side).and_then(settled)
            {
                before.tcp[side] = info;
            }
        }
        self.before = before;
    }

    /// Everything that can be read now. A process that is gone takes its gauges with it.
    pub(crate) fn read(&self) -> Values {
        let mut values = Sheet::default();
        match self.kind {
            Kind::Shm => self.shm(&mut values),
            Kind::Pipe => self.pipe(&mut values),
            Kind::Unix => self.unix(&mut values),
            Kind::Tcp => self.tcp(&mut values),
        }
        values.0
    }

    /// Bytes that are on their way forward: written by the sender and not taken by the receiver. `None` when
    /// neither process lets us look.
    pub(crate) fn on_the_way(&self) -> Option<u64> {
        match self.kind {
            Kind::Shm => {
                // A reader says rarely how far it has come; what was sent before we counted has been read.
                let (own, theirs) = (self.region(SENDER).ok()?, self.region(RECEIVER).ok()?);
                Some(own.tail - theirs.head.max(self.before.tails[SENDER]).min(own.tail))
            }
            Kind::Pipe => ioctl_fionread(self.outbound(SENDER).ok()?).ok(),
            Kind::Unix => ioctl_fionread(self.inbound(RECEIVER).ok()?).ok(),
            Kind::Tcp => {
                let unacknowledged = outgoing_bytes(self.outbound(SENDER).ok()?).ok()?;
                Some(unacknowledged + ioctl_fionread(self.inbound(RECEIVER).ok()?).ok()?)
            }
        }
    }

    /// The region that a process owns.
    pub(crate) fn region(&self, side: usize) -> io::Result<Region> {
        Region::look(self.outbound(side)?)
    }

    /// The number of the descriptor that a process sends by.
    pub(crate) fn outbound_number(&self, side: usize) -> i32 {
        self.windows[side].outbound
    }

    /// What a process sends by, for the moment.
    pub(crate) fn outbound(&self, side: usize) -> io::Result<OwnedFd> {
        self.windows[side].take(self.windows[side].outbound)
    }

    /// What it receives by.
    pub(crate) fn inbound(&self, side: usize) -> io::Result<OwnedFd> {
        self.windows[side].take(self.windows[side].inbound)
    }

    fn shm(&self, values: &mut Sheet) {
        let maps = self.pids.map(|pid| regions(pid).unwrap_or_default());
        for (side, name) in [(SENDER, "sender"), (RECEIVER, "receiver")] {
            let Ok(region) = self.region(side) else { continue };
            let (tail, head) = if side == SENDER { ("tail", "back_head") } else { ("back_tail", "head") };
            values.put(tail, region.tail.wrapping_sub(self.before.tails[side]));
            values.put(head, region.head.wrapping_sub(self.before.heads[side]));
            values.put(&format!("{name}_asleep"), region.asleep);
            if let Some(bytes) = region.last_message(self.size) {
                values.put(&format!("{name}_region_message"), message::words(&bytes));
            }
            let mapped = maps.each_ref().map(|maps| maps.iter().find(|map| map.inode == region.inode));
            if let [Some(here), Some(there)] = mapped {
                let right = |map: &Mapped| if map.writable { "reads and writes" } else { "reads" };
                let access = format!("sender {}, receiver {}", right(here), right(there));
                values.put(&format!("{name}_region_access"), access);
                values.put(&format!("{name}_region_page"), self.page([here, there]));
            }
        }
    }

    /// What shows that both look at the same memory: the physical page, or at least the file.
    fn page(&self, mapped: [&Mapped; 2]) -> String {
        let inode = mapped[0].inode;
        let frames = [0, 1].map(|side| frame_number(self.pids[side], mapped[side].at.start));
        match frames {
            [Some(here), Some(there)] if here == there => {
                format!("physical page {here:#x} under both addresses")
            }
            [Some(here), Some(there)] => format!("physical pages {here:#x} and {there:#x}"),
            _ => format!("one file under both addresses (inode {inode}); its page is told to root only"),
        }
    }

    fn pipe(&self, values: &mut Sheet) {
        for (from, to, prefix) in [(SENDER, RECEIVER, ""), (RECEIVER, SENDER, "back_")] {
            // A pipe tells the same at both of its ends; one of them may be dead.
            let Ok(pipe) = self.outbound(from).or_else(|_| self.inbound(to)) else { continue };
            values.put_if(&format!("{prefix}pipe_bytes"), ioctl_fionread(&pipe).ok());
            let size = rustix::pipe::fcntl_getpipe_size(&pipe).ok();
            values.put_if(&format!("{prefix}pipe_size_bytes"), size.map(|size| size as u64));
        }
    }

    fn unix(&self, values: &mut Sheet) {
        values.put_if("address", self.path.clone());
        for (from, to, prefix) in [(SENDER, RECEIVER, ""), (RECEIVER, SENDER, "back_")] {
            let queued = self.inbound(to).and_then(|socket| Ok(ioctl_fionread(socket)?));
            values.put_if(&format!("{prefix}queued_bytes"), queued.ok());
            let charged = self.outbound(from).and_then(outgoing_bytes);
            values.put_if(&format!("{prefix}charged_bytes"), charged.ok());
        }
        // Each end is told by the kernel who is at the other.
        for (side, name) in [(RECEIVER, "sender_credentials"), (SENDER, "receiver_credentials")] {
            let peer = self.outbound(side).and_then(|socket| Ok(socket_peercred(socket)?));
            let told = |peer: rustix::net::UCred| {
                format!(
                    "pid {}, uid {}, gid {}",
                    peer.pid.as_raw_nonzero(),
                    peer.uid.as_raw(),
                    peer.gid.as_raw()
                )
            };
            values.put_if(name, peer.ok().map(told));
        }
    }

    fn tcp(&self, values: &mut Sheet) {
        let now = [SENDER, RECEIVER].map(|side| self.outbound(side).and_then(tcp_info).ok());
        for (from, to, prefix) in [(SENDER, RECEIVER, ""), (RECEIVER, SENDER, "back_")] {
            let queued = self.inbound(to).and_then(|socket| Ok(ioctl_fionread(socket)?));
            values.put_if(&format!("{prefix}queued_bytes"), queued.ok());
            let unacked = self.outbound(from).and_then(outgoing_bytes);
            values.put_if(&format!("{prefix}unacked_bytes"), unacked.ok());
            if let Some(info) = &now[from] {
                let before = &self.before.tcp[from];
                values.put(&format!("{prefix}seq_bytes"), info.bytes_sent.saturating_sub(before.bytes_sent));
                values
                    .put(&format!("{prefix}ack_bytes"), info.bytes_acked.saturating_sub(before.bytes_acked));
            }
        }
        if let Some(info) = &now[SENDER] {
            let before = &self.before.tcp[SENDER];
            let since = |now: u32, before: u32| u64::from(now.wrapping_sub(before));
            values.put("data_segments_out", since(info.data_segs_out, before.data_segs_out));
            values.put("segments_out", since(info.segs_out, before.segs_out));
            values.put("segments_in", since(info.segs_in, before.segs_in));
            values.put("retransmits", since(info.total_retrans, before.total_retrans));
            values.put("rtt_us", u64::from(info.rtt_us));
            values.put("retransmission_timer_us", u64::from(info.rto_us));
        }
        for (side, name) in [(SENDER, "sender_address"), (RECEIVER, "receiver_address")] {
            let address = self.outbound(side).and_then(|socket| Ok(rustix::net::getsockname(socket)?));
            let address = address.ok().and_then(|address| SocketAddr::try_from(address).ok());
            values.put_if(name, address.map(|address| address.to_string()));
        }
    }
}

/// What TCP_INFO says when the peer has acknowledged everything, or a little while has passed: an
/// acknowledgement may be held back for 40 ms, and would be counted later.
fn settled(socket: OwnedFd) -> io::Result<TcpInfo> {
    for _ in 0..60 {
        if outgoing_bytes(&socket)? == 0 {
            break;
        }
        crossing::pause(Duration::from_millis(1));
    }
    tcp_info(socket)
}

/// The physical page under an address of a process, where the kernel tells it: it takes CAP_SYS_ADMIN. See
/// Documentation/admin-guide/mm/pagemap.rst.
fn frame_number(pid: u32, address: usize) -> Option<u64> {
    const PRESENT: u64 = 1 << 63;
    const FRAME: u64 = (1 << 55) - 1;
    let mut entry = [0; 8];
    let at = (address / rustix::param::page_size() * 8) as u64;
    File::open(format!("/proc/{pid}/pagemap")).ok()?.read_exact_at(&mut entry, at).ok()?;
    let entry = u64::from_ne_bytes(entry);
    (entry & PRESENT != 0 && entry & FRAME != 0).then_some(entry & FRAME)
}

/// What was read.
#[derive(Debug, Default)]
struct Sheet(Values);

impl Sheet {
    fn put(&mut self, field: &str, value: impl Into<Value>) {
        self.0.insert(field.to_owned(), value.into());
    }

    fn put_if(&mut self, field: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(field, value);
        }
    }
}
