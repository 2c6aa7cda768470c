//! A TCP connection: its queues, and what it counts of itself (TCP_INFO, tcp(7)).

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::ioctl_fionread;
use rustix::net::{getpeername, getsockname};

use super::gauges::{BOTH_WAYS, GaugeReader, Gauges, RECEIVER, SENDER, Sheet};
use super::lab_mechanism::{Carried, LabMechanism, Meets};
use super::unix;
use super::window::{ChannelEnd, EndFinder};
use crate::scene::{Experiment, Gauge, Quoted, Scene};
use crate::sys::socket::{outgoing_bytes, tcp_info};

pub(super) const TCP: LabMechanism = LabMechanism {
    words,
    meets: Meets::Inheriting,
    ends: EndFinder { link: "socket:", end },
    gauges: GaugeReader {
        read,
        counters: &[
            "seq_bytes",
            "ack_bytes",
            "back_seq_bytes",
            "back_ack_bytes",
            "data_segments_out",
            "segments_out",
            "segments_in",
            "retransmits",
        ],
        settle: Some(settle),
        on_the_way,
    },
    overwrites: unix::OVERWRITES,
    carried: Some(carried),
    // With buffers of this many bytes TCP kept flowing on loopback; with fewer it waited for its timers: with 8 KiB and
    // messages of 1 KiB, with 16 KiB and messages of 16 KiB.
    flows_from_bytes: 32 << 10,
    sleeps_by: None,
    own_edges: &["tcp"],
    near_edges: &["udp"],
};

fn end(_: String, fd: &OwnedFd) -> Option<ChannelEnd> {
    // The links of the two sockets in /proc have nothing in common; their addresses have.
    let [here, there] = addresses(fd)?;
    let far = Some(format!("{there} {here}"));
    Some(ChannelEnd { far, ..ChannelEnd::both_ways(format!("{here} {there}")) })
}

fn read(on: &Gauges, sheet: &mut Sheet) {
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

/// An acknowledgement may be held back for 40 ms, and would be counted later.
fn settle(on: &Gauges) {
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

fn on_the_way(on: &Gauges) -> Option<u64> {
    let unacknowledged = outgoing_bytes(on.outbound(SENDER).ok()?).ok()?;
    Some(unacknowledged + ioctl_fionread(on.inbound(RECEIVER).ok()?).ok()?)
}

fn carried(socket: &OwnedFd) -> Option<Carried> {
    let ports = addresses(socket)?.map(|address| address.port());
    Some(Carried { ports, segments_out: tcp_info(socket).ok()?.segs_out.into() })
}

/// A connected socket's own address, and its peer's.
fn addresses(socket: &OwnedFd) -> Option<[SocketAddr; 2]> {
    let own = SocketAddr::try_from(getsockname(socket).ok()?).ok()?;
    let peer = SocketAddr::try_from(getpeername(socket).ok()??).ok()?;
    Some([own, peer])
}

/// What is said about it.
fn words(bare: Scene) -> Scene {
    Scene {
    title: "TCP socket".into(),
    summary: "send() hands the message to the whole network stack, which numbers it, sends it through \
              the loopback device and queues it at the receiver; recv() copies it out, and an \
              acknowledgement goes back.".into(),
    explanation: "The message goes through the whole network stack, although it never leaves the machine: TCP numbers its bytes, \
                  keeps a copy until they are acknowledged and would send them again after a loss; IP routes the segment to \
                  the loopback device, which hands it straight back. All of that runs inside the sender's send(), which is \
                  why that call is the longest of the four mechanisms, and the receiver only copies the message out. On \
                  loopback the payload is copied no more often than by a pipe, and its checksum is never computed. What the \
                  stack buys is the other machine: the same two calls reach across a network.".into(),
    tags: ["sequence numbers and ACKs", "both ways", "cross-host"].map(Into::into).to_vec(),
    quoted: Quoted::new("3+", "3+", "~0.15 ms", "cross-host"),
    experiments: vec![
        Experiment::fill(),
        Experiment {
            text: "The receiver is killed, once with messages unread and once with none. See how the first send after its death fails.".into(),
            ..Experiment::kill_receiver()
        },
        Experiment::new(
            "lose-segments",
            "Lose segments",
            "A filter at the receiving socket drops the segment of every fourth message. See the flights, the retransmits and the order.",
        ),
        Experiment::copied_or_shared(),
        Experiment::life_of_a_byte(),
    ],
..bare }
    .showing("socket", [Gauge::text("sender_address", "sender"), Gauge::text("receiver_address", "receiver"), Gauge::new("unacked_bytes", "kept: sent, and not yet acknowledged", "B"), Gauge::new("back_unacked_bytes", "kept, the other way: sent, and not yet acknowledged", "B")])
    .showing("tcp", [Gauge::new("seq_bytes", "sequence number", "B"), Gauge::new("ack_bytes", "acknowledged", "B"), Gauge::new("back_seq_bytes", "sequence number, the other way", "B"), Gauge::new("back_ack_bytes", "acknowledged, the other way", "B"), Gauge::new("data_segments_out", "segments with data", ""), Gauge::new("segments_out", "segments out", ""), Gauge::new("segments_in", "segments in", ""), Gauge::new("retransmits", "retransmits", ""), Gauge::new("rtt_us", "round trip", "us"), Gauge::new("retransmission_timer_us", "retransmission timer", "us")])
    .showing("queue", [Gauge::new("queued_bytes", "queued", "B")])
    .showing("back", [Gauge::new("back_queued_bytes", "queued", "B")])
}
