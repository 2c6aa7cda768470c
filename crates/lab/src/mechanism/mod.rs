//! What the lab knows of each mechanism, one file a mechanism: the words about it, how two ends meet, which descriptors
//! they are, what can be read of them from outside, and what an overwrite shows.
//!
//! Everything else in the lab asks [`of`], and knows no mechanism by name. A [`LabMechanism`] is written out
//! in full, so a mechanism that leaves out an answer does not compile. Nothing here is called from a measured loop.

mod gauges;
mod lab_mechanism;
mod pipe;
mod region;
mod shm;
mod tcp;
mod unix;
mod window;

use std::io;

use crossing::Kind;

pub(crate) use self::gauges::Gauges;
use self::lab_mechanism::Carried;
pub(crate) use self::lab_mechanism::{LabMechanism, Meets, Overwrite, Overwritten, SCRIBBLE};
use self::window::Window;
use crate::scene::{Scene, ScenePart};

/// What the lab knows of `kind`.
pub(crate) const fn of(kind: Kind) -> &'static LabMechanism {
    match kind {
        Kind::Shm => &shm::SHM,
        Kind::Pipe => &pipe::PIPE,
        Kind::Unix => &unix::UNIX,
        Kind::Tcp => &tcp::TCP,
    }
}

/// The mechanism that a kind of edge between other programs is, or that is nearest to it, and whether it is that itself.
pub(crate) fn of_edge(edge: &str) -> Option<(Kind, bool)> {
    let all = || Kind::ALL.into_iter();
    let own = all().find(|&kind| of(kind).own_edges.contains(&edge)).map(|kind| (kind, true));
    own.or_else(|| all().find(|&kind| of(kind).near_edges.contains(&edge)).map(|kind| (kind, false)))
}

impl Scene {
    /// The story of one of our mechanisms: its design, as crossing holds it, and the words about it.
    pub fn of(kind: Kind) -> Scene {
        let design = kind.scene();
        (of(kind).words)(Scene {
            kind: kind.to_string(),
            duplex: design.duplex,
            cross_host: design.cross_host,
            stage: design
                .stage
                .iter()
                .map(|part| ScenePart { part: part.clone(), gauges: vec![], level: None })
                .collect(),
            steps: design.steps.to_vec(),
            budgets: design.budgets.to_vec(),
            ..Scene::default()
        })
    }
}

/// The gauges of the channel between two processes, `path` being where they met, if at one.
///
/// # Errors
/// When the kernel does not let us look.
pub(crate) fn gauges(kind: Kind, size: usize, pids: [u32; 2], path: Option<String>) -> io::Result<Gauges> {
    let LabMechanism { ends, gauges, .. } = of(kind);
    Ok(Gauges::new(*gauges, size, pids, Window::open_both(kind, ends, pids)?, path))
}

/// What a device carries for the two processes of a channel: seen from the sender, and from the receiver. `None` where
/// no device takes part, or the kernel does not let us ask.
pub(crate) fn carried(kind: Kind, pids: [u32; 2]) -> Option<[Carried; 2]> {
    let LabMechanism { ends, carried, .. } = of(kind);
    let carried = (*carried)?;
    let windows = Window::open_both(kind, ends, pids).ok()?;
    let [sender, receiver] = windows.map(|window| carried(&window.take(window.outbound).ok()?));
    Some([sender?, receiver?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Gauge;

    fn gauges_of(kind: Kind) -> Vec<Gauge> {
        Scene::of(kind).stage.into_iter().flat_map(|part| part.gauges).collect()
    }

    #[test]
    fn counters_are_gauges_of_the_scene() {
        for kind in Kind::ALL {
            let named = gauges_of(kind);
            for counter in of(kind).gauges.counters {
                assert!(named.iter().any(|gauge| gauge.field == *counter), "{kind}: no gauge `{counter}`");
            }
        }
    }

    #[test]
    fn a_level_is_told_by_gauges_of_its_part_in_bytes() {
        let mut filled = 0;
        for kind in Kind::ALL {
            for ScenePart { part, gauges, level } in Scene::of(kind).stage {
                let Some(level) = level else { continue };
                for field in [level.held, level.size] {
                    let told = gauges.iter().any(|gauge| gauge.field == field && gauge.unit == "B");
                    assert!(told, "{kind}: `{}` has no gauge `{field}`", part.id);
                }
                filled += 1;
            }
        }
        assert!(filled > 0);
    }

    #[test]
    fn an_edge_is_one_mechanism_or_nearest_to_one() {
        let listed = |kind: Kind| of(kind).own_edges.iter().chain(of(kind).near_edges);
        let mut all: Vec<&str> = Kind::ALL.into_iter().flat_map(listed).copied().collect();
        for edge in &all {
            let (kind, own) = of_edge(edge).unwrap();
            assert_eq!(of(kind).own_edges.contains(edge), own, "{edge}");
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "no edge is two mechanisms");
        assert_eq!(of_edge("carrier-pigeon"), None);
    }

    /// In the kernel, as in the ring, a sender looks for room before it copies.
    #[test]
    fn a_sender_sleeps_for_want_of_room_before_the_message_is_copied() {
        for kind in Kind::ALL {
            let steps = Scene::of(kind).steps;
            let place = |found: &dyn Fn(&crate::scene::Step) -> bool| steps.iter().position(found);
            let full = place(&|step| step.when == crate::scene::When::Full).unwrap();
            let copied = place(&|step| {
                step.id != "full"
                    && step.effects.iter().any(|e| matches!(e, crate::scene::Effect::Add { .. }))
                    || step.act == crate::scene::Act::Copy
            });
            assert!(Some(full) < copied, "{kind}");
        }
    }

    #[test]
    fn something_of_every_mechanism_is_overwritten_if_its_scene_says_so() {
        for kind in Kind::ALL {
            let tried =
                Scene::of(kind).experiments.iter().any(|experiment| experiment.id == "copied-or-shared");
            assert_eq!(!of(kind).overwrites.is_empty(), tried, "{kind}");
        }
    }
}
