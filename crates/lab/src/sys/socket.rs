//! What rustix does not ask of a socket: its queue of outgoing bytes, when a packet passed, TCP_INFO, filters (one loses
//! segments, one lets a connection's through), and the count of what was lost.
//!
//! # References
//! tcp(7), unix(7), socket(7) SO_ATTACH_FILTER, include/uapi/linux/tcp.h of the kernel.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsFd, AsRawFd};

/// Bytes that were sent and not acknowledged (TCP), or what they occupy (Unix): SIOCOUTQ.
///
/// # Errors
/// Those of ioctl(2).
pub fn outgoing_bytes(socket: impl AsFd) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: TIOCOUTQ (the same number as SIOCOUTQ) writes one int, and `bytes` is one.
    let done = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(u64::try_from(bytes).unwrap_or(0)) }
}

/// When the packet that was last taken from a packet socket passed, in nanoseconds of CLOCK_REALTIME: SIOCGSTAMPNS.
///
/// # Errors
/// `ENOENT` when there was none; from then on packets are stamped as they pass.
pub fn last_packet_ns(socket: impl AsFd) -> io::Result<u64> {
    /// As in include/uapi/asm-generic/sockios.h; libc does not have it.
    const SIOCGSTAMPNS: libc::c_ulong = 0x8907;
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: SIOCGSTAMPNS writes one timespec of the architecture's own width, and `at` is one.
    let done = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), SIOCGSTAMPNS as _, &raw mut at) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64)
    }
}

/// What the kernel tells of a TCP connection. Counts are from the beginning of the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// The retransmission timer, in microseconds.
    pub rto_us: u32,
    /// The smoothed round trip, in microseconds.
    pub rtt_us: u32,
    /// Segments sent again.
    pub total_retrans: u32,
    /// Bytes that the peer has acknowledged.
    pub bytes_acked: u64,
    /// Bytes that were received, in order.
    pub bytes_received: u64,
    /// Segments sent, with and without data.
    pub segs_out: u32,
    /// Segments received.
    pub segs_in: u32,
    /// Segments sent with data.
    pub data_segs_out: u32,
    /// Bytes sent for the first time.
    pub bytes_sent: u64,
}

impl TcpInfo {
    /// Takes the kernel's structure apart. What an older kernel does not tell is 0.
    pub fn read(raw: &[u8]) -> TcpInfo {
        // The structure only ever grows, at its end. Offsets are those of include/uapi/linux/tcp.h.
        let bytes = |at: usize, count: usize| raw.get(at..at + count);
        let word = |at| bytes(at, 4).and_then(|it| it.try_into().ok()).map_or(0, u32::from_ne_bytes);
        let long = |at| bytes(at, 8).and_then(|it| it.try_into().ok()).map_or(0, u64::from_ne_bytes);
        TcpInfo {
            rto_us: word(8),
            rtt_us: word(68),
            total_retrans: word(100),
            bytes_acked: long(120),
            bytes_received: long(128),
            segs_out: word(136),
            segs_in: word(140),
            data_segs_out: word(156),
            bytes_sent: long(200).saturating_sub(long(208)),
        }
    }
}

/// Reads TCP_INFO. What an older kernel does not tell is 0.
///
/// # Errors
/// Those of getsockopt(2).
pub fn tcp_info(socket: impl AsFd) -> io::Result<TcpInfo> {
    let mut raw = [0_u8; 256];
    let mut len = size_of_val(&raw) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `raw`, which has as many, and their number to `len`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            raw.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(TcpInfo::read(&raw))
}

/// Makes a socket lose whatever comes to it, acknowledgements included, until [`lose_nothing`]. The rest of the stack
/// does what it always does after a loss.
///
/// # Errors
/// Those of setsockopt(2): on a TCP socket it takes CAP_NET_ADMIN over the network namespace.
pub fn lose_everything(socket: impl AsFd) -> io::Result<()> {
    filter(socket, &mut [instruction(libc::BPF_RET | libc::BPF_K, 0, [0, 0])])
}

/// Lets a packet socket that sees packets from their IPv4 header on take the segments between two TCP ports, and nothing else:
/// other packets do not fill its queue.
///
/// # Errors
/// Those of setsockopt(2).
pub fn take_between(socket: impl AsFd, [one, other]: [u16; 2]) -> io::Result<()> {
    use libc::{BPF_ABS, BPF_B, BPF_IND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_LDX, BPF_MSH, BPF_RET, BPF_W};
    let pair = |from: u16, to: u16| u32::from(from) << 16 | u32::from(to);
    let equals = |value: u32, jumps| instruction(BPF_JMP | BPF_JEQ | BPF_K, value, jumps);
    let program = &mut [
        instruction(BPF_LD | BPF_B | BPF_ABS, 9, [0, 0]),
        equals(libc::IPPROTO_TCP as u32, [0, 5]),
        // The length of the IPv4 header; behind it stand the port that the segment comes from, and the one it goes to.
        instruction(BPF_LDX | BPF_B | BPF_MSH, 0, [0, 0]),
        instruction(BPF_LD | BPF_W | BPF_IND, 0, [0, 0]),
        equals(pair(one, other), [1, 0]),
        equals(pair(other, one), [0, 1]),
        // The whole packet passes.
        instruction(BPF_RET | BPF_K, u32::MAX, [0, 0]),
        instruction(BPF_RET | BPF_K, 0, [0, 0]),
    ];
    filter(socket, program)
}

/// An instruction of a filter, with how many it jumps over when it holds and when it does not.
const fn instruction(code: u32, k: u32, [jt, jf]: [u8; 2]) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn filter(socket: impl AsFd, instructions: &mut [libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog { len: instructions.len() as u16, filter: instructions.as_mut_ptr() };
    // SAFETY: the program and the instructions it points to live until the call returns; the kernel copies them.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program) as libc::socklen_t,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes the filter of [`lose_everything`] away.
///
/// # Errors
/// Those of setsockopt(2): `ENOENT` when there is no filter.
pub fn lose_nothing(socket: impl AsFd) -> io::Result<()> {
    let unused: libc::c_int = 0;
    // SAFETY: the kernel reads one int, which it does not use, and `unused` is one.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DETACH_FILTER,
            (&raw const unused).cast(),
            size_of_val(&unused) as libc::socklen_t,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// How many packets the kernel has dropped at a socket since it was made: SO_MEMINFO, Linux 4.12.
///
/// # Errors
/// Those of getsockopt(2).
pub fn dropped(socket: impl AsFd) -> io::Result<u32> {
    /// As in include/uapi/asm-generic/socket.h; libc does not have it.
    const SO_MEMINFO: libc::c_int = 55;
    /// SK_MEMINFO_DROPS of include/uapi/linux/sock_diag.h.
    const DROPS: usize = 8;
    let mut words = [0_u32; DROPS + 1];
    let mut len = size_of_val(&words) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `words`, which has as many, and their number to `len`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(words[DROPS]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cannot_run::{Lacks, cannot_run};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    #[test]
    fn counts_of_a_connection_are_those_of_what_was_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (there, _) = listener.accept().unwrap();
        here.write_all(&[7; 1000]).unwrap();
        let (sent, received) = (tcp_info(&here).unwrap(), tcp_info(&there).unwrap());
        assert_eq!((sent.bytes_sent, received.bytes_received), (1000, 1000));
        assert_eq!((sent.total_retrans, sent.data_segs_out), (0, 1));
        assert_eq!(rustix::io::ioctl_fionread(&there).unwrap(), 1000);
    }

    #[test]
    fn a_queue_is_charged_more_than_its_bytes() {
        let (mut here, there) = UnixStream::pair().unwrap();
        assert_eq!(outgoing_bytes(&here).unwrap(), 0);
        here.write_all(&[7; 64]).unwrap();
        assert!(outgoing_bytes(&here).unwrap() > 64);
        assert_eq!(rustix::io::ioctl_fionread(&there).unwrap(), 64);
        assert!(tcp_info(&here).is_err(), "a Unix socket has no such thing");
    }

    #[test]
    fn what_comes_behind_the_filter_is_dropped_and_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut there, _) = listener.accept().unwrap();
        let before = dropped(&there).unwrap();
        match lose_everything(&there) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return cannot_run(Lacks::Right, format!("a filter takes CAP_NET_ADMIN: {error}"));
            }
            Err(error) => panic!("{error}"),
        }
        here.write_all(b"lost, and sent again").unwrap();
        // The kernel sends it again and again until it is taken.
        while dropped(&there).unwrap() == before {
            std::thread::yield_now();
        }
        lose_nothing(&there).unwrap();
        let mut received = [0; 20];
        there.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"lost, and sent again");
        assert!(tcp_info(&here).unwrap().total_retrans > 0);
    }
}
