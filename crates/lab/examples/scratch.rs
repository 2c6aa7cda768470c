//! scratch
use crossing::{Kind, WaitStrategy};
use lab::plan::Placement;
use lab::probe::*;
use std::sync::atomic::AtomicBool;
fn main() {
    if std::env::args().nth(1).as_deref() == Some("copies") {
        return copies();
    }
    if std::env::args().nth(1).as_deref() == Some("count") {
        return count();
    }
    if std::env::args().nth(1).as_deref() == Some("worker") {
        lab::worker_main();
        return;
    }
    let stop = AtomicBool::new(false);
    for placement in [Placement::CrossCore, Placement::SameCore] {
        for wait in [WaitStrategy::Spin, WaitStrategy::Block, WaitStrategy::HYBRID] {
            for kind in Kind::ALL {
                let t = std::time::Instant::now();
                let mut bench = Bench::start(&Setup::new(kind, wait, placement), &stop).unwrap();
                bench.send(100, &stop).unwrap();
                let t1 = std::time::Instant::now();
                let plain = bench.send(1000, &stop).unwrap();
                let t2 = std::time::Instant::now();
                let (seen, row) = calls::trace(&mut bench, 1000, &stop).unwrap().unwrap();
                let t3 = std::time::Instant::now();
                println!(
                    "{kind} {wait} {placement}: start {:?} plain {:?} p50 {:?} pauses {}; traced {:?} {:?} {}",
                    t1 - t,
                    t2 - t1,
                    plain.flight_ns_p50,
                    plain.pauses,
                    t3 - t2,
                    row.flight_ns_p50,
                    row.pauses
                );
                for side in seen {
                    let mut m = std::collections::BTreeMap::new();
                    for c in &side {
                        *m.entry(c.name()).or_insert(0) += 1;
                    }
                    println!("   {m:?}");
                }
            }
        }
    }
}
fn count() {
    use lab::probe::counters::*;
    let stop = AtomicBool::new(false);
    let tracefs = tracefs::Tracefs::open().unwrap();
    println!("{}", tracefs.place);
    for placement in [Placement::CrossCore, Placement::SameCore] {
        for wait in [WaitStrategy::Spin, WaitStrategy::Block] {
            for kind in Kind::ALL {
                let mut bench = Bench::start(&Setup::new(kind, wait, placement), &stop).unwrap();
                let t = std::time::Instant::now();
                let plain = bench.send(1000, &stop).unwrap();
                let c = Counters::attach(&mut bench, &tracefs, &stop).unwrap().unwrap();
                let (a, ra) = c.row(&mut bench, 1000, &stop).unwrap().unwrap();
                let (b, _rb) = c.row(&mut bench, 2000, &stop).unwrap().unwrap();
                let per = per_message(&a, &b, 1000);
                println!(
                    "{kind} {wait} {placement} {:?} flight {:?} -> {:?}",
                    t.elapsed(),
                    plain.flight_ns_p50,
                    ra.flight_ns_p50
                );
                println!("   {:?}\n   {:?}", calls_of(0, &per), calls_of(1, &per));
                for (s, v) in &per {
                    if !matches!(s, Subject::Call(..)) {
                        print!(" {s:?}={v}");
                    }
                }
                println!();
            }
        }
    }
}
fn copies() {
    let stop = AtomicBool::new(false);
    let tracefs = tracefs::Tracefs::open().unwrap();
    for placement in [Placement::SameCore, Placement::CrossCore] {
        for wait in [WaitStrategy::Block, WaitStrategy::Spin] {
            for kind in Kind::ALL {
                let t = std::time::Instant::now();
                match copies::prove(&Setup::new(kind, wait, placement), Some(&tracefs), &stop) {
                    Ok(Ok(proof)) => {
                        println!(
                            "{kind} {wait} {placement} {:?} copies {:?} whole {} lives {} flight {:?}",
                            t.elapsed(),
                            proof.copies_per_message(),
                            proof.whole,
                            proof.lives.len(),
                            proof.flight_ns_p50
                        );
                        for (p, a) in &proof.places {
                            println!("    {p:?} {a:#x}");
                        }
                        if let Some(life) = proof.lives.last() {
                            for t in &life.touches {
                                println!(
                                    "      {:>8} {:?} {:?} {:?} {:?}",
                                    t.t_ns - life.window.0,
                                    t.side,
                                    t.place,
                                    t.function,
                                    t.stack.iter().take(4).collect::<Vec<_>>()
                                );
                            }
                        }
                    }
                    other => println!("{kind} {wait} {placement}: {:?}", other.err()),
                }
            }
        }
    }
}
