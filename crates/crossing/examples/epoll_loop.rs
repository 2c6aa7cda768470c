//! A connection and a timer in a loop of bare epoll(7): `cargo run -p crossing --example epoll_loop`
//!
//! A child says something now and then, over shared memory. The parent waits for it and for a timer in one
//! epoll, once of each kind:
//!
//! - *Level-triggered*, the default: the kernel tells of a descriptor for as long as it is ready.
//! - *Edge-triggered*, `EPOLLET`: the kernel tells when a descriptor becomes ready, and not again. You must
//!   take everything, or keep in mind that there is more.
//!
//! A half of a connection wants the same of either, because what the descriptor shows is not what there is to
//! receive: the messages stand in shared memory, or have come with the last read. Call the non-blocking
//! form until it says `Empty`, arm the half, and go to sleep only if that says `Wait`. While it is not
//! armed, the peer makes no system call to tell it anything.

use std::env;
use std::error::Error;
use std::mem::MaybeUninit;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crossing::{Config, Connection, Endpoint, Kind, Ready, RecvError, Spawn};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
const LIMIT: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };
/// How many messages the child sends: ten bursts of a hundred.
const MESSAGES: usize = 1000;

/// What the kernel gives back with each event, to say which of them it is.
const TIMER: u64 = 0;
const CHILD: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).is_some() {
        return child();
    }
    run("level-triggered", epoll::EventFlags::IN)?;
    run("edge-triggered", epoll::EventFlags::IN | epoll::EventFlags::ET)
}

fn run(name: &str, flags: epoll::EventFlags) -> Result<(), Box<dyn Error>> {
    let (here, there) = Endpoint::pair(Kind::Shm)?;
    let mut command = Command::new(env::current_exe()?);
    command.arg("child");
    let _process = Spawn::new(command).give_unnamed(there).kill_on_drop(true).spawn()?;
    let mut connection = here.connect(&Config::default())?;

    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let every = Itimerspec { it_interval: TICK, it_value: TICK };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every)?;

    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), flags)?;
    epoll::add(&epoll, &connection, epoll::EventData::new_u64(CHILD), flags)?;

    let (mut messages, mut ticks, mut wake_ups) = (0, 0, 0);
    // Before the first sleep, too: messages may be there already.
    let mut is_open = receive(&mut connection, &mut messages)?;
    while is_open {
        let mut events = [const { MaybeUninit::uninit() }; 8];
        let events = match epoll::wait(&epoll, &mut events[..], Some(&LIMIT)) {
            Err(Errno::INTR) => continue, // by a signal
            waited => waited?.0,
        };
        if events.is_empty() {
            return Err("nothing has happened for 30 s".into());
        }
        wake_ups += 1;
        for event in &*events {
            match event.data.u64() {
                // Level-triggered, a timer that is not read wakes you up again at once. Edge-triggered, the next
                // tick would do so anyway; reading tells how many ticks there were.
                TIMER => ticks += read_timer(&timer)?,
                _ => is_open = receive(&mut connection, &mut messages)?,
            }
        }
    }
    println!("{name}: {messages} messages and {ticks} ticks, for which the loop woke up {wake_ups} times");
    assert!(messages == MESSAGES && ticks > 0);
    Ok(())
}

/// Takes all messages, and arms the half. Returns false when the peer has closed.
fn receive(connection: &mut Connection, messages: &mut usize) -> Result<bool, Box<dyn Error>> {
    let mut buffer = [0; 64];
    loop {
        match connection.try_recv(&mut buffer) {
            Ok(_) => *messages += 1,
            Err(RecvError::Empty) if connection.arm() == Ready::Wait => return Ok(true),
            // One has come since.
            Err(RecvError::Empty) => {}
            Err(RecvError::Disconnected) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

fn read_timer(timer: impl rustix::fd::AsFd) -> Result<u64, Box<dyn Error>> {
    let mut ticks = [0; 8];
    match rustix::io::read(timer, &mut ticks) {
        Ok(_) => Ok(u64::from_ne_bytes(ticks)),
        Err(Errno::AGAIN) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

fn child() -> Result<(), Box<dyn Error>> {
    let mut connection = Endpoint::inherited()?.connect(&Config::default())?;
    for number in 0..MESSAGES {
        if number % 100 == 0 {
            thread::sleep(Duration::from_millis(10));
        }
        connection.send(format!("message {number}").as_bytes())?;
    }
    Ok(())
}
