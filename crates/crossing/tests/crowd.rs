//! Thirty-two pairs on however few cores there are: no pair's polling keeps the others from
//! running.
//!
//! How fair it is follows from the scheduler, and is printed, not asserted: how many round trips each pair did in the same
//! time.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossing::{Config, Connection, Kind, RecvError, WaitStrategy};

const PAIRS: usize = 32;
/// How long they go on.
const TIME: Duration = Duration::from_secs(1);

/// The round trips of each pair.
fn crowd(kind: Kind) -> Vec<u64> {
    let config = Config::default().wait(WaitStrategy::HYBRID).max_message(64);
    let (ready, over) = (&Barrier::new(2 * PAIRS + 1), &AtomicBool::new(false));
    thread::scope(|scope| {
        let pair = |_| {
            let (mut here, mut there) = Connection::pair(kind, &config).expect("a pair");
            scope.spawn(move || {
                let mut buffer = [0; 64];
                ready.wait();
                loop {
                    match there.recv(&mut buffer) {
                        Ok(len) => there.send(&buffer[..len]).expect("the other end receives"),
                        Err(RecvError::Disconnected) => return,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            scope.spawn(move || {
                let mut buffer = [0; 64];
                let mut trips = 0_u64;
                ready.wait();
                while !over.load(Ordering::Relaxed) || trips == 0 {
                    here.send(&trips.to_le_bytes()).expect("the other end receives");
                    assert_eq!(here.recv(&mut buffer).expect("it comes back"), 8);
                    assert_eq!(buffer[..8], trips.to_le_bytes());
                    trips += 1;
                }
                trips
            })
        };
        let pairs: Vec<_> = (0..PAIRS).map(pair).collect();
        ready.wait();
        thread::sleep(TIME);
        over.store(true, Ordering::Relaxed);
        pairs.into_iter().map(|pair| pair.join().expect("no pair is left behind")).collect()
    })
}

#[test]
fn thirty_two_pairs_share_the_cores() {
    for kind in Kind::ALL {
        let mut done = crowd(kind);
        done.sort_unstable();
        // Jain's index: 1 when all have the same, 1/n when one has everything.
        let (sum, squares) = done.iter().fold((0.0, 0.0), |(sum, squares), &trips| {
            (sum + trips as f64, squares + (trips as f64).powi(2))
        });
        let fairness = sum * sum / (PAIRS as f64 * squares);
        let (least, median, most) = (done[0], done[PAIRS / 2], done[PAIRS - 1]);
        eprintln!(
            "crowd: {kind}: {least} to {most} round trips a pair, median {median}; fairness {fairness:.2}"
        );
    }
}
