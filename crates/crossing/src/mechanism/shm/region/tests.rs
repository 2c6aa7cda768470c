//! Regions at each size of page that a machine may have. Sizes above this machine's own are multiples of it, so that they can
//! be mapped here.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::super::plain::Known;
use super::super::ring::START;
use super::super::ring::consumer::Consumer;
use super::super::ring::producer::Producer;
use super::super::view::{Rings, View};
use super::*;
use crate::error::RecvError;

fn layout(header_bytes: u64, capacity: u64) -> RegionLayout {
    RegionLayout { header_bytes, capacity, nonce: 7 }
}

fn pages() -> impl Iterator<Item = u64> {
    [4 << 10, 16 << 10, 64 << 10].into_iter().filter(|&page| page >= page_bytes())
}

/// One end: its own region, and the other's.
struct End {
    own: Own,
    theirs: Theirs,
    known: Known,
    sent: AtomicBool,
}

impl Rings for End {
    fn ring(&self, _: Word) {}
    fn hush(&self, _: Word) {}
}

/// Two ends of this process.
fn ends(layout: RegionLayout) -> [Arc<End>; 2] {
    let regions = [0, 1].map(|_| Own::create(layout, &mut || {}).expect("there is memory"));
    let handed_over = |own: &Own| own.memfd().try_clone_to_owned().expect("a descriptor");
    let [first, second] = [1, 0].map(|other| {
        Theirs::open(handed_over(&regions[other]), layout, &mut || {}).expect("nothing is wrong with it")
    });
    let [here, there] = regions;
    [(here, first), (there, second)].map(|(own, theirs)| {
        Arc::new(End { own, theirs, known: Known::default(), sent: AtomicBool::new(false) })
    })
}

fn view(end: &Arc<End>) -> View<End> {
    View::new(end.clone(), |end| (&end.own, &end.theirs, &end.known, &end.sent), false)
}

#[test]
fn messages_go_through_regions_of_every_size_of_page() {
    for page in pages() {
        let [here, there] = ends(layout(page, page));
        let longest = page as usize / 2 - 8;
        let mut sender = Producer::new(view(&here), page, START);
        let mut receiver = Consumer::new(view(&there), page, longest, START);
        let mut buffer = vec![0; longest];
        // The ring wraps several times, at every multiple of 8.
        for number in 0..200_usize {
            let message = vec![number as u8; number * 8 % (longest + 1)];
            sender.stage(&message).expect("there is room");
            sender.publish();
            let len = receiver.try_recv(&mut buffer[..], &mut 0, false).expect("it was published");
            assert!(buffer[..len] == message, "pages of {page} bytes, message {number}");
        }
        let outcome = receiver.try_recv(&mut buffer[..], &mut 0, false);
        assert!(matches!(outcome, Err(RecvError::Empty)), "{outcome:?}");
    }
}

#[test]
fn a_region_is_refused_by_name_where_pages_have_another_size() {
    for (theirs, mine) in pages().flat_map(|theirs| pages().map(move |mine| (theirs, mine))) {
        let own = Own::create(layout(theirs, 64 << 10), &mut || {}).expect("there is memory");
        let memfd = own.memfd().try_clone_to_owned().expect("a descriptor");
        match Theirs::open(memfd, layout(mine, 64 << 10), &mut || {}) {
            Ok(_) => assert_eq!(theirs, mine),
            Err(ConnectError::Refused { field, why }) => {
                assert_ne!(theirs, mine);
                assert_eq!(field, "region header and page size");
                assert!(why.contains(&format!("{theirs} ")) && why.contains(&format!("{mine} ")), "{why}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}
