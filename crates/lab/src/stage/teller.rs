//! The teller: turns observations into events on one scale of time, and hands them out.

use super::order::{Sight, Wrong};
use super::pair::Pair;
use super::state::SeenProcess;
use crate::clock::Clock;
use crate::peer::Death;
use crate::trace::{Basis, Call, Event, ProcessState, Side, Tone, What};

/// Tells events as they happen.
pub(crate) struct Teller<'a> {
    clock: Clock,
    /// The stamp of the trace's first event.
    origin: &'a mut Option<u64>,
    tell: &'a mut dyn FnMut(Event),
    /// Whether it was said that the kernel does not let us look.
    blind: bool,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(
        clock: Clock,
        origin: &'a mut Option<u64>,
        tell: &'a mut dyn FnMut(Event),
    ) -> Teller<'a> {
        Teller { clock, origin, tell, blind: false }
    }

    /// A stamp as the trace counts it.
    pub(crate) fn t_ns(&mut self, ticks: u64) -> u64 {
        let origin = *self.origin.get_or_insert(ticks);
        self.clock.ns(ticks.saturating_sub(origin))
    }

    /// An event of now.
    pub(crate) fn now(&mut self, what: What) -> Event {
        let ticks = self.clock.now();
        Event::new(self.t_ns(ticks), what)
    }

    pub(crate) fn tell(&mut self, event: Event) {
        (self.tell)(event);
    }

    /// Something of now that needs no more words.
    pub(crate) fn say(&mut self, what: What) {
        let event = self.now(what);
        self.tell(event);
    }

    /// A sentence.
    pub(crate) fn note(&mut self, tone: Tone, text: impl Into<String>) {
        let event = self.now(What::Note { tone }).saying(text);
        self.tell(event);
    }

    /// Figures that were just measured.
    pub(crate) fn table(
        &mut self,
        title: impl Into<String>,
        columns: &[&str],
        rows: Vec<Vec<String>>,
        instrument: &str,
    ) {
        let columns = columns.iter().map(|&column| column.into()).collect();
        let (title, instrument) = (title.into(), instrument.into());
        self.say(What::Table { title, columns, rows, basis: Basis::Measured, instrument });
    }

    /// The end of a process.
    pub(crate) fn died(&mut self, side: Side, death: Death) {
        let how = death_words(&format!("the {}", side.name()), &death);
        self.tell_death(side, death, how);
    }

    /// The end of a process that the lab did not ask for; the sentence for it.
    pub(crate) fn died_from_outside(&mut self, side: Side, pid: u32, death: Death) -> String {
        /// What a program does to itself.
        const OWN_FAULTS: [&str; 4] = ["SIGSEGV", "SIGBUS", "SIGILL", "SIGABRT"];
        let sent = death.signal.as_deref().is_some_and(|signal| !OWN_FAULTS.contains(&signal));
        let from = if sent { " from outside" } else { "" };
        let how = death_words(&format!("the {} (pid {pid})", side.name()), &death) + from;
        self.tell_death(side, death, how.clone());
        how
    }

    fn tell_death(&mut self, side: Side, death: Death, how: String) {
        let what = What::Died { signal: death.signal, exit_code: death.exit_code };
        let event = self.now(what).by(side).saying(how);
        self.tell(event);
    }

    /// Tells the state of `sides` and the gauges' values, each as it is read.
    pub(crate) fn look(&mut self, pair: &Pair, sides: &[Side]) {
        let events = self.looked(pair, sides);
        events.into_iter().for_each(|event| self.tell(event));
    }

    /// The same events, to be told later.
    pub(crate) fn looked(&mut self, pair: &Pair, sides: &[Side]) -> Vec<Event> {
        let states = sides.iter().map(|&side| self.seen(side, pair.look(side))).collect::<Vec<_>>();
        states.into_iter().chain(self.read_gauges(pair)).collect()
    }

    /// A process as it was seen.
    pub(crate) fn seen(&mut self, side: Side, seen: SeenProcess) -> Event {
        let text = words(side, &seen);
        self.now(seen.event()).by(side).saying(text)
    }

    /// The event that tells the gauges' values. If the kernel refuses to show them, that is told
    /// once.
    pub(crate) fn read_gauges(&mut self, pair: &Pair) -> Option<Event> {
        let began = self.clock.now();
        let what = match pair.gauges() {
            Ok(gauges) => {
                let values = gauges.read();
                What::Gauges { values, took_ns: self.clock.ns(self.clock.now().saturating_sub(began)) }
            }
            Err(_) if self.blind => return None,
            Err(error) => {
                self.blind = true;
                What::Unavailable {
                    figure: "what regions, pipes and sockets hold".into(),
                    why: format!("the kernel does not let the lab look into its processes: {error}"),
                    remedy: "allow pidfd_getfd in the container's seccomp profile, and set \
                             kernel.yama.ptrace_scope to 0 or 1"
                        .into(),
                }
            }
        };
        Some(self.now(what))
    }

    /// The two events of each call that a process has told of.
    pub(crate) fn calls(&mut self, side: Side, call: Call, back: bool, sights: Vec<Sight>) -> Vec<Event> {
        let mut events = Vec::with_capacity(2 * sights.len());
        for Sight { number, began, ended, cpu, words, ahead_bytes, fault } in sights {
            let (begin, end) = match call {
                Call::Send => (What::SendBegin { payload: words, bytes: None }, What::SendEnd {}),
                Call::Recv => (What::RecvBegin {}, What::RecvEnd { payload: words, ahead_bytes }),
            };
            let end = match &fault {
                None => end,
                Some(Wrong::Ended(word)) => What::Failed { call, error: word.clone() },
                Some(Wrong::Damaged) => What::Failed { call, error: "damaged".into() },
            };
            let event = |t_ns, what| Event { back, cpu, ..Event::new(t_ns, what).by(side).of(number) };
            events.push(event(self.t_ns(began), begin));
            let ended = event(self.t_ns(ended), end);
            events.push(match &fault {
                None => ended,
                Some(fault) => ended.saying(fault_words(side, call, number, fault)),
            });
        }
        events
    }

    /// Tells events in order of time.
    pub(crate) fn in_order(&mut self, mut events: Vec<Event>) {
        events.sort_by_key(|event| event.t_ns);
        events.into_iter().for_each(|event| self.tell(event));
    }
}

fn death_words(who: &str, death: &Death) -> String {
    match (&death.signal, death.exit_code) {
        (Some(signal), _) => format!("{who} was ended by {signal}"),
        (None, Some(code)) => format!("{who} has exited with {code}"),
        (None, None) => format!("{who} is gone"),
    }
}

/// `the receiver sleeps in read() (anon_pipe_read)`.
fn words(side: Side, seen: &SeenProcess) -> String {
    let who = side.name();
    match (seen.state, &seen.call) {
        (ProcessState::Idle, _) => format!("the {who} is idle"),
        (ProcessState::Running, _) => format!("the {who} runs"),
        (ProcessState::Stopped, _) => format!("the {who} is stopped"),
        (ProcessState::Dead, _) => format!("the {who} is gone"),
        (ProcessState::Sleeping, None) => format!("the {who} sleeps"),
        (ProcessState::Sleeping, Some(call)) => {
            let place = seen.wchan.as_ref().map(|wchan| format!(" ({wchan})")).unwrap_or_default();
            format!("the {who} sleeps in {call}(){place}")
        }
    }
}

fn fault_words(side: Side, call: Call, number: u64, fault: &Wrong) -> String {
    let call = if call == Call::Send { "send" } else { "recv" };
    match fault {
        Wrong::Ended(word) => format!("{call} of message {number} by the {} ended: {word}", side.name()),
        Wrong::Damaged => format!("message {number} came damaged"),
    }
}

/// Whether a process of a pair is the one that sends in this direction.
pub(crate) fn ends(back: bool) -> (Side, Side) {
    if back { (Side::Receiver, Side::Sender) } else { (Side::Sender, Side::Receiver) }
}
