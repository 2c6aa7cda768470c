//! Sending a message, and overwriting it afterwards where it came from: what arrives tells whether it was copied.

use std::io;

use crossing::{Connection, Kind, Mechanism};

use super::descriptors;
use super::order::{SCRIBBLE, Source};
use super::region::Region;
use crate::sys::{given::Page, stray};

/// Sends `message` by the descriptor `by`, and then overwrites it with [`SCRIBBLE`].
///
/// A stream's message is handed to the kernel by a plain call here: a channel of `crossing` gathers the frame in
/// a buffer of its own first, and that copy would hide the kernel's.
///
/// # Errors
/// What the calls say; `Unsupported` when the mechanism has no such source.
pub(crate) fn send_then_overwrite<M: Mechanism>(
    connection: &mut Connection<M>,
    kind: Kind,
    by: i32,
    message: &mut [u8],
    of: Source,
) -> io::Result<()> {
    match (kind, of) {
        (Kind::Shm, Source::Buffer) => {
            connection.send(message).map_err(io::Error::other)?;
            message.fill(SCRIBBLE);
        }
        (Kind::Shm, Source::Region) => {
            connection.send(message).map_err(io::Error::other)?;
            let region = Region::look(descriptors::own(by)?)?;
            let at = region.last_message_at(message.len()).ok_or(io::ErrorKind::NotFound)?;
            let at = usize::try_from(at).map_err(io::Error::other)?;
            stray::over_own_region(at, &vec![SCRIBBLE; message.len()])?;
        }
        (Kind::Pipe | Kind::Unix | Kind::Tcp, Source::Buffer) => {
            let mut frame = frame(message);
            let written = rustix::io::write(descriptors::own(by)?, &frame)?;
            frame.fill(SCRIBBLE);
            // Kept from being optimised away: nobody reads it any more.
            std::hint::black_box(&frame);
            if written != frame.len() {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        (Kind::Pipe, Source::GivenPage) => {
            let frame = frame(message);
            let page = Page::holding(&frame)?;
            page.give_to(descriptors::own(by)?, frame.len())?;
            page.overwrite(frame.len() - message.len(), &vec![SCRIBBLE; message.len()]);
        }
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    Ok(())
}

/// A message as it stands on a stream: its length (little-endian), and its bytes (`docs/wire.md`).
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&length[..], message].concat()
}
