//! The wire: the segments of a TCP connection as they go through the device, with their numbers.
//!
//! A packet socket is given a copy of every packet that comes in, with the time; on loopback, of each one, just after it
//! went out. It takes CAP_NET_RAW.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};
use rustix::time::ClockId;

use crate::sys::monotonic::monotonic_ns;
use crate::sys::socket;

/// The longest that the kernel delays an acknowledgement (TCP_DELACK_MAX), and a little more.
const DELAYED_AT_MOST: Duration = Duration::from_millis(250);
/// The longest that is waited until packets are stamped: on a busy machine it took 80 ms.
const STAMPED_AT_MOST: Duration = Duration::from_secs(2);

/// A segment of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// When it came in, on CLOCK_MONOTONIC.
    pub(super) t_ns: u64,
    /// From which port.
    pub(super) from: u16,
    /// To which port.
    pub(super) to: u16,
    /// The number of its first byte.
    pub(super) sequence: u32,
    /// The number of the next byte that is expected from the other side.
    pub(super) acknowledges: u32,
    /// Bytes of data.
    pub(super) bytes: u32,
    /// FIN, SYN, RST, PSH, ACK as in the header.
    pub(super) flags: u8,
    /// What stands in the field of the checksum.
    pub(super) checksum: u16,
}

impl Segment {
    /// Whether it comes from the other side and says that all of `data` has arrived.
    pub(super) fn acknowledges(&self, data: &Segment) -> bool {
        let end = data.sequence.wrapping_add(data.bytes);
        // Numbers wrap: what is ahead is less than half the way round.
        self.from == data.to && self.acknowledges.wrapping_sub(end) < 1 << 31
    }

    /// As one reads it: `seq 100–168, ack 7, PSH ACK`.
    pub(super) fn words(&self) -> String {
        let names = [(8, "PSH"), (16, "ACK"), (1, "FIN"), (2, "SYN"), (4, "RST")];
        let set = names.iter().filter(|(bit, _)| self.flags & bit != 0).map(|(_, name)| *name);
        let flags = set.collect::<Vec<_>>().join(" ");
        let Segment { sequence, acknowledges, bytes, checksum, .. } = self;
        let end = sequence.wrapping_add(*bytes);
        format!(
            "seq {sequence} to {end} ({bytes} B), ack {acknowledges}, {flags}, checksum field {checksum:#06x}"
        )
    }
}

/// A tap on the packets of one connection.
#[derive(Debug)]
pub(super) struct Tap {
    socket: OwnedFd,
    ports: [u16; 2],
}

impl Tap {
    /// Opens it for the segments between two ports.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_RAW, `ETIMEDOUT` where packets are not stamped.
    pub(super) fn open(ports: [u16; 2]) -> io::Result<Tap> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let protocol = Some(rustix::net::eth::IP);
        let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, protocol)?;
        let tap = Tap { socket, ports };
        tap.wait_for_stamps()?;
        socket::take_between(&tap.socket, ports)?;
        // What was taken so far passed before the filter.
        tap.take();
        Ok(tap)
    }

    /// Asks for stamps, and waits until there are some. The kernel turns them on later, by a worker of its own; until then it
    /// says of every packet that it passed when it is asked.
    fn wait_for_stamps(&self) -> io::Result<()> {
        let _ = socket::last_packet_ns(&self.socket);
        let own = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let to = own.local_addr()?;
        let deadline = Instant::now() + STAMPED_AT_MOST;
        let mut start = [0; 1];
        while Instant::now() < deadline {
            let asked_ns = realtime_ns();
            if rustix::net::recv(&self.socket, start.as_mut_slice(), RecvFlags::empty()).is_err() {
                own.send_to(&start, to)?;
                crossing::pause(Duration::from_millis(1));
            } else if socket::last_packet_ns(&self.socket).is_ok_and(|passed_ns| passed_ns < asked_ns) {
                return Ok(());
            }
        }
        Err(Errno::TIMEDOUT.into())
    }

    /// Takes the segments that have passed, in order.
    pub(super) fn take(&self) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut packet = vec![0; 64 << 10];
        let ahead_ns = realtime_ahead_ns();
        let [one, other] = self.ports;
        loop {
            match rustix::net::recv(&self.socket, packet.as_mut_slice(), RecvFlags::TRUNC) {
                Ok((bytes, _)) => {
                    let t_ns = socket::last_packet_ns(&self.socket).unwrap_or(0).saturating_sub(ahead_ns);
                    let found = segment(&packet[..bytes.min(packet.len())], t_ns);
                    let ours =
                        |found: &Segment| [[one, other], [other, one]].contains(&[found.from, found.to]);
                    segments.extend(found.filter(ours));
                }
                Err(Errno::INTR) => {}
                // Empty, or what came in the meantime found no room: what there is is told.
                Err(_) => break,
            }
        }
        segments
    }

    /// The same, and waits a moment for the last data's acknowledgement, which may be delayed.
    pub(super) fn take_acknowledged(&self) -> Vec<Segment> {
        let mut segments = self.take();
        let deadline = Instant::now() + DELAYED_AT_MOST;
        while let Some(data) = segments.iter().rfind(|segment| segment.bytes > 0).copied()
            && !segments.iter().any(|segment| segment.acknowledges(&data))
            && Instant::now() < deadline
        {
            crossing::pause(Duration::from_millis(5));
            segments.extend(self.take());
        }
        segments
    }
}

/// The clock that stamps packets.
fn realtime_ns() -> u64 {
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// By how much the clock that stamps packets is ahead of CLOCK_MONOTONIC.
fn realtime_ahead_ns() -> u64 {
    let read = || {
        let before = monotonic_ns();
        let realtime = realtime_ns();
        let after = monotonic_ns();
        (after - before, realtime.saturating_sub(before + (after - before) / 2))
    };
    // The reading between which the least time has passed is the nearest.
    (0..5).map(|_| read()).min().map_or(0, |(_, ahead_ns)| ahead_ns)
}

/// Reads an IPv4 packet that carries a segment, and came in at `t_ns`.
fn segment(packet: &[u8], t_ns: u64) -> Option<Segment> {
    const TCP: u8 = 6;
    let header = usize::from(packet.first()? & 0xf) * 4;
    if packet.first()? >> 4 != 4 || *packet.get(9)? != TCP {
        return None;
    }
    let short = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    let long = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?));
    let total = usize::from(short(2)?);
    let tcp = header + usize::from(packet.get(header + 12)? >> 4) * 4;
    Some(Segment {
        t_ns,
        from: short(header)?,
        to: short(header + 2)?,
        sequence: long(header + 4)?,
        acknowledges: long(header + 8)?,
        flags: *packet.get(header + 13)?,
        checksum: short(header + 16)?,
        bytes: u32::try_from(total.checked_sub(tcp)?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::cannot_run::{Lacks, cannot_run};

    fn packet() -> Vec<u8> {
        let mut packet = vec![0; 45];
        packet[0] = 0x45;
        packet[3] = 45;
        packet[9] = 6;
        packet[20..24].copy_from_slice(&[0x1f, 0x90, 0, 80]);
        packet[24..28].copy_from_slice(&1000_u32.to_be_bytes());
        packet[28..32].copy_from_slice(&7_u32.to_be_bytes());
        packet[32] = 0x50;
        packet[33] = 0x18;
        packet[36..38].copy_from_slice(&[0xfe, 0x28]);
        packet
    }

    #[test]
    fn a_segment_is_read_and_spelled() {
        let segment = segment(&packet(), 0).unwrap();
        assert_eq!((segment.from, segment.to, segment.bytes), (8080, 80, 5));
        assert_eq!(segment.words(), "seq 1000 to 1005 (5 B), ack 7, PSH ACK, checksum field 0xfe28");
    }

    /// A connection and its tap; `None` where there can be none, which is said.
    fn tapped() -> Option<(TcpStream, TcpStream, Tap)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (there, _) = listener.accept().unwrap();
        match Tap::open([&here, &there].map(|end| end.local_addr().unwrap().port())) {
            Ok(tap) => Some((here, there, tap)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                cannot_run(Lacks::Right, format!("a tap takes CAP_NET_RAW: {error}"));
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_segment_is_stamped_when_it_passes_however_young_the_tap() {
        // Each tap that is closed lets the kernel turn its stamps off again.
        for _ in 0..50 {
            let Some((mut here, _there, tap)) = tapped() else { return };
            let before = monotonic_ns();
            here.write_all(b"text").unwrap();
            let after = monotonic_ns();
            let passed: Vec<_> = tap.take().into_iter().filter(|segment| segment.bytes > 0).collect();
            let [segment] = passed.as_slice() else { panic!("{passed:?}") };
            assert!((before..=after).contains(&segment.t_ns), "{before} {segment:?} {after}");
        }
    }

    #[test]
    fn packets_of_others_take_no_room_in_a_tap() {
        let Some((mut here, mut there, tap)) = tapped() else { return };
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for _ in 0..10_000 {
            other.send_to(&[0; 64], other.local_addr().unwrap()).unwrap();
        }
        here.write_all(b"text").unwrap();
        there.write_all(b"an answer").unwrap();
        let passed: Vec<_> =
            tap.take().iter().map(|segment| segment.bytes).filter(|&bytes| bytes > 0).collect();
        assert_eq!(passed, [4, 9]);
    }

    #[test]
    fn an_acknowledgement_covers_what_was_sent_before_it() {
        let data = Segment { sequence: u32::MAX - 1, bytes: 5, ..segment(&packet(), 0).unwrap() };
        let back = |acknowledges| Segment { from: 80, to: 8080, acknowledges, bytes: 0, ..data };
        assert!(back(3).acknowledges(&data) && back(900).acknowledges(&data));
        assert!(!back(2).acknowledges(&data), "one byte is missing");
        assert!(!data.acknowledges(&data), "from the same side");
    }

    #[test]
    fn what_is_no_segment_is_none() {
        let mut udp = packet();
        udp[9] = 17;
        assert_eq!(segment(&udp, 0), None);
        for len in 0..38 {
            assert_eq!(segment(&packet()[..len], 0), None, "{len}");
        }
        let mut short = packet();
        short[3] = 30;
        assert_eq!(segment(&short, 0), None, "shorter than its headers");
    }
}
