//! A Unix stream socket: what both ends are told of their queues and of each other (unix(7)).

use std::os::fd::OwnedFd;

use rustix::io::ioctl_fionread;
use rustix::net::{AddressFamily, getpeername, sockopt};

use super::gauges::{BOTH_WAYS, GaugeReader, Gauges, RECEIVER, SENDER, Sheet};
use super::lab_mechanism::{LabMechanism, Meets, Overwrite, overwrite_buffer};
use super::window::{ChannelEnd, EndFinder};
use crate::scene::{Experiment, Gauge, Quoted, Scene};
use crate::sys::socket::outgoing_bytes;

pub(super) const UNIX: LabMechanism = LabMechanism {
    words,
    meets: Meets::AtPath,
    ends: EndFinder { link: "socket:", end },
    gauges: GaugeReader {
        read,
        counters: &[],
        settle: None,
        on_the_way: |on| ioctl_fionread(on.inbound(RECEIVER).ok()?).ok(),
    },
    overwrites: OVERWRITES,
    carried: None,
    flows_from_bytes: 0,
    sleeps_by: None,
    own_edges: &["unix-stream"],
    near_edges: &["unix-datagram", "unix-seqpacket", "posix-queue", "sysv-queue"],
};

/// The one thing that can be overwritten on a socket.
pub(super) const OVERWRITES: &[Overwrite] = &[Overwrite {
    what: "the buffer, after write() to the socket",
    copied: true,
    why: "the kernel has copied it into a socket buffer",
    how: overwrite_buffer,
}];

fn end(link: String, fd: &OwnedFd) -> Option<ChannelEnd> {
    let is_one = sockopt::socket_domain(fd).ok()? == AddressFamily::UNIX;
    // It is connected, and does not listen.
    (is_one && getpeername(fd).is_ok() && !sockopt::socket_acceptconn(fd).ok()?)
        .then(|| ChannelEnd::both_ways(link))
}

fn read(on: &Gauges, sheet: &mut Sheet) {
    sheet.put_if("address", on.path.clone());
    for (from, to, prefix) in BOTH_WAYS {
        let queued = on.inbound(to).and_then(|socket| Ok(ioctl_fionread(socket)?));
        sheet.put_if(&format!("{prefix}queued_bytes"), queued.ok());
        let charged = on.outbound(from).and_then(outgoing_bytes);
        sheet.put_if(&format!("{prefix}charged_bytes"), charged.ok());
    }
    // Each end is told by the kernel which process is at the other.
    for (side, name) in [(RECEIVER, "sender_credentials"), (SENDER, "receiver_credentials")] {
        let peer = on.outbound(side).and_then(|socket| Ok(sockopt::socket_peercred(socket)?));
        let told = peer.map(|peer| {
            let (pid, uid, gid) = (peer.pid.as_raw_nonzero(), peer.uid.as_raw(), peer.gid.as_raw());
            format!("pid {pid}, uid {uid}, gid {gid}")
        });
        sheet.put_if(name, told.ok());
    }
}

/// What is said about it.
fn words(bare: Scene) -> Scene {
    Scene {
    title: "Unix socket".into(),
    summary: "send() copies the message into a socket buffer and puts it into the receiver's queue; \
              recv() copies it out. One socket carries both directions.".into(),
    explanation: "send() copies the message into a buffer that the kernel takes from its heap, and hangs that buffer into the \
                  receiver's queue; recv() copies it out and frees it. Two calls and two copies as with a pipe, and somewhat \
                  more work in between. In return both processes send and receive on one socket, and the kernel names the \
                  process at the other end. Each buffer is charged to the sender at its full size in memory, so a queue of \
                  small messages is full long before their bytes add up to its size.".into(),
    tags: ["2 kernel copies", "both ways", "same host"].map(Into::into).to_vec(),
    quoted: Quoted::new("2", "2", "~0.05 ms", "bidirectional"),
    experiments: vec![
        Experiment::fill(),
        Experiment::kill_receiver(),
        Experiment::copied_or_shared(),
        Experiment::life_of_a_byte(),
    ],
..bare }
    .showing("name", [Gauge::text("address", "address"), Gauge::text("sender_credentials", "the receiver sees"), Gauge::text("receiver_credentials", "the sender sees")])
    .showing("queue", [Gauge::new("queued_bytes", "queued", "B"), Gauge::new("charged_bytes", "charged to the sender", "B")])
    .showing("back", [Gauge::new("back_queued_bytes", "queued", "B"), Gauge::new("back_charged_bytes", "charged to the receiver", "B")])
}
