//! One row: everything that this machine's instruments can say about one mechanism, way of waiting and placement.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use crossing::scene::Budget;

use super::bench::{Bench, InstrumentFault, ProbeError, ProbeSetup};
use super::budget;
use super::calls;
use super::copies::{self, Proof};
use super::counters::{self, CountedSubject, Counters};
use super::figure::{Certainty, ProbeFigure, Question, Reading};
use super::instruments::{Instrument, Tool};
use super::refusal::refused;
use super::remarks::remark;
use super::report::{Calls, Overhead, Probed, TouchedBy};
use super::summary::{by_name, crossings, touched, usual};
use super::switches;
use super::tracefs::Tracefs;
use super::wakes;
use super::{segments, spell};
use crate::machine::Unavailable;
use crate::scene::Scene;

/// Messages before anything is counted: the first of all pays for cold caches and pages.
const WARMUP: u64 = 100;
/// Attempts at a copy proof, whose forecast may not come true.
const PROOFS: u32 = 3;

/// Looks at one mechanism.
pub(super) fn measure(
    setup: &ProbeSetup,
    messages: u64,
    instruments: &[Instrument],
    budget: Option<&Budget>,
    stop: &AtomicBool,
) -> Probed {
    let mut row = Collected::new(setup, instruments);
    let failed = row.collect(messages, stop).err().map(|error| error.0);
    row.probed(budget, failed)
}

/// What was read so far.
struct Collected<'a> {
    setup: &'a ProbeSetup,
    instruments: &'a [Instrument],
    cores: Option<[usize; 2]>,
    one_core: bool,
    readings: BTreeMap<Question, Vec<Reading>>,
    unavailable: BTreeMap<Question, Unavailable>,
    calls: Option<[Calls; 2]>,
    touches: Vec<TouchedBy>,
    alone_ns: Option<u64>,
    overheads: Vec<Overhead>,
}

impl<'a> Collected<'a> {
    fn new(setup: &'a ProbeSetup, instruments: &'a [Instrument]) -> Collected<'a> {
        Collected {
            setup,
            instruments,
            cores: None,
            one_core: false,
            readings: BTreeMap::new(),
            unavailable: BTreeMap::new(),
            calls: None,
            touches: Vec::new(),
            alone_ns: None,
            overheads: Vec::new(),
        }
    }

    fn collect(&mut self, messages: u64, stop: &AtomicBool) -> Result<(), ProbeError> {
        let mut bench = Bench::start(self.setup, stop)?;
        self.cores = bench.cores();
        self.one_core = bench.one_core();
        bench.send(WARMUP, stop)?;
        self.accounts(&mut bench, messages / 2, stop)?;
        if self.has(Tool::Tracepoints, &[Question::Wakes]) {
            let counted = self.counted(&mut bench, messages, stop);
            self.settle(counted, &[], "tracepoints of the kernel")?;
            let woken = self.woken(&mut bench, messages, stop);
            self.settle(woken, &[Question::Wakes], "tracepoints of the kernel")?;
        }
        if self.has(Tool::Switches, &[Question::SenderSleeps]) {
            let counted = self.switched(&mut bench, messages, stop);
            self.settle(counted, &[Question::SenderSleeps], "switch records")?;
        }
        let asked = [Question::Calls, Question::SenderCalls, Question::ReceiverCalls];
        if self.has(Tool::Ptrace, &asked) {
            let traced = self.traced(&mut bench, messages, stop);
            self.settle(traced, &asked, "every system call of a process")?;
        }
        drop(bench);
        if self.has(Tool::KernelWatchpoints, &[Question::KernelCopies]) {
            let proved = self.proved(stop);
            self.settle(proved, &[Question::KernelCopies], "watchpoints on the kernel's memory")?;
        } else if self.has(Tool::UserWatchpoints, &[]) {
            let watched = self.watched(stop);
            self.settle(watched, &[], "watchpoints on memory of a process")?;
        }
        Ok(())
    }

    /// Whether there is such an instrument; if not, the questions that it alone answers have the reason.
    fn has(&mut self, tool: Tool, asked: &[Question]) -> bool {
        let Some(instrument) = self.instruments.iter().find(|instrument| instrument.tool == tool) else {
            return false;
        };
        if let Some(reason) = &instrument.unavailable {
            for &question in asked {
                self.unavailable.insert(question, reason.clone());
            }
        }
        instrument.is_there()
    }

    /// An instrument that is refused in the end leaves a reason; a message that was lost ends the row.
    fn settle(
        &mut self,
        outcome: Result<(), InstrumentFault>,
        asked: &[Question],
        what: &str,
    ) -> Result<(), ProbeError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(InstrumentFault::Lost(error)) => Err(error),
            Err(InstrumentFault::Refused(error)) => {
                for &question in asked {
                    self.unavailable.insert(question, refused(what, &error));
                }
                Ok(())
            }
        }
    }

    fn add(&mut self, question: Question, reading: Reading) {
        self.readings.entry(question).or_default().push(reading);
    }

    fn took(&mut self, instrument: &str, flight: Option<u64>) {
        if let (Some(alone_ns_p50), Some(flight_ns_p50)) = (self.alone_ns, flight) {
            self.overheads.push(Overhead { instrument: instrument.into(), alone_ns_p50, flight_ns_p50 });
        }
    }

    /// A row without instruments, and its processes' accounts.
    fn accounts(&mut self, bench: &mut Bench, messages: u64, stop: &AtomicBool) -> Result<(), ProbeError> {
        let before = segments::read(self.setup.kind, bench.pids());
        let row = bench.send(messages, stop)?;
        self.alone_ns = row.flight_ns_p50;
        let name = "getrusage";
        let [sender, receiver] = &row.sides;
        let exact = |count| Reading::whole(name, Certainty::Exact, count, messages);
        self.add(Question::SenderFaults, exact(sender.minor_faults));
        self.add(Question::ReceiverFaults, exact(receiver.minor_faults));
        self.add(Question::ReceiverSleeps, exact(receiver.voluntary_switches));
        // A pause that was over before it began causes no sleep, so there may be fewer sleeps than
        // pauses.
        let slept = sender.voluntary_switches.saturating_sub(row.pauses);
        self.add(Question::SenderSleeps, Reading::whole(name, Certainty::Derived, slept, messages));
        let sent = before.zip(segments::read(self.setup.kind, bench.pids()));
        if let Some((before, after)) = sent {
            let out = after.since(&before);
            let reading = |count| Reading::whole("TCP_INFO", Certainty::Exact, count, messages);
            self.add(Question::Segments, reading(out.there));
            self.add(Question::Acknowledgements, reading(out.back));
        }
        Ok(())
    }

    /// Two rows under tracepoint counters.
    fn counted(
        &mut self,
        bench: &mut Bench,
        messages: u64,
        stop: &AtomicBool,
    ) -> Result<(), InstrumentFault> {
        let tracefs = Tracefs::open()?;
        let counters = Counters::attach(bench, &tracefs, stop)?;
        // Long enough for everything that the workers do around their messages.
        let few = messages / 10;
        let (short, _) = counters.row(bench, few, stop)?;
        let (long, row) = counters.row(bench, few + messages, stop)?;
        let counts = counters::difference(&short, &long);
        let name = "tracepoints";
        self.took(name, row.flight_ns_p50);
        let calls = [0, 1].map(|side| counters::calls_of(side, &counts));
        self.add_calls(name, calls, messages);
        for (subject, question) in [
            (CountedSubject::Sleeps, Question::ReceiverSleeps),
            (CountedSubject::Faults(0), Question::SenderFaults),
            (CountedSubject::Faults(1), Question::ReceiverFaults),
        ] {
            if let Some(&count) = counts.get(&subject) {
                // Accounts begin and end with the messages; two rows may differ by a page for a longer answer.
                self.add(question, Reading::whole(name, Certainty::Exact, count, messages));
            }
        }
        for (side, question) in [Question::Segments, Question::Acknowledgements].into_iter().enumerate() {
            if let (true, Some(&count)) =
                (self.readings.contains_key(&question), counts.get(&CountedSubject::Packets(side)))
            {
                // A timer's packet, such as a delayed acknowledgement, is sent by the process
                // running at that moment.
                self.add(question, Reading::whole(name, Certainty::AtLeast, count, messages));
            }
        }
        Ok(())
    }

    /// Puts a reading before the others.
    fn first(&mut self, question: Question, reading: Reading) {
        self.readings.entry(question).or_default().insert(0, reading);
    }

    /// The calls of both sides and of each, the pauses left out.
    fn add_calls(&mut self, name: &str, calls: [Vec<(String, u64)>; 2], messages: u64) {
        let channel = calls.map(|parts| {
            let ours = parts.into_iter().filter(|(name, _)| name != spell::PAUSE);
            ours.collect::<Vec<_>>()
        });
        let named = |side: &'static str, parts: &[(String, u64)]| {
            parts.iter().map(|(name, count)| (format!("{side} {name}"), *count)).collect::<Vec<_>>()
        };
        let both = [named("sender", &channel[0]), named("receiver", &channel[1])].concat();
        self.add(Question::Calls, Reading::sum(name, Certainty::Exact, &both, messages));
        let [sender, receiver] = channel;
        self.add(Question::SenderCalls, Reading::sum(name, Certainty::Exact, &sender, messages));
        self.add(Question::ReceiverCalls, Reading::sum(name, Certainty::Exact, &receiver, messages));
    }

    /// The wake-ups within a row of calls.
    fn woken(&mut self, bench: &mut Bench, messages: u64, stop: &AtomicBool) -> Result<(), InstrumentFault> {
        let (wakes, row) = wakes::count(bench, &Tracefs::open()?, messages, stop)?;
        let name = "tracepoints, as a stream";
        self.took(name, row.flight_ns_p50);
        self.add(Question::Wakes, Reading::whole(name, Certainty::Exact, wakes, row.messages));
        Ok(())
    }

    /// What both gave up their cores for within a row of calls.
    fn switched(
        &mut self,
        bench: &mut Bench,
        messages: u64,
        stop: &AtomicBool,
    ) -> Result<(), InstrumentFault> {
        let (outs, row) = switches::count(bench, messages, stop)?;
        let name = "perf switch records";
        self.took(name, row.flight_ns_p50);
        let messages = row.messages;
        for (question, outs) in [Question::SenderSleeps, Question::ReceiverSleeps].into_iter().zip(outs) {
            self.first(question, Reading::whole(name, Certainty::Exact, outs.slept, messages));
        }
        Ok(())
    }

    /// A row step by step.
    fn traced(&mut self, bench: &mut Bench, messages: u64, stop: &AtomicBool) -> Result<(), InstrumentFault> {
        let (seen, row) = calls::trace(bench, messages, stop)?;
        let name = "ptrace";
        self.took(name, row.flight_ns_p50);
        let counted = [&seen[0], &seen[1]].map(|calls| by_name(calls));
        self.add_calls(name, counted, messages);
        self.calls = Some([usual(&seen[0], &row.sends), usual(&seen[1], &row.recvs)]);
        if let Some(crossed) = crossings(&seen, &row, self.setup.size_bytes) {
            let mut reading = Reading::whole("ptrace", Certainty::Derived, crossed, messages);
            let each = reading.per_message;
            reading.parts = vec![("bytes taken and given by the calls, per byte of message".into(), each)];
            self.add(Question::KernelCopies, reading);
        }
        Ok(())
    }

    /// The copy proof: the best of a few tries.
    fn proved(&mut self, stop: &AtomicBool) -> Result<(), InstrumentFault> {
        let tracefs = Tracefs::open()?;
        let mut setup = self.setup.clone();
        setup.size_bytes = setup.size_bytes.max(copies::LEAST_BYTES);
        let mut found: Option<Proof> = None;
        for _ in 0..PROOFS {
            let proof = copies::prove(&setup, Some(&tracefs), stop)?;
            if proof.whole {
                found = Some(proof);
                break;
            }
            found = found.or(Some(proof));
        }
        let Some(proof) = found else { return Ok(()) };
        let name = "watchpoints";
        self.took("watchpoints, user and kernel memory", proof.flight_ns_p50);
        if let Some(copies) = proof.copies() {
            let certainty = if proof.whole { Certainty::Exact } else { Certainty::AtLeast };
            let reading = Reading::whole(name, certainty, copies, proof.lives.len() as u64);
            if proof.whole {
                self.first(Question::KernelCopies, reading);
            } else {
                self.add(Question::KernelCopies, reading);
            }
        }
        self.touches = touched(&proof);
        Ok(())
    }

    /// What the processes themselves touch. What the kernel does is not seen, so that nothing follows for its copies.
    fn watched(&mut self, stop: &AtomicBool) -> Result<(), InstrumentFault> {
        let mut setup = self.setup.clone();
        setup.size_bytes = setup.size_bytes.max(copies::LEAST_BYTES);
        let proof = copies::prove(&setup, None, stop)?;
        self.took("watchpoints, user memory", proof.flight_ns_p50);
        self.touches = touched(&proof);
        Ok(())
    }

    fn probed(self, budget: Option<&Budget>, failed: Option<String>) -> Probed {
        let Collected { setup, one_core, mut readings, mut unavailable, .. } = self;
        let (design, scene) = (setup.kind.scene(), Scene::of(setup.kind));
        let figure = |question: Question| {
            let readings = readings.remove(&question).unwrap_or_default();
            let unavailable = unavailable.remove(&question);
            if readings.is_empty() && unavailable.is_none() {
                return None;
            }
            let bounds = budget.and_then(|budget| budget::bounds(question, budget));
            let best = readings.first();
            let held = best
                .zip(bounds)
                .map(|(best, bounds)| budget::holds(question, design, bounds, best, one_core));
            Some(ProbeFigure {
                question,
                budget: bounds,
                held,
                quoted: match question {
                    Question::Calls => Some(scene.quoted.syscalls.clone()),
                    Question::KernelCopies => Some(scene.quoted.copies.clone()),
                    _ => None,
                },
                remark: best.and_then(|best| remark(question, &scene, setup.wait, one_core, best)),
                unavailable: if best.is_some_and(|best| best.certainty == Certainty::Exact) {
                    None
                } else {
                    unavailable
                },
                readings,
            })
        };
        Probed {
            kind: setup.kind,
            wait: setup.wait,
            placement: setup.placement,
            cores: self.cores,
            size_bytes: setup.size_bytes,
            figures: if failed.is_some() {
                Vec::new()
            } else {
                Question::ALL.into_iter().filter_map(figure).collect()
            },
            calls: self.calls,
            touches: self.touches,
            overheads: self.overheads,
            failed,
        }
    }
}
