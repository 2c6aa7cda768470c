//! Camera frames from one process to another: `cargo run --release -p crossing --example frames`
//!
//! A frame has 1920 × 1080 pixels of 4 bytes: 8.3 MB. It goes three ways, and each frame is checked by its
//! checksum when it has arrived:
//!
//! - `send`: copied into the ring, and copied out of it by `recv`.
//! - `claim`: made in the ring itself, and copied out by `recv`.
//! - blob: made in memory of its own, which is sealed and then passed on. Nothing is copied, and no
//!   process can write to it any more: so it can be read in place, even from a camera you do not trust.
//!   But that memory is new for each frame, which the figures show.

use std::env;
use std::error::Error;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crossing::{BlobMut, Config, Connection, Endpoint, Kind, Shm, Spawn};

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;
/// The pixels, and before them the checksum.
const BYTES: usize = 8 + WIDTH * HEIGHT * 4;
/// How many frames go each way.
const FRAMES: u32 = 20;
const LIMIT: Duration = Duration::from_secs(30);

fn config() -> Config {
    Config::default().max_message(BYTES) // the ring holds two of them
}

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).is_some() { film() } else { watch() }
}

/// The camera.
fn film() -> Result<(), Box<dyn Error>> {
    let connection = Endpoint::inherited()?.connect_as::<Shm>(&config())?;
    let (mut sender, mut receiver) = connection.split();
    let mut wait_for_go = || receiver.recv_timeout(&mut [0; 8], LIMIT);

    wait_for_go()?;
    let mut frame = vec![0; BYTES];
    for number in 0..FRAMES {
        draw(number, &mut frame);
        sender.send(&frame)?;
    }
    wait_for_go()?;
    for number in 0..FRAMES {
        let mut claim = sender.claim(BYTES)?;
        draw(number, &mut claim);
        claim.commit()?;
    }
    wait_for_go()?;
    for number in 0..FRAMES {
        let mut frame = BlobMut::new(BYTES)?;
        draw(number, &mut frame);
        sender.send_blob(&frame.seal()?)?;
    }
    wait_for_go()?;
    Ok(())
}

/// The program that wants the frames.
fn watch() -> Result<(), Box<dyn Error>> {
    let (here, there) = Endpoint::pair(Kind::Shm)?;
    let mut command = Command::new(env::current_exe()?);
    command.arg("film");
    let _camera = Spawn::new(command).give_unnamed(there).kill_on_drop(true).spawn()?;
    let mut connection = here.connect_as::<Shm>(&config())?;

    println!("{FRAMES} frames of {BYTES} bytes, on {}", machine());
    let mut copy = vec![0; BYTES];
    for way in ["send, recv", "claim, recv"] {
        timed(way, &mut connection, |connection| {
            let len = connection.recv_timeout(&mut copy, LIMIT)?;
            Ok(checksum_holds(&copy[..len]))
        })?;
    }
    timed("send_blob, recv_blob", &mut connection, |connection| {
        let frame = connection.recv_blob_timeout(LIMIT)?;
        Ok(checksum_holds(&frame))
    })?;
    connection.send(b"go")?;
    Ok(())
}

/// Receives all frames of one way. The time has everything in it: a frame is drawn, goes over, and is checked.
fn timed(
    way: &str,
    connection: &mut Connection<Shm>,
    mut receive: impl FnMut(&mut Connection<Shm>) -> Result<bool, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    connection.send(b"go")?;
    let began = Instant::now();
    for number in 0..FRAMES {
        assert!(receive(connection)?, "{way}: frame {number} is not what was drawn");
    }
    let each = began.elapsed() / FRAMES;
    println!("{way:>20}: {:5.2} ms a frame, drawn and checked", each.as_secs_f64() * 1e3);
    Ok(())
}

fn draw(number: u32, frame: &mut [u8]) {
    for (row, pixels) in frame[8..].chunks_exact_mut(WIDTH * 4).enumerate() {
        pixels.fill((number as usize + row) as u8);
    }
    let sum = checksum(&frame[8..]);
    frame[..8].copy_from_slice(&sum.to_le_bytes());
}

fn checksum_holds(frame: &[u8]) -> bool {
    frame.len() == BYTES && frame[..8] == checksum(&frame[8..]).to_le_bytes()
}

fn checksum(pixels: &[u8]) -> u64 {
    // Two at a time. Where a pixel stands counts, too.
    pixels.chunks_exact(8).fold(0, |sum: u64, two| {
        sum.rotate_left(1) ^ u64::from_ne_bytes(two.try_into().expect("eight bytes"))
    })
}

/// The name of this machine and of its processor.
fn machine() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let facts = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = facts.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{} ({})", name.trim(), model.map_or("processor unknown", |(_, model)| model))
}
