//! A pipe each way: what the kernel counts of each (pipe(7)).

use std::io;
use std::os::fd::OwnedFd;

use crossing::{Kind, Sleeping};
use rustix::fs::OFlags;
use rustix::io::ioctl_fionread;

use super::gauges::{BOTH_WAYS, Gauges, SENDER, Sheet};
use super::window::{ChannelEnd, own};
use super::{Carried, LabMechanism, Meets, Overwrite, Place, SCRIBBLE, framed, write_then_overwrite};
use crate::sys::given::Page;

#[derive(Debug)]
pub(super) struct Pipe;

impl LabMechanism for Pipe {
    fn meets(&self) -> Meets {
        // As it is mostly used.
        Meets::AsFamily
    }

    fn link(&self) -> &'static str {
        "pipe:"
    }

    fn end(&self, link: String, fd: &OwnedFd) -> Option<ChannelEnd> {
        // The two ends of a pipe are one file.
        let end = ChannelEnd { far: Some(link.clone()), ..ChannelEnd::both_ways(link) };
        match rustix::fs::fcntl_getfl(fd).ok()? & OFlags::RWMODE {
            OFlags::WRONLY => Some(ChannelEnd { receives: false, ..end }),
            OFlags::RDONLY => Some(ChannelEnd { sends: false, ..end }),
            _ => None,
        }
    }

    fn read(&self, on: &Gauges, sheet: &mut Sheet) {
        for (from, to, prefix) in BOTH_WAYS {
            // A pipe tells the same at both of its ends; one of them may be dead.
            let Ok(pipe) = on.outbound(from).or_else(|_| on.inbound(to)) else { continue };
            sheet.put_if(&format!("{prefix}pipe_bytes"), ioctl_fionread(&pipe).ok());
            let size = rustix::pipe::fcntl_getpipe_size(&pipe).ok();
            sheet.put_if(&format!("{prefix}pipe_size_bytes"), size.map(|size| size as u64));
        }
    }

    fn counters(&self) -> &'static [&'static str] {
        &[]
    }

    fn settle(&self, _: &Gauges) {}

    fn bytes_on_the_way(&self, on: &Gauges) -> Option<u64> {
        ioctl_fionread(on.outbound(SENDER).ok()?).ok()
    }

    fn overwrites(&self) -> &'static [Overwrite] {
        &[
            Overwrite {
                of: Place::Buffer,
                what: "the buffer, after write()",
                copied: true,
                why: "write() has copied it into a page of the kernel",
            },
            Overwrite {
                of: Place::GivenPage,
                what: "the page, after vmsplice()",
                copied: false,
                why: "vmsplice() has put the page itself into the pipe",
            },
        ]
    }

    fn send_then_overwrite(
        &self,
        _: &mut dyn FnMut(&[u8]) -> io::Result<()>,
        by: i32,
        message: &mut [u8],
        of: Place,
    ) -> io::Result<()> {
        match of {
            Place::Buffer => write_then_overwrite(Kind::Pipe, by, message),
            Place::GivenPage => {
                let frame = framed(Kind::Pipe, message);
                let page = Page::holding(&frame)?;
                page.give_to(own(by)?, frame.len())?;
                page.overwrite(frame.len() - message.len(), &vec![SCRIBBLE; message.len()]);
                Ok(())
            }
            Place::Region => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn carried(&self, _: &OwnedFd) -> Option<Carried> {
        None
    }

    fn flows_from_bytes(&self) -> u32 {
        0
    }

    fn sleeps_by(&self) -> Option<Sleeping> {
        None
    }
}
