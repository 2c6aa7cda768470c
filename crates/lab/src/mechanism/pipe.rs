//! A pipe each way: what the kernel counts of each (pipe(7)).

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::OFlags;
use rustix::io::ioctl_fionread;

use super::gauges::{BOTH_WAYS, GaugeReader, Gauges, SENDER, Sheet};
use super::lab_mechanism::{LabMechanism, Meets, Overwrite, Overwritten, SCRIBBLE, framed, overwrite_buffer};
use super::window::{ChannelEnd, EndFinder, own};
use crate::scene::{Experiment, Gauge, Quoted, Scene};
use crate::sys::given::GivenPage;

pub(super) const PIPE: LabMechanism = LabMechanism {
    words,
    // As it is mostly used.
    meets: Meets::AsFamily,
    ends: EndFinder { link: "pipe:", end },
    gauges: GaugeReader {
        read,
        counters: &[],
        settle: None,
        on_the_way: |on| ioctl_fionread(on.outbound(SENDER).ok()?).ok(),
    },
    overwrites: &[
        Overwrite {
            what: "the buffer, after write()",
            copied: true,
            why: "write() has copied it into a page of the kernel",
            how: overwrite_buffer,
        },
        Overwrite {
            what: "the page, after vmsplice()",
            copied: false,
            why: "vmsplice() has put the page itself into the pipe",
            how: overwrite_given_page,
        },
    ],
    carried: None,
    flows_from_bytes: 0,
    sleeps_by: None,
    own_edges: &["pipe", "fifo"],
    near_edges: &["pty", "eventfd"],
};

fn end(link: String, fd: &OwnedFd) -> Option<ChannelEnd> {
    // The two ends of a pipe are one file.
    let end = ChannelEnd { far: Some(link.clone()), ..ChannelEnd::both_ways(link) };
    match rustix::fs::fcntl_getfl(fd).ok()? & OFlags::RWMODE {
        OFlags::WRONLY => Some(ChannelEnd { receives: false, ..end }),
        OFlags::RDONLY => Some(ChannelEnd { sends: false, ..end }),
        _ => None,
    }
}

fn read(on: &Gauges, sheet: &mut Sheet) {
    for (from, to, prefix) in BOTH_WAYS {
        // A pipe tells the same at both of its ends; one of them may be dead.
        let Ok(pipe) = on.outbound(from).or_else(|_| on.inbound(to)) else { continue };
        sheet.put_if(&format!("{prefix}pipe_bytes"), ioctl_fionread(&pipe).ok());
        let size = rustix::pipe::fcntl_getpipe_size(&pipe).ok();
        sheet.put_if(&format!("{prefix}pipe_size_bytes"), size.map(|size| size as u64));
    }
}

fn overwrite_given_page(Overwritten { kind, by, message, .. }: Overwritten<'_>) -> io::Result<()> {
    let frame = framed(kind, message);
    let page = GivenPage::holding(&frame)?;
    page.give_to(own(by)?, frame.len())?;
    page.overwrite(frame.len() - message.len(), &vec![SCRIBBLE; message.len()]);
    Ok(())
}

/// What is said about it.
fn words(bare: Scene) -> Scene {
    Scene {
    title: "Pipe".into(),
    summary: "write() copies the message into a buffer of the kernel, read() copies it out again. The \
              reader sleeps until there is something to read.".into(),
    explanation: "The two processes share no memory: the kernel stands between them and keeps the bytes. write() copies the \
                  message into pages of the kernel, read() copies it out of them, so each message costs two system calls \
                  and two copies; that is the price of isolation. The buffer holds 16 pages, and a writer that has \
                  filled them sleeps. A lone message spends most of its time waking the reader: put both on one core, \
                  or let them spin, and compare.".into(),
    tags: ["2 kernel copies", "2 syscalls", "one way each"].map(Into::into).to_vec(),
    quoted: Quoted::new("2", "2", "~0.04 ms", "simple IPC"),
    experiments: vec![
        Experiment::fill(),
        Experiment::kill_receiver(),
        Experiment::copied_or_shared(),
        Experiment::life_of_a_byte(),
    ],
..bare }
    .showing("buffer", [Gauge::new("pipe_bytes", "in the pipe", "B"), Gauge::new("pipe_size_bytes", "size", "B")])
    .showing("back", [Gauge::new("back_pipe_bytes", "in the pipe", "B"), Gauge::new("back_pipe_size_bytes", "size", "B")])
    .filling("buffer", "pipe_bytes", "pipe_size_bytes")
    .filling("back", "back_pipe_bytes", "back_pipe_size_bytes")
}
