//! Hundreds of thousands of connections over memory that lies: every load answers with bits of an adversary's
//! choice, different each time.
//!
//! No answer may lead to a panic, or to anything that the auditor of
//! [`hostile_memory`](super::hostile_memory) forbids. Three careless readers and writers show that the
//! auditor sees what it should.

use super::super::memory::{Memory, Word};
use super::super::ring::consumer::Consumer;
use super::super::ring::producer::Producer;
use super::super::ring::{GRAIN, frame};
use super::hostile_memory::{CAPACITY, Hostile, LONGEST};
use super::seed::seed;
use super::{Random, block, make_room};
use crate::error::{RecvError, SendError, Violation};
use crate::wait::Until;

const EXECUTIONS: u64 = 250_000;

fn violation_sending(outcome: &Result<(), SendError>) -> Option<Violation> {
    if let Err(SendError::Poisoned(violation)) = outcome { Some(*violation) } else { None }
}

fn violation_receiving<T>(outcome: &Result<T, RecvError>) -> Option<Violation> {
    if let Err(RecvError::Poisoned(violation)) = outcome { Some(*violation) } else { None }
}

/// Sixteen operations of a ring whose every load is the adversary's. How many of them it poisoned.
///
/// A connection would end with the first poison. Here it goes on, since the ring must be safe even then.
fn execute(memory: &Hostile) -> u64 {
    let start = memory.staged.get();
    let mut sender = Producer::new(memory, CAPACITY, start);
    let mut receiver = Consumer::new(memory, CAPACITY, LONGEST, start);
    let mut buffer = [0; LONGEST];
    let mut poisoned = 0;
    for _ in 0..16 {
        memory.begin();
        let until = if memory.below(2) == 0 { Until::Now } else { Until::Forever };
        let mut patience = block();
        patience.until(until);
        let len = memory.below(LONGEST as u64 + 1) as usize;
        let violation = match memory.below(14) {
            0..3 => {
                let outcome = sender.stage(&buffer[..len]);
                if outcome.is_ok() {
                    memory.staged.set(memory.staged.get().wrapping_add(frame(len)));
                }
                violation_sending(&outcome)
            }
            3 => {
                sender.publish();
                None
            }
            4 => violation_sending(&sender.wait_room(frame(len), &mut patience)),
            7 => {
                let bytes = frame(len) as usize;
                memory.frames.set(true);
                let outcome = sender.stage_frames(&[0; CAPACITY as usize][..bytes]);
                memory.frames.set(false);
                if outcome.is_ok() {
                    memory.staged.set(memory.staged.get().wrapping_add(bytes as u64));
                }
                violation_sending(&outcome)
            }
            8 => {
                let outcome = make_room(&mut sender, len);
                if outcome.is_ok() {
                    sender.write_claimed(&buffer[..len]);
                    sender.commit(len);
                    memory.staged.set(memory.staged.get().wrapping_add(frame(len)));
                }
                violation_sending(&outcome)
            }
            5 => violation_receiving(&receiver.wait(&mut patience)),
            6 => {
                let outcome = receiver.try_find();
                if let Ok((place, len)) = outcome {
                    receiver.memory().read(place, &mut buffer[..len]);
                    receiver.leave_found();
                    memory.taken.set(memory.taken.get().wrapping_add(frame(len)));
                }
                violation_receiving(&outcome)
            }
            9 => violation_receiving(&receiver.catch_up().map_err(RecvError::from)),
            10 => {
                memory.steps_over.set(true);
                let outcome = receiver.count();
                if let Ok((messages, bytes)) = outcome {
                    assert!(messages as u64 * GRAIN <= CAPACITY && bytes as u64 <= CAPACITY);
                }
                memory.steps_over.set(false);
                violation_receiving(&outcome)
            }
            11 => {
                let outcome = receiver.try_find();
                if outcome.is_ok() {
                    memory.steps_over.set(true);
                    assert!(receiver.leave_stale() as u64 * GRAIN <= CAPACITY);
                    let (place, len) = receiver.try_find().expect("the newest is there");
                    receiver.memory().read(place, &mut buffer[..len]);
                    receiver.leave_found();
                    memory.steps_over.set(false);
                    memory.taken.set(place.wrapping_sub(GRAIN).wrapping_add(frame(len)));
                }
                violation_receiving(&outcome)
            }
            _ => {
                let room = if memory.below(8) == 0 { len } else { LONGEST };
                let outcome = receiver.try_recv(&mut buffer[..room], &mut 0, false);
                if let Ok(len) = outcome {
                    memory.taken.set(memory.taken.get().wrapping_add(frame(len)));
                }
                violation_receiving(&outcome)
            }
        };
        memory.judged(violation);
        poisoned += u64::from(violation.is_some());
    }
    poisoned
}

#[test]
fn no_answer_leads_the_ring_astray() {
    let seed = seed("no_answer_leads_the_ring_astray");
    let mut seeds = Random(seed | 1);
    let mut poisoned = 0;
    for execution in 0..EXECUTIONS {
        let memory = Hostile::new(seeds.next() | 1);
        poisoned += execute(&memory);
        assert_eq!(memory.fault.get(), None, "execution {execution} of CROSSING_SEED={seed}");
    }
    let operations = EXECUTIONS * 16;
    eprintln!(
        "hostile: CROSSING_SEED={seed} executions={EXECUTIONS} operations={operations} poisoned={poisoned} bad=0"
    );
    // Neither are all answers refused at the door, nor all believed.
    assert!((operations / 20..operations / 2).contains(&poisoned), "the adversary is out of balance");
}

/// A reader that checks the length it fetched and uses the length it fetches again.
fn fetches_twice(memory: &Hostile) {
    let head = memory.taken.get();
    let published = (&memory).load(Word::Tail).wrapping_sub(head);
    if (GRAIN..=CAPACITY).contains(&published) && (&memory).read_word(head) <= published - GRAIN {
        let len = (&memory).read_word(head).min(LONGEST as u64) as usize;
        (&memory).read(head.wrapping_add(GRAIN), &mut [0; LONGEST][..len]);
    }
}

/// A reader that believes any length that is not longer than agreed.
fn believes_length(memory: &Hostile) {
    let head = memory.taken.get();
    if (&memory).load(Word::Tail) != head {
        let len = (&memory).read_word(head).min(LONGEST as u64) as usize;
        (&memory).read(head.wrapping_add(GRAIN), &mut [0; LONGEST][..len]);
    }
}

/// A writer that computes what is free from any `head`.
fn believes_head(memory: &Hostile) {
    let used = memory.staged.get().wrapping_sub((&memory).load(Word::Head));
    if CAPACITY.wrapping_sub(used) >= frame(LONGEST) {
        (&memory).write(memory.staged.get().wrapping_add(GRAIN), &[0; LONGEST]);
    }
}

#[test]
fn the_auditor_sees_a_careless_ring() {
    type Careless = fn(&Hostile);
    let careless: [(&str, Careless, &str); 3] = [
        ("fetches the length twice", fetches_twice, "fetches a header twice"),
        ("believes any length", believes_length, "reads what was not published"),
        ("believes any head", believes_head, "writes over what was not read"),
    ];
    let seed = seed("the_auditor_sees_a_careless_ring");
    for (what, careless, fault) in careless {
        let mut seeds = Random(seed | 1);
        let caught = (0..1000).any(|_| {
            let memory = Hostile::new(seeds.next() | 1);
            careless(&memory);
            memory.fault.get() == Some(fault)
        });
        assert!(caught, "a ring that {what} passes the audit, CROSSING_SEED={seed}");
        eprintln!("hostile: control that {what}, caught: yes");
    }
}
