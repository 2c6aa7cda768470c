//! The direct map: the part of the kernel's address space through which it sees physical memory.
//!
//! A watchpoint on the kernel's copy of a message needs the copy's address. The kernel tells of a page by its number
//! (`mm_page_alloc`), and sees all pages one after the other from a place on that differs with every start of the
//! machine. The place shows itself when an allocator takes new pages and hands out what is on them: the address
//! minus the pages' own is where the map begins. A pipe that is made larger needs a list of more than two pages, which
//! the kernel takes anew. The map begins at a multiple of a gibibyte, so that a pair that does not belong together is
//! told.

use std::collections::HashMap;
use std::io;
use std::sync::OnceLock;

use rustix::pipe::PipeFlags;

use super::stream::{EventStream, SeenEvent, Want};
use super::tracefs::Tracefs;
use crate::sys::perf::{PerfEvent, Whom};

/// The grain of the map's beginning.
const GRAIN: u64 = 1 << 30;
/// The longest row of pages that a slab is made of.
const SLAB_BYTES: u64 = 64 << 10;
/// Pipes that are made larger, to have the kernel take new pages.
const PIPES: usize = 8;
/// Their size in bytes: what every user may have.
const PIPE_BYTES: usize = 1 << 20;
/// Pairs that must agree.
const AGREE: usize = 3;
/// Pages of the ring.
const PAGES: usize = 64;

/// The address at which the map begins, found once.
///
/// # Errors
/// When the kernel refuses access, or its data do not agree.
pub(super) fn beginning(tracefs: &Tracefs) -> io::Result<u64> {
    static FOUND: OnceLock<u64> = OnceLock::new();
    if let Some(&found) = FOUND.get() {
        return Ok(found);
    }
    let found = find(tracefs)?;
    Ok(*FOUND.get_or_init(|| found))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemoryEvent {
    Page,
    Piece,
    CachedPiece,
}

fn find(tracefs: &Tracefs) -> io::Result<u64> {
    let of = |name: &str, key| -> io::Result<(Want<MemoryEvent>, super::tracefs::Tracepoint)> {
        let tracepoint = tracefs.tracepoint(name)?;
        let watched = PerfEvent::Tracepoint(tracepoint.id);
        Ok((Want { key, watched, whom: Whom::Thread(0), only: None }, tracepoint))
    };
    let (page, page_format) = of("kmem/mm_page_alloc", MemoryEvent::Page)?;
    let (piece, piece_format) = of("kmem/kmalloc", MemoryEvent::Piece)?;
    let (cached, cached_format) = of("kmem/kmem_cache_alloc", MemoryEvent::CachedPiece)?;
    let mut stream = EventStream::open(&[page, piece, cached], PAGES, false, true)?;
    stream.begin()?;
    for _ in 0..PIPES {
        let (_, larger) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        rustix::pipe::fcntl_setpipe_size(&larger, PIPE_BYTES)?;
    }
    let told = stream.end()?;
    let number = |seen: &SeenEvent<MemoryEvent>, name: &str| {
        let format = match seen.key {
            MemoryEvent::Page => &page_format,
            MemoryEvent::Piece => &piece_format,
            MemoryEvent::CachedPiece => &cached_format,
        };
        format.number(&seen.sample.fields, name, 0).map(|value| value as u64)
    };
    let size = rustix::param::page_size() as u64;
    let mut votes: HashMap<u64, usize> = HashMap::new();
    let mut page: Option<u64> = None;
    for seen in &told.events {
        match seen.key {
            MemoryEvent::Page => page = number(seen, "pfn"),
            MemoryEvent::Piece | MemoryEvent::CachedPiece => {
                if let (Some(pfn), Some(address)) = (page.take(), number(seen, "ptr"))
                    && let Some(beginning) = of_pair(pfn.wrapping_mul(size), address)
                {
                    *votes.entry(beginning).or_insert(0) += 1;
                }
            }
        }
    }
    agreed(&votes).ok_or_else(|| io::Error::other("where the kernel sees physical memory could not be found"))
}

/// The beginning of the map if the piece at `address` is on the page at `physical`; `None` when it
/// cannot be.
fn of_pair(physical: u64, address: u64) -> Option<u64> {
    let beginning = address.checked_sub(physical)? / GRAIN * GRAIN;
    let inside = address - physical - beginning;
    (address >> 63 == 1 && inside < SLAB_BYTES).then_some(beginning)
}

/// The address on which most pairs agree, if enough of them do.
fn agreed(votes: &HashMap<u64, usize>) -> Option<u64> {
    let (&beginning, &count) = votes.iter().max_by_key(|(_, count)| **count)?;
    (count >= AGREE).then_some(beginning)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: u64 = 0xffff_8881_4000_0000;

    #[test]
    fn a_piece_tells_where_the_map_begins_and_a_stranger_does_not() {
        assert_eq!(of_pair(0x1_2345_6000, MAP + 0x1_2345_6000), Some(MAP));
        assert_eq!(of_pair(0x1_2345_6000, MAP + 0x1_2345_6000 + 0x7f80), Some(MAP));
        assert_eq!(of_pair(0x1_2345_6000, MAP + 0x1_3345_6000), None, "another page");
        assert_eq!(of_pair(0x1_2345_6000, 0x7f00_1234_5678), None, "not the kernel's");
    }

    #[test]
    fn a_few_strangers_are_outvoted_and_few_voices_are_none() {
        assert_eq!(agreed(&HashMap::from([(MAP, 5), (0, 1)])), Some(MAP));
        assert_eq!(agreed(&HashMap::from([(MAP, 2)])), None);
        assert_eq!(agreed(&HashMap::new()), None);
    }
}
