//! Shared memory: two regions, each read by pread(2) through a copy of its descriptor.

use std::io;
use std::os::fd::OwnedFd;

use super::gauges::{GaugeReader, Gauges, RECEIVER, SENDER, Sheet};
use super::lab_mechanism::{LabMechanism, Meets, Overwrite, Overwritten, SCRIBBLE};
use super::region::Region;
use super::window::{ChannelEnd, EndFinder, own};
use crate::message;
use crate::probe::pages;
use crate::scene::{Experiment, Gauge, Quoted, Scene};
use crate::sys::maps::ProcessMapping;
use crate::sys::stray;

pub(super) const SHM: LabMechanism = LabMechanism {
    words,
    meets: Meets::Inheriting,
    ends: EndFinder { link: crossing::REGION_FILE, end },
    gauges: GaugeReader {
        read,
        counters: &["tail", "head", "back_tail", "back_head"],
        settle: None,
        on_the_way,
    },
    overwrites: &[
        Overwrite {
            what: "the sender's own buffer, after send()",
            copied: true,
            why: "the sender has copied it into its region",
            how: |Overwritten { send, message, .. }| {
                send(message)?;
                message.fill(SCRIBBLE);
                Ok(())
            },
        },
        Overwrite {
            what: "the message's place in the region",
            copied: false,
            why: "the receiver reads the page that the sender writes",
            how: overwrite_region,
        },
    ],
    carried: None,
    flows_from_bytes: 0,
    sleeps_by: Some(crossing::sleeping),
    own_edges: &[],
    near_edges: &["memfd", "posix-memory", "sysv-memory", "anonymous-memory", "mapped-file"],
};

/// The last message of a region before there is one.
const NO_MESSAGE: &str = "none yet";

fn end(_: String, fd: &OwnedFd) -> Option<ChannelEnd> {
    // The files of two regions have the same name; their inode numbers differ.
    Some(ChannelEnd::both_ways(rustix::fs::fstat(fd).ok()?.st_ino.to_string()))
}

fn read(on: &Gauges, sheet: &mut Sheet) {
    let maps = on.pids.map(|pid| stray::regions(pid).unwrap_or_default());
    for (side, name) in [(SENDER, "sender"), (RECEIVER, "receiver")] {
        let Ok(region) = on.region(side) else { continue };
        let (tail, head) = if side == SENDER { ("tail", "back_head") } else { ("back_tail", "head") };
        sheet.put(tail, region.header.tail);
        sheet.put(head, region.header.head);
        sheet.put(&format!("{name}_asleep"), region.header.asleep);
        let prefix = if side == SENDER { "" } else { "back_" };
        sheet.put(&format!("{prefix}ring_size_bytes"), region.header.capacity);
        sheet.put_if(&format!("{prefix}ring_bytes"), in_ring(on, side));
        // What was written before counting began is nothing that the reader has seen.
        let message = if region.header.tail == on.before(tail) {
            Some(NO_MESSAGE.to_owned())
        } else {
            region.last_message(on.size).map(|bytes| message::words(&bytes))
        };
        sheet.put_if(&format!("{name}_region_message"), message);
        let mapped = maps.each_ref().map(|maps| maps.iter().find(|map| map.file.1 == region.inode));
        if let [Some(here), Some(there)] = mapped {
            let right = |map: &ProcessMapping| if map.writable { "reads and writes" } else { "reads" };
            let access = format!("sender {}, receiver {}", right(here), right(there));
            sheet.put(&format!("{name}_region_access"), access);
            sheet.put(&format!("{name}_region_page"), page(on.pids, [here, there]));
        }
    }
}

fn on_the_way(on: &Gauges) -> Option<u64> {
    in_ring(on, SENDER)
}

/// Bytes in the ring of the region that `side` writes: written, and not told to have been read.
fn in_ring(on: &Gauges, side: usize) -> Option<u64> {
    // A reader rarely publishes how far it has read. Messages sent before the counting began have
    // been read.
    let tail = if side == SENDER { "tail" } else { "back_tail" };
    let (own, theirs) = (on.region(side).ok()?.header, on.region(1 - side).ok()?.header);
    Some(own.tail - theirs.head.max(on.before(tail)).min(own.tail))
}

fn overwrite_region(Overwritten { send, by, message, .. }: Overwritten<'_>) -> io::Result<()> {
    send(message)?;
    let at = Region::look(own(by)?)?.last_message_at(message.len()).ok_or(io::ErrorKind::NotFound)?;
    let at = usize::try_from(at).map_err(io::Error::other)?;
    stray::over_own_region(at, &vec![SCRIBBLE; message.len()])
}

/// The proof that both processes see the same memory: the physical page, or at least the file.
fn page(pids: [u32; 2], mapped: [&ProcessMapping; 2]) -> String {
    let inode = mapped[0].file.1;
    let frame = |side: usize| pages::page(pids[side], mapped[side].at.start).ok()?.frame;
    match [0, 1].map(frame) {
        [Some(here), Some(there)] if here == there => {
            format!("physical page {here:#x} under both addresses")
        }
        [Some(here), Some(there)] => format!("physical pages {here:#x} and {there:#x}"),
        _ => format!("one file under both addresses (inode {inode}); its page is told to root only"),
    }
}

/// What is said about it.
fn words(bare: Scene) -> Scene {
    Scene {
    title: "Shared memory".into(),
    summary: "The sender writes the message into memory that the receiver can read. The kernel takes \
              part only when a process has to be woken.".into(),
    explanation: "Both processes map the same pages of memory, so a message is there for the \
                  receiver the moment it is written. The sender copies it into its region and stores one number, tail; \
                  the receiver reads tail and copies the message out. No call enters the kernel on the way: a message costs \
                  the transfer of a few cache lines from one core to the other. A sleeping receiver must be woken, \
                  though, and that takes the kernel after all (futex), so blocking shared memory is about as slow as \
                  a pipe. Each process can write only its own region; the other's is mapped for reading, so a stray \
                  write stops the process that made it.".into(),
    tags: ["0 kernel copies", "0 syscalls", "same host"].map(Into::into).to_vec(),
    quoted: Quoted::new("0", "0", "~0.002 ms", "maximum speed"),
    experiments: vec![
        Experiment::new(
            "wild",
            "Let one process go wild",
            "A process writes all over the other's region. See which process dies, and whether any message is damaged.",
        ),
        Experiment::new(
            "wild-textbook",
            "The same with one region for both",
            "The same writes in the textbook layout, one region that both may write. See what happens to the messages.",
        ),
        Experiment { title: "Fill the ring".into(), ..Experiment::fill() },
        Experiment::kill_receiver(),
        Experiment::copied_or_shared(),
        Experiment::life_of_a_byte(),
        Experiment::new(
            "one-page",
            "One page, two addresses",
            "Both processes map the same memory. Compare the numbers of the physical pages behind their addresses.",
        ),
    ],
..bare }
    .showing("own", [Gauge::text("sender_region_access", "mapped"), Gauge::new("tail", "tail: written so far", "B"), Gauge::new("back_head", "head: read so far of the other region, told after each quarter of a ring", "B"), Gauge::new("sender_asleep", "sender asleep", ""), Gauge::text("sender_region_message", "last message"), Gauge::text("sender_region_page", "page"), Gauge::new("ring_bytes", "in the ring: written, and not told to have been read", "B"), Gauge::new("ring_size_bytes", "size of the ring", "B")])
    .showing("theirs", [Gauge::text("receiver_region_access", "mapped"), Gauge::new("back_tail", "tail: written so far", "B"), Gauge::new("head", "head: read so far of the other region, told after each quarter of a ring", "B"), Gauge::new("receiver_asleep", "receiver asleep", ""), Gauge::text("receiver_region_message", "last message"), Gauge::text("receiver_region_page", "page"), Gauge::new("back_ring_bytes", "in the ring: written, and not told to have been read", "B"), Gauge::new("back_ring_size_bytes", "size of the ring", "B")])
    .filling("own", "ring_bytes", "ring_size_bytes")
    .filling("theirs", "back_ring_bytes", "back_ring_size_bytes")
}
