//! Market data, of which only the newest counts: `cargo run -p crossing --example feed`
//!
//! The sender makes quotes in bursts, and never waits for its reader: if the channel is full, the quote
//! is dropped. The reader takes a while for each quote; `recv_latest` then steps over those that have
//! become old, and takes the newest. None goes uncounted: the quotes are numbered, so a gap shows what was
//! dropped.

use std::env;
use std::error::Error;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crossing::{Config, Endpoint, Kind, SendError, Spawn};

/// How many quotes the sender makes.
const QUOTES: u64 = 200_000;
/// How many come at once.
const BURST: u64 = 1000;
/// How long the reader takes for one.
const WORK: Duration = Duration::from_millis(2);
/// A hang becomes an error.
const LIMIT: Duration = Duration::from_secs(30);

/// A quote, as three numbers of 8 bytes.
struct Quote {
    number: u64,
    cents: u64,
    /// How many of those before it were dropped, by the sender's own count.
    dropped: u64,
}

impl Quote {
    const BYTES: usize = 24;

    fn to_bytes(&self) -> Vec<u8> {
        [self.number, self.cents, self.dropped].map(u64::to_le_bytes).concat()
    }

    fn from_bytes(bytes: &[u8; Quote::BYTES]) -> Quote {
        let field = |at| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        Quote { number: field(0), cents: field(8), dropped: field(16) }
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
    let mut feed = Endpoint::inherited()?.connect(&Config::small())?;
    let mut dropped = 0;
    for number in 1..=QUOTES {
        let quote = Quote { number, cents: price(number), dropped }.to_bytes();
        // The last one is waited for, so that the reader ends with the newest.
        let outcome = if number < QUOTES { feed.try_send(&quote) } else { feed.send(&quote) };
        match outcome {
            Ok(()) => {}
            Err(SendError::Full) => dropped += 1,
            Err(error) => return Err(error.into()),
        }
        if number % BURST == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

fn follow() -> Result<(), Box<dyn Error>> {
    let (here, there) = Endpoint::pair(Kind::Shm)?;
    let mut command = Command::new(env::current_exe()?);
    command.arg("publish");
    let _publisher = Spawn::new(command).give_unnamed(there).kill_on_drop(true).spawn()?;
    let mut feed = here.connect(&Config::small())?;

    let (mut used, mut skipped, mut dropped, mut last) = (0, 0, 0, 0);
    let mut bytes = [0; Quote::BYTES];
    while last < QUOTES {
        let passed = feed.recv_latest_timeout(&mut bytes, LIMIT)?.passed as u64;
        let quote = Quote::from_bytes(&bytes);
        used += 1;
        skipped += passed;
        // What is missing between two quotes was skipped here, or dropped over there.
        dropped += quote.number - last - 1 - passed;
        last = quote.number;
        assert_eq!((quote.cents, quote.dropped), (price(last), dropped));
        thread::sleep(WORK);
    }
    println!("{QUOTES} quotes: {used} used, {skipped} skipped as old, {dropped} dropped by the sender");
    assert_eq!(used + skipped + dropped, QUOTES);
    Ok(())
}
