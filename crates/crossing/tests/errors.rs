//! Errors as a program meets them: what they equal, what they answer, what they say, and what `?` makes of them.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use crossing::{
    Address, BlobMut, Config, ConnectError, Connection, Error, Kind, ParseError, RecvError, SendError,
    Violation, WaitStrategy,
};

const VIOLATION: Violation = Violation::Length { claimed: 99, limit: 64 };

/// The number of "no space left on device".
const ENOSPC: i32 = 28;

fn no_space() -> io::Error {
    io::Error::from_raw_os_error(ENOSPC)
}

fn sends() -> Vec<(SendError, ErrorKind)> {
    vec![
        (SendError::Full, ErrorKind::WouldBlock),
        (SendError::Timeout, ErrorKind::TimedOut),
        (SendError::Unfinished, ErrorKind::Other),
        (SendError::TooLong { len: 65, max: 64 }, ErrorKind::InvalidInput),
        (SendError::Disconnected, ErrorKind::BrokenPipe),
        (SendError::Reset, ErrorKind::ConnectionReset),
        (SendError::Poisoned(VIOLATION), ErrorKind::InvalidData),
        (SendError::Forked, ErrorKind::PermissionDenied),
        (SendError::Stopped, ErrorKind::Other),
        (SendError::Io(no_space()), ErrorKind::StorageFull),
    ]
}

fn receives() -> Vec<(RecvError, ErrorKind)> {
    vec![
        (RecvError::Empty, ErrorKind::WouldBlock),
        (RecvError::Timeout, ErrorKind::TimedOut),
        (RecvError::TooLong { len: 65, room: 64 }, ErrorKind::InvalidInput),
        (RecvError::Disconnected, ErrorKind::UnexpectedEof),
        (RecvError::Reset, ErrorKind::ConnectionReset),
        (RecvError::Poisoned(VIOLATION), ErrorKind::InvalidData),
        (RecvError::Forked, ErrorKind::PermissionDenied),
        (RecvError::Stopped, ErrorKind::Other),
        (RecvError::Io(no_space()), ErrorKind::StorageFull),
    ]
}

fn connects() -> Vec<(ConnectError, ErrorKind)> {
    let parse = "smoke".parse::<Kind>().unwrap_err();
    let (doing, why) = ("bind /run/x.sock".to_owned(), "it is so".to_owned());
    vec![
        (ConnectError::Io { doing, source: no_space() }, ErrorKind::StorageFull),
        (ConnectError::Refused { field: "version", why: why.clone() }, ErrorKind::InvalidData),
        (ConnectError::PeerRefused { why: "it is so" }, ErrorKind::ConnectionRefused),
        (ConnectError::Timeout, ErrorKind::TimedOut),
        (ConnectError::Disconnected, ErrorKind::ConnectionAborted),
        (ConnectError::WrongKind { endpoint: Kind::Pipe, wanted: Kind::Shm }, ErrorKind::InvalidInput),
        (ConnectError::Config(why.clone()), ErrorKind::InvalidInput),
        (ConnectError::Parse(parse), ErrorKind::InvalidInput),
        (
            ConnectError::Address { address: "tcp://h:1".to_owned(), why: why.clone() },
            ErrorKind::InvalidInput,
        ),
        (ConnectError::Shed { limit: 3 }, ErrorKind::ResourceBusy),
        (ConnectError::NotInherited(why), ErrorKind::NotFound),
    ]
}

/// Every error as any error, with the kind that `io::Error` gives it. Made anew: none of them can be copied.
fn all() -> Vec<(Error, ErrorKind)> {
    let sends = sends().into_iter().map(|(error, kind)| (error.into(), kind));
    let receives = receives().into_iter().map(|(error, kind)| (error.into(), kind));
    let connects = connects().into_iter().map(|(error, kind)| (error.into(), kind));
    let others = [
        ("shm:".parse::<Address>().unwrap_err().into(), ErrorKind::InvalidInput),
        (no_space().into(), ErrorKind::StorageFull),
    ];
    sends.chain(receives).chain(connects).chain(others).collect()
}

#[test]
fn an_error_equals_itself_and_no_other() {
    for (index, (one, _)) in all().iter().enumerate() {
        for (other_index, (other, _)) in all().iter().enumerate() {
            assert_eq!(one == other, index == other_index, "{one:?} and {other:?}");
        }
    }
    // Fields count, too.
    assert_ne!(SendError::TooLong { len: 1, max: 0 }, SendError::TooLong { len: 2, max: 0 });
    assert_ne!(RecvError::TooLong { len: 1, room: 0 }, RecvError::TooLong { len: 2, room: 0 });
    let other = Violation::Length { claimed: 98, limit: 64 };
    assert_ne!(SendError::Poisoned(VIOLATION), SendError::Poisoned(other));
    assert_ne!(RecvError::Poisoned(VIOLATION), RecvError::Poisoned(other));
    let eagain = || io::Error::from_raw_os_error(11);
    assert_ne!(SendError::Io(no_space()), SendError::Io(eagain()));
    assert_ne!(RecvError::Io(no_space()), RecvError::Io(eagain()));
}

#[test]
fn an_io_error_has_the_fitting_kind_and_the_error_inside() {
    for (error, kind) in all() {
        let said = error.to_string();
        let as_io = io::Error::from(error);
        assert_eq!(as_io.kind(), kind, "{said}");
        // The system's error of a send or a receive is that error itself; any other says what it said.
        assert!(as_io.raw_os_error() == Some(ENOSPC) || as_io.to_string() == said, "{said}: {as_io}");
    }
    for (error, _) in sends() {
        let (said, is_the_systems) = (error.to_string(), matches!(error, SendError::Io(_)));
        match io::Error::from(error).downcast::<SendError>() {
            Ok(inside) => assert_eq!(inside.to_string(), said),
            Err(system) => assert!(is_the_systems && system.raw_os_error() == Some(ENOSPC), "{said}"),
        }
    }
    for (error, _) in connects() {
        let said = error.to_string();
        assert_eq!(
            io::Error::from(error).downcast::<ConnectError>().expect("it is inside").to_string(),
            said
        );
    }
}

#[test]
fn a_cause_is_shown_once() {
    for (error, _) in all() {
        let mut said = error.to_string();
        assert!(!said.contains('\n') && !said.is_empty(), "{said:?}");
        let mut source = error.source();
        while let Some(cause) = source {
            said = format!("{said}: {cause}");
            source = cause.source();
        }
        let system = no_space().to_string();
        assert!(said.matches(&system).count() <= 1, "{said}");
        let words: Vec<&str> = said.split(": ").collect();
        assert!(words.windows(2).all(|two| two[0] != two[1]), "{said}");
    }
    // The control: an error that shows its source and has it, too.
    let doubled = format!("{0}: {0}", no_space());
    assert!(doubled.matches(&no_space().to_string()).count() > 1);
}

#[test]
fn each_question_is_answered_by_its_errors_alone() {
    let yes = |ask: fn(&Error) -> bool| -> Vec<String> {
        all().iter().filter(|(error, _)| ask(error)).map(|(error, _)| format!("{error:?}")).collect()
    };
    assert_eq!(yes(Error::is_full), ["Send(Full)"]);
    assert_eq!(yes(Error::is_empty), ["Recv(Empty)"]);
    assert_eq!(yes(Error::is_timeout), ["Send(Timeout)", "Recv(Timeout)", "Connect(Timeout)"]);
    assert_eq!(yes(Error::is_stopped), ["Send(Stopped)", "Recv(Stopped)"]);
    assert_eq!(
        yes(Error::is_disconnected),
        ["Send(Disconnected)", "Recv(Disconnected)", "Connect(Disconnected)"]
    );
    let over = ["Disconnected".to_owned(), "Reset".to_owned(), format!("Poisoned({VIOLATION:?})")];
    let halves = ["Send", "Recv"].map(|half| over.clone().map(|word| format!("{half}({word})")));
    assert_eq!(yes(Error::is_closed), halves.concat());
    assert_eq!(sends().iter().filter(|(error, _)| error.is_unfinished()).count(), 1);
    assert_eq!(sends().iter().filter(|(error, _)| error.is_too_long()).count(), 1);
    assert_eq!(receives().iter().filter(|(error, _)| error.is_too_long()).count(), 1);
    assert_eq!(connects().iter().filter(|(error, _)| error.is_refused()).count(), 2);
}

/// One function that parses, meets, sends and receives, in each type that a program may return.
macro_rules! everything {
    ($error:ty) => {{
        fn everything(kind: &str, wait: &str, address: &str) -> Result<usize, $error> {
            let wait: WaitStrategy = wait.parse()?;
            let config = Config::default().wait(wait);
            let (mut here, mut there) = Connection::pair(kind.parse::<Kind>()?, &config)?;
            here.send(b"one")?;
            let len = there.recv(&mut [0; 8])?;
            let address: Address = address.parse()?;
            let blob = BlobMut::new(address.path().map_or(0, |_| 1))?.seal()?;
            Ok(len + blob.len())
        }
        let of = |kind, wait, address| everything(kind, wait, address).map_err(|error| error.to_string());
        assert_eq!(of("pipe", "block", "unix:/x"), Ok(4));
        assert_eq!(
            of("smoke", "block", "unix:/x").unwrap_err(),
            "`smoke` is no mechanism: one of shm, pipe, unix, tcp"
        );
        let no_way = "`doze` is no way of waiting: one of spin, hybrid, hybrid:<N>us, block";
        assert_eq!(of("pipe", "doze", "unix:/x").unwrap_err(), no_way);
        assert_eq!(of("pipe", "block", "unix:").unwrap_err(), "`unix:` is no address: its path is empty");
    }};
}

#[test]
fn one_function_does_everything_with_a_question_mark() {
    everything!(Error);
    everything!(io::Error);
    everything!(Box<dyn std::error::Error>);
    everything!(Box<dyn std::error::Error + Send + Sync>);
}

#[test]
fn outcomes_are_compared_as_they_are() {
    let (mut here, mut there) = Connection::pair(Kind::Unix, &Config::default()).expect("a pair");
    let mut buffer = [0; 2];
    assert_eq!(there.receiver().try_recv(&mut buffer), Err(RecvError::Empty));
    let timeout = there.receiver().recv_timeout(&mut buffer, Duration::ZERO);
    assert!(timeout.unwrap_err().is_timeout());
    here.send(b"abc").expect("room");
    assert_eq!(there.recv(&mut buffer), Err(RecvError::TooLong { len: 3, room: 2 }));
    drop(there);
    assert_eq!(here.send(&[0; 70_000]), Err(SendError::TooLong { len: 70_000, max: 65_536 }));
}

#[test]
fn a_text_that_is_nothing_is_shown_on_one_line() {
    let error = "shm:/a\nb%zz".parse::<Address>().unwrap_err();
    assert_eq!(error.text(), "shm:/a\nb%zz");
    assert!(!error.to_string().contains('\n'), "{error}");
    let found: ParseError = "x\u{1b}[2J".parse::<WaitStrategy>().unwrap_err();
    assert!(!found.to_string().contains('\u{1b}'), "{found}");
}
