//! Market data, of which only the newest counts: `cargo run -p crossing --example feed`
//!
//! The sender makes quotes in bursts, and never waits for its reader: if the channel is full, the quote
//! is dropped. The reader takes a while for each quote. It skips those that have become old
//! meanwhile, and takes the newest. None goes uncounted: each quote has a number, so a gap shows what was
//! dropped.

use std::env;
use std::error::Error;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crossing::{Config, Connection, Endpoint, Kind, RecvError, SendError, Spawn};

/// How many quotes the sender makes.
const QUOTES: u64 = 200_000;
/// How many come at once.
const BURST: u64 = 1000;
/// How long the reader takes for one.
const WORK: Duration = Duration::from_millis(2);

/// A quote as it goes over the channel: its number, and the price in cents.
#[derive(Clone, Copy)]
struct Quote {
    number: u64,
    cents: u64,
}

impl Quote {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..].copy_from_slice(&self.cents.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; 16]) -> Quote {
        let [number, cents] =
            [0, 8].map(|at| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte])));
        Quote { number, cents }
    }
}

/// The price of each quote: anything that can be checked.
fn price(number: u64) -> u64 {
    10_000 + number * 7919 % 500
}

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).is_some() { publish() } else { follow() }
}

fn publish() -> Result<(), Box<dyn Error>> {
    let mut connection = Endpoint::inherited()?.connect(&Config::small())?;
    let mut dropped = 0_u64;
    for number in 1..=QUOTES {
        let quote = Quote { number, cents: price(number) }.to_bytes();
        // The last one is waited for, so that the reader ends with the newest.
        let outcome = if number < QUOTES { connection.try_send(&quote) } else { connection.send(&quote) };
        match outcome {
            Ok(()) => {}
            Err(SendError::Full) => dropped += 1,
            Err(error) => return Err(error.into()),
        }
        if number % BURST == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    connection.send(&dropped.to_le_bytes())?;
    Ok(())
}

fn follow() -> Result<(), Box<dyn Error>> {
    let (here, there) = Endpoint::pair(Kind::Shm)?;
    let mut command = Command::new(env::current_exe()?);
    command.arg("publish");
    let _process = Spawn::new(command).give_unnamed(there).kill_on_drop(true).spawn()?;
    let mut feed = here.connect(&Config::small())?;

    let (mut used, mut skipped, mut dropped, mut last) = (0, 0, 0, 0);
    while last < QUOTES {
        let (quote, older) = newest(&mut feed)?;
        assert_eq!(quote.cents, price(quote.number));
        used += 1;
        skipped += older;
        // What is missing between two quotes was skipped here, or dropped over there.
        dropped += quote.number - last - 1 - older;
        last = quote.number;
        thread::sleep(WORK);
    }
    println!("{QUOTES} quotes: {used} used, {skipped} skipped as old, {dropped} dropped by the sender");

    let mut said = [0; 8];
    feed.recv(&mut said)?;
    assert_eq!(dropped, u64::from_le_bytes(said), "the sender counts what the gaps show");
    assert_eq!(used + skipped + dropped, QUOTES);
    Ok(())
}

/// Waits for a quote, and takes the newest that is there. How many older ones it has skipped.
fn newest(feed: &mut Connection) -> Result<(Quote, u64), RecvError> {
    let mut bytes = [0; 16];
    feed.recv(&mut bytes)?;
    let mut skipped = 0;
    loop {
        let quote = Quote::from_bytes(bytes);
        if quote.number == QUOTES {
            return Ok((quote, skipped));
        }
        match feed.try_recv(&mut bytes) {
            Ok(_) => skipped += 1,
            Err(RecvError::Empty) => return Ok((quote, skipped)),
            Err(error) => return Err(error),
        }
    }
}
