//! Work: the slow parts of a handshake, and how the other end learns that this one is not dead.
//!
//! Making and mapping a large ring takes seconds. The handshake's clock measures how long the other
//! end is silent, so an end's own work does not count on its own clock. An end that works says so
//! after each part, and gets time for the next one. It can say so only as often as there are parts,
//! which follows from the announced sizes: a peer cannot hold a handshake open for ever.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::memfd;
use super::region::RegionLayout;
use crate::config::Config;
use crate::deadline::wait_readable;
use crate::error::ConnectError;
use crate::packet::recv_packet;

/// The least time that a peer has for a part. It is a bound, not a measure: a part of 16 MiB takes milliseconds.
const PART_TIME: Duration = Duration::from_secs(5);

/// What an end says while it works.
const WORKING: [u8; 1] = [b'W'];

/// How often an end may say that it works on `bytes`.
const fn steps(bytes: u64) -> u64 {
    bytes.div_ceil(memfd::STEP).saturating_sub(1)
}

/// How often an end may say so while it makes a region with this `layout`.
pub(super) fn making(layout: RegionLayout) -> u64 {
    steps(layout.file_bytes()) + mapping(layout)
}

/// How often an end may say so while it maps a region with this `layout`.
pub(super) fn mapping(layout: RegionLayout) -> u64 {
    steps(layout.mapped_bytes())
}

/// The handshake's clock, and the rendezvous over which it goes.
#[derive(Debug)]
pub(super) struct WorkClock<'a> {
    rendezvous: BorrowedFd<'a>,
    /// How long the peer may work on one part.
    part_time: Duration,
    pub(super) deadline: Instant,
}

impl<'a> WorkClock<'a> {
    pub(super) fn start(rendezvous: BorrowedFd<'a>, config: &'a Config) -> WorkClock<'a> {
        let part_time = config.connect_timeout.max(PART_TIME);
        WorkClock { rendezvous, part_time, deadline: config.connect_deadline() }
    }

    /// Does this end's `work`, which calls its argument after each part. The clock stands still
    /// meanwhile.
    pub(super) fn stands_for<T>(&mut self, work: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
        let began = Instant::now();
        let mut listens = true;
        let done = work(&mut || {
            // A peer that has not read the last ones works itself, and its clock stands still.
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            listens = listens && rustix::net::send(self.rendezvous, &WORKING, flags).is_ok();
        });
        self.deadline = self.deadline.checked_add(began.elapsed()).unwrap_or(self.deadline);
        done
    }

    /// Receives one packet of exactly `N` bytes with exactly `FDS` descriptors. Before it the peer
    /// may say up to `steps` times that it works.
    pub(super) fn receive<const N: usize, const FDS: usize>(
        &mut self,
        steps: u64,
    ) -> Result<([u8; N], [OwnedFd; FDS]), ConnectError> {
        for parts_left in (0..=steps).rev() {
            if steps > 0 {
                // However little of this end's patience dialling has left.
                let part = Instant::now().checked_add(self.part_time);
                self.deadline = part.map_or(self.deadline, |part| self.deadline.max(part));
            }
            if parts_left == 0 || !self.hears_of_work()? {
                break;
            }
            recv_packet::<{ WORKING.len() }, 0>(self.rendezvous, self.deadline)?;
        }
        recv_packet(self.rendezvous, self.deadline)
    }

    /// Whether the next packet says that the peer works. It stays where it is.
    fn hears_of_work(&self) -> Result<bool, ConnectError> {
        loop {
            wait_readable(self.rendezvous, self.deadline)?;
            let mut first = [0; 2];
            let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
            match rustix::net::recv(self.rendezvous, &mut first, flags) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                Ok((bytes, _)) => return Ok(first[..bytes] == WORKING),
                // The end that receives it is told of it.
                Err(_) => return Ok(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::thread;

    use super::*;
    use crate::packet::send_packet;

    #[test]
    fn own_work_takes_nothing_from_the_clock() {
        const WORK: Duration = Duration::from_millis(20);
        let (here, there) = crate::descriptor::packet_pair().expect("a pair");
        let config = Config::default();
        let mut clock = WorkClock::start(here.as_fd(), &config);
        let before = clock.deadline;
        clock.stands_for(|step| {
            thread::sleep(WORK);
            step();
        });
        assert!(clock.deadline >= before + WORK);
        let theirs = WorkClock::start(there.as_fd(), &config);
        assert!(theirs.hears_of_work().expect("it was told"));
    }

    #[test]
    fn a_peer_that_works_has_its_time_again_as_often_as_there_are_parts() {
        let (here, there) = crate::descriptor::packet_pair().expect("a pair");
        let config = Config::default();
        let mut clock = WorkClock::start(here.as_fd(), &config);
        clock.deadline = Instant::now();
        let over = clock.deadline;
        let say = |word: &[u8]| send_packet(there.as_fd(), word, &[], over).expect("there is room");
        let outcome = clock.receive::<1, 0>(0);
        assert!(matches!(outcome, Err(ConnectError::Timeout)), "{outcome:?}");
        say(&WORKING);
        say(b"!");
        assert_eq!(clock.receive::<1, 0>(1).expect("it is there").0, *b"!");
        assert!(clock.deadline > over, "the clock has started again");
        say(&WORKING);
        say(&WORKING);
        say(b"!");
        assert_eq!(
            clock.receive::<1, 0>(1).expect("it is there").0,
            WORKING,
            "once is as often as there are parts"
        );
    }

    #[test]
    fn a_ring_of_the_usual_size_is_made_and_mapped_in_one_part() {
        let layout = |capacity| RegionLayout { header_bytes: 4096, capacity, nonce: 0 };
        assert_eq!([making(layout(256 << 10)), mapping(layout(256 << 10))], [0, 0]);
        assert_eq!([making(layout(1 << 30)), mapping(layout(1 << 30))], [64 + 128, 128]);
    }
}
