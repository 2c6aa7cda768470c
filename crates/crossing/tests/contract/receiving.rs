//! Sentences about the forms of receiving: into a vector.

use std::time::{Duration, Instant};

use crossing::{Connection, RecvError};

use crate::process::LIMIT;
use crate::{Sentence, judge, sentence, until_there};

/// How long a form may wait that finds nothing here.
const MOMENT: Duration = Duration::from_millis(2);

type IntoVec = fn(&mut Connection, &mut Vec<u8>) -> Result<usize, RecvError>;

/// Every form, and it without the time to wait.
const INTO_VEC: [(&str, IntoVec, IntoVec); 4] = [
    ("recv_vec", |it, vec| it.recv_vec(vec), |it, vec| it.try_recv_vec(vec)),
    (
        "try_recv_vec",
        |it, vec| until_there(|| it.try_recv_vec(vec)),
        |it, vec| it.receiver().try_recv_vec(vec),
    ),
    (
        "recv_vec_deadline",
        |it, vec| it.recv_vec_deadline(vec, Instant::now() + LIMIT),
        |it, vec| it.recv_vec_deadline(vec, Instant::now()),
    ),
    (
        "recv_vec_timeout",
        |it, vec| it.recv_vec_timeout(vec, LIMIT),
        |it, vec| it.recv_vec_timeout(vec, MOMENT),
    ),
];

/// A vector has the message and nothing else afterwards. It grows to the message, and keeps its memory for the next one and
/// through an error, which leaves it empty.
pub(crate) fn a_vector_grows_to_the_message() -> Sentence {
    const LENGTHS: [usize; 7] = [0, 100, 20, 40_000, 0, 60_000, 1];
    sentence(
        |mut here| {
            for _ in INTO_VEC {
                here.line.hear();
                (0..).zip(LENGTHS).for_each(|(number, len)| here.send(number, len));
                here.line.hear();
            }
        },
        |mut there| {
            for (name, receive, without_time) in INTO_VEC {
                let mut vec = b"what was there before".to_vec();
                let nothing = if name.contains("try") || name == "recv_vec" {
                    RecvError::Empty
                } else {
                    RecvError::Timeout
                };
                assert_eq!(without_time(&mut there.connection, &mut vec), Err(nothing), "{name}");
                assert!(vec.is_empty(), "{name}");
                vec.shrink_to_fit();
                there.line.say(0);
                let mut longest = 0;
                for (number, len) in (0..).zip(LENGTHS) {
                    assert_eq!(receive(&mut there.connection, &mut vec), Ok(len), "{name}");
                    judge(&vec, number, len);
                    longest = longest.max(len);
                    assert_eq!(vec.capacity(), longest, "{name}");
                }
                assert!(without_time(&mut there.connection, &mut vec).is_err(), "{name}");
                assert_eq!((vec.len(), vec.capacity()), (0, longest), "{name}");
                there.line.say(1);
            }
        },
    )
}

/// The end is told to every form, and leaves the vector empty.
pub(crate) fn an_end_leaves_a_vector_empty() -> Sentence {
    sentence(
        |mut here| here.send(3, 30),
        |mut there| {
            let mut vec = Vec::new();
            assert_eq!(there.connection.recv_vec(&mut vec), Ok(30));
            judge(&vec, 3, 30);
            for (name, receive, _) in INTO_VEC {
                vec.push(0);
                assert_eq!(receive(&mut there.connection, &mut vec), Err(RecvError::Disconnected), "{name}");
                assert!(vec.is_empty(), "{name}");
            }
        },
    )
}
