//! A TCP connection: its queues, and what it counts of itself (TCP_INFO, tcp(7)).

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crossing::{Kind, Sleeping};
use rustix::io::ioctl_fionread;
use rustix::net::{getpeername, getsockname};

use super::gauges::{BOTH_WAYS, Gauges, RECEIVER, SENDER, Sheet};
use super::window::ChannelEnd;
use super::{Carried, LabMechanism, Meets, Overwrite, Place, unix, write_then_overwrite};
use crate::sys::socket::{outgoing_bytes, tcp_info};

/// With buffers of this many bytes TCP kept flowing on loopback; with fewer it waited for its timers: with 8 KiB and
/// messages of 1 KiB, with 16 KiB and messages of 16 KiB.
const FLOWS_BYTES: u32 = 32 << 10;

#[derive(Debug)]
pub(super) struct Tcp;

impl LabMechanism for Tcp {
    fn meets(&self) -> Meets {
        Meets::Inheriting
    }

    fn link(&self) -> &'static str {
        "socket:"
    }

    fn end(&self, _: String, fd: &OwnedFd) -> Option<ChannelEnd> {
        // What /proc says of the two sockets has nothing in common. Their addresses have.
        let [here, there] = addresses(fd)?;
        let far = Some(format!("{there} {here}"));
        Some(ChannelEnd { far, ..ChannelEnd::both_ways(format!("{here} {there}")) })
    }

    fn read(&self, on: &Gauges, sheet: &mut Sheet) {
        for (from, to, prefix) in BOTH_WAYS {
            let queued = on.inbound(to).and_then(|socket| Ok(ioctl_fionread(socket)?));
            sheet.put_if(&format!("{prefix}queued_bytes"), queued.ok());
            let unacked = on.outbound(from).and_then(outgoing_bytes);
            sheet.put_if(&format!("{prefix}unacked_bytes"), unacked.ok());
            let Ok(info) = on.outbound(from).and_then(tcp_info) else { continue };
            sheet.put(&format!("{prefix}seq_bytes"), info.bytes_sent);
            sheet.put(&format!("{prefix}ack_bytes"), info.bytes_acked);
            if from == SENDER {
                sheet.put("data_segments_out", info.data_segs_out);
                sheet.put("segments_out", info.segs_out);
                sheet.put("segments_in", info.segs_in);
                sheet.put("retransmits", info.total_retrans);
                sheet.put("rtt_us", info.rtt_us);
                sheet.put("retransmission_timer_us", info.rto_us);
            }
        }
        for (side, name) in [(SENDER, "sender_address"), (RECEIVER, "receiver_address")] {
            let own = on.outbound(side).ok().and_then(|socket| addresses(&socket)).map(|[own, _]| own);
            sheet.put_if(name, own.map(|address| address.to_string()));
        }
    }

    fn counters(&self) -> &'static [&'static str] {
        &[
            "seq_bytes",
            "ack_bytes",
            "back_seq_bytes",
            "back_ack_bytes",
            "data_segments_out",
            "segments_out",
            "segments_in",
            "retransmits",
        ]
    }

    /// An acknowledgement may be held back for 40 ms, and would be counted later.
    fn settle(&self, on: &Gauges) {
        for side in [SENDER, RECEIVER] {
            let all_is_acknowledged = || on.outbound(side).and_then(outgoing_bytes).unwrap_or(0) == 0;
            for _ in 0..60 {
                if all_is_acknowledged() {
                    break;
                }
                crossing::pause(Duration::from_millis(1));
            }
        }
    }

    fn bytes_on_the_way(&self, on: &Gauges) -> Option<u64> {
        let unacknowledged = outgoing_bytes(on.outbound(SENDER).ok()?).ok()?;
        Some(unacknowledged + ioctl_fionread(on.inbound(RECEIVER).ok()?).ok()?)
    }

    fn overwrites(&self) -> &'static [Overwrite] {
        unix::OVERWRITES
    }

    fn send_then_overwrite(
        &self,
        _: &mut dyn FnMut(&[u8]) -> io::Result<()>,
        by: i32,
        message: &mut [u8],
        of: Place,
    ) -> io::Result<()> {
        match of {
            Place::Buffer => write_then_overwrite(Kind::Tcp, by, message),
            Place::GivenPage | Place::Region => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn carried(&self, socket: &OwnedFd) -> Option<Carried> {
        let ports = addresses(socket)?.map(|address| address.port());
        Some(Carried { ports, segments_out: tcp_info(socket).ok()?.segs_out.into() })
    }

    fn flows_from_bytes(&self) -> u32 {
        FLOWS_BYTES
    }

    fn sleeps_by(&self) -> Option<Sleeping> {
        None
    }
}

/// A connected socket's own address, and its peer's.
fn addresses(socket: &OwnedFd) -> Option<[SocketAddr; 2]> {
    let own = SocketAddr::try_from(getsockname(socket).ok()?).ok()?;
    let peer = SocketAddr::try_from(getpeername(socket).ok()??).ok()?;
    Some([own, peer])
}
