//! From which size each form pays, on this machine: `cargo run --release -p crossing --example forms`
//!
//! One thread sends some messages and receives them, by each form in turn, for many rounds. So it measures what the calls and
//! the copies cost, not the way between two cores. Each figure is the median of the rounds, in nanoseconds a message.

use std::hint::black_box;
use std::io::IoSlice;
use std::time::Instant;

use crossing::{Config, Connection, Error, Kind, Mechanism, Shm, Unix};

const SIZES: [usize; 7] = [16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 60 << 10];
const ROUNDS: usize = 400;
/// Bytes of messages that are sent before they are received: any channel has room for them.
const BATCH_BYTES: usize = 24 << 10;

/// What each form is given.
struct Bench<M: Mechanism> {
    here: Connection<M>,
    there: Connection<M>,
    message: Vec<u8>,
    buffer: Vec<u8>,
    vec: Vec<u8>,
    count: usize,
}

impl<M: Mechanism> Bench<M> {
    fn new(kind: Kind, size: usize) -> Result<Self, Error> {
        let (here, there) = Connection::pair_as(kind, &Config::default())?;
        let (message, buffer, vec) = (vec![7; size], vec![0; size], Vec::new());
        Ok(Bench { here, there, message, buffer, vec, count: (BATCH_BYTES / size).clamp(1, 64) })
    }

    fn send(&mut self) -> Result<(), Error> {
        (0..self.count).try_for_each(|_| self.here.send(black_box(&self.message)))?;
        Ok(())
    }

    fn recv(&mut self) -> Result<(), Error> {
        for _ in 0..self.count {
            black_box(self.there.recv(&mut self.buffer)?);
        }
        Ok(())
    }
}

type Form<M> = (&'static str, fn(&mut Bench<M>) -> Result<(), Error>);

fn forms<M: Mechanism>() -> [Form<M>; 13] {
    [
        ("send, recv", |it| {
            it.send()?;
            it.recv()
        }),
        ("send, recv_vec", |it| {
            it.send()?;
            for _ in 0..it.count {
                black_box(it.there.recv_vec(&mut it.vec)?);
            }
            Ok(())
        }),
        ("send, recv_vec into a new one", |it| {
            it.send()?;
            for _ in 0..it.count {
                it.vec = Vec::new();
                black_box(it.there.recv_vec(&mut it.vec)?);
            }
            Ok(())
        }),
        ("send, messages", |it| {
            it.send()?;
            for message in it.there.messages().take(it.count) {
                black_box(message?);
            }
            Ok(())
        }),
        ("send, next_ref", |it| {
            it.send()?;
            let mut messages = it.there.messages();
            for _ in 0..it.count {
                black_box(messages.next_ref().transpose()?);
            }
            Ok(())
        }),
        ("send, skip", |it| {
            it.send()?;
            for _ in 0..it.count {
                black_box(it.there.skip()?);
            }
            Ok(())
        }),
        ("send, recv_latest of all", |it| {
            it.send()?;
            let latest = it.there.recv_latest(&mut it.buffer)?;
            assert_eq!(latest.passed + 1, it.count);
            Ok(())
        }),
        ("send, pending, recv", |it| {
            it.send()?;
            black_box(it.there.pending()?);
            it.recv()
        }),
        ("put together, send, recv", |it| {
            let (header, payload) = it.message.split_at(16);
            for _ in 0..it.count {
                it.vec.clear();
                it.vec.extend_from_slice(black_box(header));
                it.vec.extend_from_slice(black_box(payload));
                it.here.send(&it.vec)?;
            }
            it.recv()
        }),
        ("send_vectored, recv", |it| {
            let (header, payload) = it.message.split_at(16);
            for _ in 0..it.count {
                it.here.send_vectored(black_box(&[IoSlice::new(header), IoSlice::new(payload)]))?;
            }
            it.recv()
        }),
        ("cork, recv", |it| {
            let mut cork = it.here.sender().cork();
            (0..it.count).try_for_each(|_| cork.send(black_box(&it.message)))?;
            cork.flush()?;
            drop(cork);
            it.recv()
        }),
        ("cork and claim, recv", |it| {
            let mut cork = it.here.sender().cork();
            for _ in 0..it.count {
                let mut claim = cork.claim(it.message.len())?;
                claim.copy_from_slice(black_box(&it.message));
                claim.commit()?;
            }
            cork.flush()?;
            drop(cork);
            it.recv()
        }),
        ("claim, recv", |it| {
            for _ in 0..it.count {
                let mut claim = it.here.claim(it.message.len())?;
                claim.copy_from_slice(black_box(&it.message));
                claim.commit()?;
            }
            it.recv()
        }),
    ]
}

fn measure<M: Mechanism>(kind: Kind) -> Result<(), Error> {
    let mut rows: Vec<String> = forms::<M>().iter().map(|(name, _)| format!("| {name} |")).collect();
    for size in SIZES {
        let mut bench = Bench::new(kind, size)?;
        let mut times = vec![Vec::with_capacity(ROUNDS); rows.len()];
        for round in 0..ROUNDS {
            for (index, (_, form)) in forms::<M>().into_iter().enumerate() {
                let began = Instant::now();
                form(&mut bench)?;
                // The first rounds bring the memory in.
                if round >= ROUNDS / 10 {
                    times[index].push(began.elapsed().as_secs_f64() * 1e9 / bench.count as f64);
                }
            }
        }
        for (row, mut times) in rows.iter_mut().zip(times) {
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            row.push_str(&if median < 99.5 { format!(" {median:.1} |") } else { format!(" {median:.0} |") });
        }
    }
    println!("| {kind}, ns a message |{}", SIZES.map(|size| format!(" {size} B |")).concat());
    println!("|---|{}", "--:|".repeat(SIZES.len()));
    rows.into_iter().for_each(|row| println!("{row}"));
    println!();
    Ok(())
}

fn main() -> Result<(), Error> {
    measure::<Shm>(Kind::Shm)?;
    measure::<Unix>(Kind::Unix)
}
