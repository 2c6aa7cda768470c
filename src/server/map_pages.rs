//! The pages that look at the map, and what they have been told. [`super::map`] takes maps, and opens and closes the pages'
//! sockets.

use std::sync::{Mutex, MutexGuard, PoisonError};

use atlas::{ProgramMap, Scope};
use axum::extract::ws::Utf8Bytes;
use serde_json::json;
use tokio::sync::broadcast;

use super::drawn::DrawnMap;

/// Changes that a slow page may be behind before it gets the whole map again.
const BEHIND: usize = 8;

/// The pages that look at the map, and what they have been told.
#[derive(Debug)]
pub(crate) struct MapPages {
    now: Mutex<MapNow>,
    frames: broadcast::Sender<Utf8Bytes>,
    /// One taking at a time, for pages and scripts together.
    turn: Mutex<()>,
}

#[derive(Debug, Default)]
pub(super) struct MapNow {
    pub(super) pages: usize,
    seq: u64,
    /// Whether a task takes maps.
    pub(super) taken: bool,
    /// The last frame but for changes of the map: why none is taken.
    paused: Option<&'static str>,
    last: Option<DrawnMap>,
}

impl MapPages {
    pub(super) fn new() -> MapPages {
        MapPages { now: Mutex::default(), frames: broadcast::channel(BEHIND).0, turn: Mutex::default() }
    }

    pub(super) fn now(&self) -> MutexGuard<'_, MapNow> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> ProgramMap {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        ProgramMap::take(&Scope::All)
    }

    /// What follows from now on, and what there is to be told before it. Both under one lock, so that no frame falls between.
    pub(super) fn follow(&self) -> (broadcast::Receiver<Utf8Bytes>, Vec<Utf8Bytes>) {
        let now = self.now();
        let whole = now.last.as_ref().map(|last| last.snapshot(now.seq).into());
        let paused = now.paused.map(|why| paused(now.seq, Some(why)));
        (self.frames.subscribe(), whole.into_iter().chain(paused).collect())
    }

    /// Tells every page why no map is taken, or that they are taken again; once.
    pub(super) fn pause(&self, why: Option<&'static str>) {
        let mut now = self.now();
        if now.paused != why {
            now.paused = why;
            now.seq += 1;
            let _ = self.frames.send(paused(now.seq, why));
        }
    }

    /// Tells every page what has changed.
    pub(super) fn tell(&self, map: DrawnMap) {
        let mut now = self.now();
        now.seq += 1;
        let frame = match &now.last {
            Some(before) => map.change(before, now.seq),
            None => map.snapshot(now.seq),
        };
        now.last = Some(map);
        // An error means that no page looks.
        let _ = self.frames.send(frame.into());
    }

    /// Whether no page looks any more; then all is forgotten.
    pub(super) fn is_left(&self) -> bool {
        let mut now = self.now();
        let left = now.pages == 0;
        if left {
            *now = MapNow { seq: now.seq, ..MapNow::default() };
        }
        left
    }
}

fn paused(seq: u64, why: Option<&'static str>) -> Utf8Bytes {
    json!({ "is": "paused", "seq": seq, "why": why }).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_comes_later_gets_the_whole_map_and_one_that_was_there_the_change() {
        let pages = MapPages::new();
        let is = |frame: &Utf8Bytes| serde_json::from_str::<serde_json::Value>(frame).unwrap()["is"].clone();
        let map = || DrawnMap::of(&pages.take(), 1_000);
        pages.now().pages = 1;
        let (mut first, told) = pages.follow();
        assert!(told.is_empty());
        pages.tell(map());
        pages.tell(map());
        assert_eq!(
            [first.try_recv().unwrap(), first.try_recv().unwrap()].each_ref().map(is),
            ["snapshot", "change"]
        );
        pages.pause(Some("a race"));
        pages.pause(Some("a race"));
        let (_, told) = pages.follow();
        assert_eq!(told.iter().map(is).collect::<Vec<_>>(), ["snapshot", "paused"]);
        assert_eq!(is(&first.try_recv().unwrap()), "paused");
        assert!(first.try_recv().is_err(), "it is said once");
        assert!(!pages.is_left());
        pages.now().pages = 0;
        assert!(pages.is_left() && pages.now().last.is_none(), "nothing is kept for no page");
    }
}
