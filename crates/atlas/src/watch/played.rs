//! The kept calls of a watch as a trace that the stage can play.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crossing::Kind;
use lab::machine::Unavailable;
use lab::plan::Placement;
use lab::scene::{Actor, Scene};
use lab::trace::{Event, Header, Mode, Process, Tone, Trace, What};
use lab::traffic::SeenWait;

use super::kept::{CallPart, CallSpan, KeptCall, KeptCalls};
use crate::edge::Edge;
use crate::kind::EdgeKind;
use crate::process::RunningProcess;

/// Messages in a batch, at least, and how many batches there are, at most.
const BATCH: usize = 10;
const BATCHES: usize = 20;

/// The trace of this channel, or why there is none.
pub(super) fn trace(
    kept: &KeptCalls,
    edge: &Edge,
    processes: &[RunningProcess],
    waits: [SeenWait; 2],
    began_unix_ms: u64,
) -> Result<Trace, Unavailable> {
    let refused = |why: &str, remedy: &str| Unavailable {
        what: "a trace of the messages".into(),
        why: why.into(),
        remedy: remedy.into(),
    };
    let kind = scene_of(edge.kind).ok_or_else(|| {
        let why = format!("no stage is known for a channel of the kind {}", edge.kind.name());
        refused(&why, "watch a pipe, a Unix socket or TCP")
    })?;
    let ended: HashMap<(usize, CallSpan), CallSpan> =
        kept.joined.iter().map(|(direction, write, read)| ((*direction, *write), *read)).collect();
    let mut calls: Vec<&KeptCall> = kept.calls.iter().collect();
    calls.sort_by_key(|call| (call.began_ns, call.call.ended_ns));
    let first_ns = first_joined(&calls, &ended).ok_or_else(|| {
        let why = "no read was seen of which it is known which write's bytes it took";
        refused(why, "watch as root, for longer, and while something goes over the channel")
    })?;
    calls.retain(|call| call.call.ended_ns >= first_ns);
    let actors = ActorsSeen::of_calls(&calls, edge.kind.is_one_way());
    let [sender, receiver] =
        [Actor::Sender, Actor::Receiver].map(|actor| actors.process(actor, edge, processes, &kept.cores));
    let (Some(sender), Some(receiver)) = (sender, receiver) else {
        return Err(refused(
            "only one of its two ends is a process that was seen",
            "watch a channel within this machine",
        ));
    };
    let messages = messages(&calls, &ended);
    let name = |sends: bool| most_used(&calls, sends).unwrap_or(if sends { "write" } else { "read" });
    let scene = Scene::of(kind).watched(name(true), name(false), edge.kind.is_one_way());
    let longest = messages.iter().map(|message| message.write.bytes()).max().unwrap_or(0);
    let placement = match (sender.core, receiver.core) {
        (Some(one), Some(other)) if one == other => Placement::SameCore,
        (Some(one), Some(other)) => Placement::Cores(one, other),
        _ => Placement::Unpinned,
    };
    let wait = match waits[1] {
        SeenWait::NotSeen => "not seen",
        SeenWait::InTheCall | SeenWait::ByDescriptor => "block",
        SeenWait::Spinning => "spin",
    };
    let pids = [sender.pid, receiver.pid];
    let size = u32::try_from(longest).unwrap_or(u32::MAX);
    let header = Header::new(scene, wait, placement, [sender, receiver], size, "monotonic");
    let channel =
        edge.name.as_ref().map_or_else(|| edge.id.to_string(), |name| format!("{} {name}", edge.id));
    let header = Header { channel: Some(channel), started_unix_ms: began_unix_ms, ..header };
    let mut events = events(&calls, &messages, &actors, pids);
    if kept.not_kept > 0 {
        let text =
            format!("The first {} calls are here; the watch has seen {} more.", calls.len(), kept.not_kept);
        let last = events.len().saturating_sub(1);
        let t_ns = events[last].t_ns;
        events.insert(last, Event::new(t_ns, What::Note { tone: Tone::Plain }).saying(text));
    }
    Ok(Trace { header, events })
}

/// The mechanism whose scene a channel of this kind plays on.
fn scene_of(kind: EdgeKind) -> Option<Kind> {
    match kind {
        EdgeKind::Pipe | EdgeKind::Fifo => Some(Kind::Pipe),
        EdgeKind::UnixStream | EdgeKind::UnixDatagram | EdgeKind::UnixSeqpacket => Some(Kind::Unix),
        EdgeKind::Tcp => Some(Kind::Tcp),
        _ => None,
    }
}

/// The actor of a call that moves bytes.
fn seen_as(kept: &KeptCall, one_way: bool) -> Actor {
    let forward = match kept.part {
        CallPart::Reads { .. } | CallPart::Waits if one_way => false,
        CallPart::Writes { .. } if one_way => true,
        CallPart::Reads { side, .. } | CallPart::Writes { side, .. } => side == 0,
        CallPart::Waits => false,
    };
    if forward { Actor::Sender } else { Actor::Receiver }
}

/// The processes that were seen to be each of the two, the first one first.
#[derive(Debug, Default)]
struct ActorsSeen {
    one_way: bool,
    pids: [Vec<u32>; 2],
}

impl ActorsSeen {
    /// Which process sends forward: on a channel of one way the one that writes, else the one of side 0.
    fn of_calls(calls: &[&KeptCall], one_way: bool) -> ActorsSeen {
        let mut seen = ActorsSeen { one_way, ..ActorsSeen::default() };
        for kept in calls.iter().filter(|kept| kept.part != CallPart::Waits) {
            let pids = &mut seen.pids[usize::from(seen_as(kept, one_way) == Actor::Receiver)];
            if !pids.contains(&kept.call.process) {
                pids.push(kept.call.process);
            }
        }
        seen
    }

    /// The actor of a call. One that waits is its process's.
    fn of(&self, kept: &KeptCall) -> Actor {
        match kept.part {
            CallPart::Waits if self.pids[0].contains(&kept.call.process) => Actor::Sender,
            CallPart::Waits => Actor::Receiver,
            _ => seen_as(kept, self.one_way),
        }
    }

    /// The process that the header names.
    fn process(
        &self,
        actor: Actor,
        edge: &Edge,
        processes: &[RunningProcess],
        cores: &BTreeMap<u32, Option<usize>>,
    ) -> Option<Process> {
        let at = usize::from(actor == Actor::Receiver);
        let at_end = || {
            let end = edge.ends.iter().find(|end| match (self.one_way, actor) {
                (true, Actor::Sender) => end.writes,
                (true, _) => end.reads,
                (false, _) => usize::from(end.side) == at,
            });
            end.map(|end| end.process.pid.unsigned_abs())
        };
        let pid = self.pids[at].first().copied().or_else(at_end)?;
        let known = processes.iter().find(|process| process.id.pid.unsigned_abs() == pid);
        Some(Process {
            actor,
            pid,
            parent: known.map_or(0, |process| process.parent.unsigned_abs()),
            core: cores.get(&pid).copied().flatten(),
            name: known.map(|process| process.name.clone()),
        })
    }
}

/// When the first write of which it is known which read took it began: in both directions, unless that is known of one so late that
/// more than half of the calls were lost.
fn first_joined(calls: &[&KeptCall], ended: &HashMap<(usize, CallSpan), CallSpan>) -> Option<u64> {
    let first = |wanted: usize| {
        let is = |kept: &&&KeptCall| match kept.part {
            CallPart::Writes { direction, .. } => {
                direction == wanted && ended.contains_key(&(direction, kept.span()))
            }
            _ => false,
        };
        calls.iter().find(is).map(|kept| kept.began_ns)
    };
    let firsts: Vec<u64> = [first(0), first(1)].into_iter().flatten().collect();
    let (&earlier, &later) = (firsts.iter().min()?, firsts.iter().max()?);
    let left = calls.iter().filter(|kept| kept.began_ns >= later).count();
    Some(if 2 * left >= calls.len() { later } else { earlier })
}

/// The call that most messages were sent or received by.
fn most_used(calls: &[&KeptCall], sends: bool) -> Option<&'static str> {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for kept in calls.iter().filter(|kept| kept.call.result > 0) {
        if matches!(kept.part, CallPart::Writes { .. }) == sends && kept.part != CallPart::Waits {
            *counts.entry(kept.name).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name)
}

/// A message: its write, and the read that took its last byte, if one did.
#[derive(Debug)]
struct KeptMessage<'a> {
    direction: usize,
    write: &'a KeptCall,
    read: Option<CallSpan>,
}

/// The messages, in the order in which they were sent.
fn messages<'a>(
    calls: &[&'a KeptCall],
    ended: &HashMap<(usize, CallSpan), CallSpan>,
) -> Vec<KeptMessage<'a>> {
    // Before the first joined write of a direction it is not known which read took which.
    let mut level = [false; 2];
    let mut found = Vec::new();
    for &write in calls {
        let CallPart::Writes { direction, .. } = write.part else { continue };
        if write.call.result < 0 {
            continue;
        }
        let read = ended.get(&(direction, write.span())).copied();
        let is_level = &mut level[direction];
        *is_level |= read.is_some();
        if *is_level {
            found.push(KeptMessage { direction, write, read });
        }
    }
    found
}

/// Where batches begin: at the first message, and wherever no message was under way and the last batch has enough of them.
fn batches(messages: &[KeptMessage<'_>]) -> Vec<usize> {
    let enough = BATCH.max(messages.len().div_ceil(BATCHES));
    let (mut begins, mut over_ns) = (vec![0], 0);
    for (at, message) in messages.iter().enumerate() {
        let full = begins.last().is_some_and(|last| at - last >= enough);
        if full && message.write.began_ns >= over_ns {
            begins.push(at);
        }
        let read_ns = message.read.map_or(u64::MAX, |read| read.1);
        over_ns = over_ns.max(read_ns).max(message.write.call.ended_ns);
    }
    begins
}

/// All events, in batches, counted from the first one.
fn events(
    calls: &[&KeptCall],
    messages: &[KeptMessage<'_>],
    actors: &ActorsSeen,
    pids: [u32; 2],
) -> Vec<Event> {
    let begins = batches(messages);
    let batch_of = |message: usize| begins.partition_point(|&begin| begin <= message).saturating_sub(1);
    let mut in_batch: Vec<Vec<Event>> = begins.iter().map(|_| Vec::new()).collect();
    let by_write: HashMap<(usize, CallSpan), usize> =
        messages.iter().enumerate().map(|(at, one)| ((one.direction, one.write.span()), at)).collect();
    let mut by_read: HashMap<(usize, CallSpan), Vec<usize>> = HashMap::new();
    for (at, one) in messages.iter().enumerate() {
        if let Some(read) = one.read {
            by_read.entry((one.direction, read)).or_default().push(at);
        }
    }
    let first_ns = calls.iter().map(|kept| kept.began_ns).min().unwrap_or(0);
    let since = |ns: u64| ns.saturating_sub(first_ns);
    let mut told = BTreeSet::new();
    for kept in calls {
        let (of, back): (&[usize], bool) = match kept.part {
            CallPart::Writes { direction, .. } => {
                let at = by_write.get(&(direction, kept.span()));
                (at.map_or(&[], std::slice::from_ref), direction == 1)
            }
            CallPart::Reads { direction, .. } => {
                (by_read.get(&(direction, kept.span())).map_or(&[], Vec::as_slice), direction == 1)
            }
            CallPart::Waits => (&[], false),
        };
        let batch = of.first().map_or_else(
            || {
                let sent = |&begin: &usize| {
                    messages.get(begin).is_some_and(|one| one.write.began_ns <= kept.began_ns)
                };
                begins.partition_point(sent).saturating_sub(1)
            },
            |&message| batch_of(message),
        );
        let actor = actors.of(kept);
        let event = |ns: u64, what: What| {
            let call = &kept.call;
            Event {
                back,
                pid: (call.process != pids[usize::from(actor == Actor::Receiver)]).then_some(call.process),
                thread: (call.thread != call.process).then_some(call.thread),
                ..Event::new(since(ns), what).by(actor)
            }
        };
        let events = &mut in_batch[batch];
        // A call that moves bytes within one channel is both a read and a write, and one call.
        if told.insert((kept.call.thread, kept.began_ns)) {
            let what = What::Syscall {
                name: kept.name.into(),
                args: None,
                result: Some(kept.call.result),
                duration_ns: Some(kept.call.ended_ns.saturating_sub(kept.began_ns)),
            };
            let call = event(kept.began_ns, what);
            events.push(Event { message: of.first().map(|&at| at as u64), ..call });
        }
        for &at in of {
            let (begin, end) = match kept.part {
                CallPart::Writes { .. } => {
                    (What::SendBegin { payload: None, bytes: Some(kept.bytes()) }, What::SendEnd {})
                }
                _ => (What::RecvBegin {}, What::received()),
            };
            events.push(event(kept.began_ns, begin).of(at as u64));
            events.push(event(kept.call.ended_ns, end).of(at as u64));
        }
    }
    let mut all = Vec::new();
    for (at, mut events) in in_batch.into_iter().enumerate() {
        events.sort_by_key(|event| event.t_ns);
        let (Some(first), Some(last)) = (events.first(), events.last()) else { continue };
        let (from_ns, to_ns) = (first.t_ns, last.t_ns);
        let next = begins.get(at + 1).copied().unwrap_or(messages.len());
        let count = (next - begins[at]) as u64;
        all.push(Event::new(from_ns, What::BatchBegin { mode: Mode::Burst, count }));
        all.append(&mut events);
        all.push(Event::new(to_ns, What::BatchEnd {}));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::gather::WatchGathered;
    use super::super::kept::LIMIT;
    use super::super::tap::TappedCall;
    use super::*;
    use crate::edge::{EdgeEnd, EdgeId};
    use crate::process::ProcessId;

    const WRITER: u32 = 4_000_001;
    const READER: u32 = 4_000_002;

    fn call(process: u32, number: i64, span: [u64; 2], result: i64) -> TappedCall {
        TappedCall {
            began_ns: Some(span[0]),
            ended_ns: span[1],
            process,
            thread: process,
            number: number as u32,
            arguments: [3, 0, 0, 0],
            result,
        }
    }

    fn wrote(span: [u64; 2], bytes: i64) -> TappedCall {
        call(WRITER, libc::SYS_write, span, bytes)
    }

    fn read(span: [u64; 2], bytes: i64) -> TappedCall {
        call(READER, libc::SYS_read, span, bytes)
    }

    fn gathered(kind: EdgeKind, calls: &[TappedCall]) -> WatchGathered {
        let mut gathered = WatchGathered::new(kind);
        gathered.descriptor(WRITER, 3, 0);
        gathered.descriptor(READER, 3, 1);
        calls.iter().for_each(|call| gathered.call(call));
        gathered
    }

    fn edge(kind: EdgeKind) -> Edge {
        let end = |pid: u32, side: u8| EdgeEnd {
            process: ProcessId { pid: pid.cast_signed(), started: 0 },
            side,
            address: None,
            descriptors: vec![3],
            reads: side == 1,
            writes: side == 0,
            queued_bytes: None,
            queued_messages: None,
            unacknowledged_bytes: None,
            by_last_call: false,
        };
        Edge {
            id: EdgeId("pipe:77".into()),
            kind,
            name: None,
            ends: vec![end(WRITER, 0), end(READER, 1)],
            capacity_bytes: None,
            tcp: None,
            beyond: None,
            unread: vec![],
        }
    }

    fn trace(kind: EdgeKind, calls: &[TappedCall]) -> Result<Trace, Unavailable> {
        super::trace(
            &gathered(kind, calls).kept,
            &edge(kind),
            &[],
            [SeenWait::NotSeen, SeenWait::InTheCall],
            7,
        )
    }

    /// Each event in a word, with its time and its message.
    fn told(trace: &Trace) -> Vec<String> {
        let word = |event: &Event| match &event.what {
            What::BatchBegin { count, .. } => format!("{} batch of {count}", event.t_ns),
            What::SendBegin { bytes, .. } => format!("{} send {:?} {:?}", event.t_ns, event.message, bytes),
            What::RecvEnd { .. } => format!("{} has {:?}", event.t_ns, event.message),
            What::Syscall { name, result, .. } => {
                format!("{} {name} {:?} {result:?}", event.t_ns, event.message)
            }
            _ => String::new(),
        };
        trace.events.iter().map(word).filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn a_message_has_its_write_and_the_read_that_took_its_last_byte() {
        let calls = [
            wrote([150, 160], 100),
            read([100, 170], 100),
            wrote([200, 210], 100),
            read([220, 230], 60),
            wrote([240, 250], 10),
            read([260, 270], 50),
        ];
        let trace = trace(EdgeKind::Pipe, &calls).unwrap();
        let expected = [
            "0 batch of 3",
            "0 read Some(0) Some(100)",
            "50 write Some(0) Some(100)",
            "50 send Some(0) Some(100)",
            "70 has Some(0)",
            "100 write Some(1) Some(100)",
            "100 send Some(1) Some(100)",
            // A part of a message is no message.
            "120 read None Some(60)",
            "140 write Some(2) Some(10)",
            "140 send Some(2) Some(10)",
            // One read has the rest of it and the next.
            "160 read Some(1) Some(50)",
            "170 has Some(1)",
            "170 has Some(2)",
        ];
        assert_eq!(told(&trace), expected);
        let header = &trace.header;
        assert_eq!(
            (header.channel.as_deref(), header.size_bytes, header.wait.as_str()),
            (Some("pipe:77"), 100, "block")
        );
        assert_eq!(header.processes.each_ref().map(|process| process.pid), [WRITER, READER]);
        let mut lines = Vec::new();
        trace.write(&mut lines).unwrap();
        assert_eq!(Trace::read(&lines[..]).unwrap(), trace);
    }

    /// A message is read before the next one is written.
    fn one_by_one(messages: u64) -> Vec<TappedCall> {
        (1..=messages)
            .flat_map(|n| [wrote([100 * n + 20, 100 * n + 30], 8), read([100 * n, 100 * n + 40], 8)])
            .collect()
    }

    #[test]
    fn no_more_is_kept_than_may_be_and_what_comes_after_is_counted() {
        let trace = trace(EdgeKind::Pipe, &one_by_one(LIMIT as u64)).unwrap();
        let of = |wanted: fn(&What) -> bool| trace.events.iter().filter(|event| wanted(&event.what)).count();
        assert_eq!(of(|what| matches!(what, What::Syscall { .. })), LIMIT);
        assert_eq!(of(|what| matches!(what, What::RecvEnd { .. })), LIMIT / 2);
        assert_eq!(of(|what| matches!(what, What::BatchBegin { .. })), BATCHES);
        let notes: Vec<_> = trace.events.iter().filter_map(|event| event.text.as_deref()).collect();
        assert_eq!(notes, ["The first 2000 calls are here; the watch has seen 2000 more."]);
    }

    #[test]
    fn nothing_is_kept_after_calls_were_lost_and_nothing_that_was_joined_wrongly() {
        let mut lost = gathered(EdgeKind::Pipe, &one_by_one(5));
        lost.calls_were_lost();
        one_by_one(9).iter().skip(10).for_each(|call| lost.call(call));
        assert_eq!(lost.kept.calls.len(), 10);
        let mut wrong = gathered(EdgeKind::Pipe, &one_by_one(5));
        assert_eq!(wrong.kept.joined.len(), 5);
        // It took bytes of a write that began after it was over, so the counts were not level.
        for call in [read([1000, 1010], 8), wrote([1020, 1030], 8)] {
            wrong.call(&call);
        }
        assert!(wrong.kept.calls.is_empty() && wrong.kept.joined.is_empty());
    }

    #[test]
    fn what_has_no_stage_or_was_not_joined_is_refused_with_the_reason() {
        let why = |kind, calls: &[TappedCall]| trace(kind, calls).unwrap_err().why;
        assert!(
            why(EdgeKind::Udp, &one_by_one(3)).contains("no stage is known for a channel of the kind udp")
        );
        assert!(why(EdgeKind::Pipe, &[wrote([1, 2], 8)]).contains("no read was seen"));
        assert!(trace(EdgeKind::Tcp, &one_by_one(3)).is_ok());
    }
}
