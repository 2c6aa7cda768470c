//! `ipcscope rehearse`: watched traffic, made up here or recorded from a pair that talks, over every mechanism.

use std::fs;
use std::thread;
use std::time::Instant;

use crossing::{Config, Connection, Kind};
use lab::Report;
use lab::plan::Workload;
use lab::traffic::{MESSAGES_LIMIT, SeenWait, SentMessage, Traffic};
use serde_json::{Value, json};

use crate::harness::Desk;

/// A question, its answer, and two messages in a row, of sizes that differ; one has no bytes.
const MADE_UP: [SentMessage; 6] = [
    sent(0, 100, 0, 0),
    sent(1, 20, 1, 2_000),
    sent(0, 0, 1, 300_000),
    sent(0, 5_000, 1, 500),
    sent(0, 3, 1, 500),
    sent(1, 1, 4, 0),
];

const fn sent(side: u8, bytes: u64, after: u64, thought_ns: u64) -> SentMessage {
    SentMessage { side, bytes, after, thought_ns }
}

fn made_up() -> Traffic {
    Traffic { messages: MADE_UP.to_vec(), elapsed_ns: 400_000, ..Traffic::default() }
}

fn watch(edge: &str, traffic: &Traffic) -> Value {
    json!({
        "format": atlas::WATCH_FORMAT, "schema": atlas::WATCH_SCHEMA, "edge": { "kind": edge, "id": "x:1" }, "lost": 0,
        "traffic": traffic,
    })
}

/// A desk with this watch on it.
fn desk(watch: &Value) -> Desk {
    let desk = Desk::new();
    fs::write(desk.path("w.json"), watch.to_string()).expect("a file");
    desk
}

fn rehearsed(watch: &Value, options: &str) -> Report {
    desk(watch).run(&format!("rehearse w.json --json --seed 7 {options}")).ended_with(0).report()
}

#[test]
fn every_mechanism_and_variant_has_a_row_in_which_every_message_is_verified() {
    let report = rehearsed(&watch("unix-stream", &made_up()), "--rounds 2 --wait block,spin");
    let variants = [Workload::Rehearsed, Workload::RehearsedCorked, Workload::RehearsedRoomy];
    assert_eq!(report.plan.workloads, variants);
    assert_eq!(report.rows.len(), Kind::ALL.len() * variants.len() * 2);
    let all = MADE_UP.len() as u64;
    for row in &report.rows {
        assert_eq!((row.failed.as_ref(), row.launches), (None, 2), "{row:#?}");
        assert_eq!((row.messages, row.verified), (2 * all, 2 * all), "{row:#?}");
        assert_eq!(row.latency_ns.as_ref().map(|latency| latency.samples), Some(2 * all));
        assert!(row.directions_ns_p50.is_some_and(|both| both.iter().all(Option::is_some)), "{row:#?}");
        assert_eq!(row.size_bytes, 5_000);
        // It thinks as long as was seen, whatever carries its messages.
        let elapsed_ns = all as f64 * 1e9 / row.messages_per_s.expect("a rate");
        assert!(elapsed_ns >= 300_000.0, "{row:#?}");
    }
    let rehearsal = report.rehearsal.expect("a rehearsal");
    assert_eq!((rehearsal.watched.messages, rehearsal.watched.bytes), ([4, 2], 5_124));
    assert_eq!((rehearsal.watched.empty, rehearsal.watched.edge.as_deref()), (1, Some("unix-stream")));
    let own = &report.rows[rehearsal.agreement.row.expect("a row")];
    assert_eq!((own.kind.as_str(), own.workload), (Kind::Unix.name(), Workload::Rehearsed));
    assert_eq!(rehearsal.agreement.figures.len(), 1, "no median was watched");
}

/// What a program would have told that talks by itself: ours, with simple stamps.
#[test]
fn traffic_recorded_from_a_pair_is_repeated_message_by_message() {
    for kind in Kind::ALL {
        let traffic = recorded(kind, 40);
        let report = rehearsed(&watch("tcp", &traffic), "--rounds 2 --wait block");
        let count = traffic.messages.len() as u64;
        assert!(
            report.rows.iter().all(|row| row.failed.is_none() && row.verified == 2 * count),
            "{report:#?}"
        );
        let watched = report.rehearsal.expect("a rehearsal").watched;
        assert_eq!(watched.messages, [40, 40]);
        assert_eq!(watched.median_ns, traffic.median_ns);
    }
}

/// The traffic of questions and answers of growing sizes.
fn recorded(kind: Kind, count: usize) -> Traffic {
    let (mut here, mut there) = Connection::pair(kind, &Config::default()).expect("a pair");
    let began = Instant::now();
    let now = move || u64::try_from(began.elapsed().as_nanos()).expect("a short test");
    // When each message began to be sent, and when the other one had come.
    let talk = move |connection: &mut Connection, asks: bool| -> Vec<[u64; 2]> {
        let mut buffer = [0; 4096];
        let mut times = Vec::new();
        for number in 0..count {
            let mut came = 0;
            if !asks {
                connection.recv(&mut buffer).expect("a question");
                came = now();
            }
            let sent = now();
            connection.send(&buffer[..number + 1]).expect("it is taken");
            if asks {
                connection.recv(&mut buffer).expect("an answer");
                came = now();
            }
            times.push([sent, came]);
        }
        times
    };
    let answering = thread::spawn(move || talk(&mut there, false));
    let asked = talk(&mut here, true);
    let answered = answering.join().expect("it answers");
    let mut messages = Vec::new();
    for number in 0..count {
        let (bytes, after) = (number as u64 + 1, number as u64);
        let last = number.checked_sub(1).map(|before| asked[before][1]);
        messages.push(sent(0, bytes, after, last.map_or(0, |last| asked[number][0] - last)));
        messages.push(sent(1, bytes, after + 1, answered[number][0] - answered[number][1]));
    }
    let median = |mut times: Vec<u64>| {
        times.sort_unstable();
        Some(times[times.len() / 2])
    };
    let both = || asked.iter().zip(&answered);
    Traffic {
        messages,
        not_kept: 0,
        waits: [SeenWait::InTheCall; 2],
        elapsed_ns: asked[count - 1][1] - asked[0][0],
        median_ns: [
            median(both().map(|(asked, answered)| answered[1] - asked[0]).collect()),
            median(both().map(|(asked, answered)| asked[1] - answered[0]).collect()),
        ],
    }
}

#[test]
fn one_side_may_send_all() {
    let traffic = Traffic { messages: vec![sent(1, 64, 0, 0); 30], elapsed_ns: 1, ..Traffic::default() };
    let report = rehearsed(&watch("pipe", &traffic), "--rounds 1 --wait block");
    for row in &report.rows {
        assert_eq!((row.failed.as_ref(), row.verified), (None, 30), "{row:#?}");
        assert!(row.directions_ns_p50.is_some_and(|[first, second]| first.is_none() && second.is_some()));
    }
}

/// What was watched took a hundred seconds, or no time: no repetition does. A table then says why nothing is concluded.
#[test]
fn what_is_not_repeated_is_no_ground_for_a_conclusion() {
    for elapsed_ns in [100_000_000_000, 1] {
        let watch = watch("pipe", &Traffic { elapsed_ns, ..made_up() });
        let report = rehearsed(&watch, "--rounds 2 --wait block");
        let agreement = report.rehearsal.expect("a rehearsal").agreement;
        assert!(!agreement.agrees && agreement.open.is_none(), "{agreement:#?}");
        let table = desk(&watch).run("rehearse w.json --rounds 2 --wait block").ended_with(0).stdout;
        assert!(table.contains("Nothing is concluded: the rehearsal is not what was watched"), "{table}");
        assert!(!table.contains("sooner"), "{table}");
    }
    let foreign = desk(&watch("carrier-pigeon", &made_up()));
    let table = foreign.run("rehearse w.json --rounds 1 --wait block").ended_with(0).stdout;
    assert!(table.contains("Nothing is concluded: no mechanism here is near to `carrier-pigeon`"), "{table}");
}

#[test]
fn the_history_keeps_it_and_compare_reads_it() {
    let desk = desk(&watch("pipe", &made_up()));
    let json = desk.run("rehearse w.json --rounds 2 --wait block --json").ended_with(0).stdout;
    fs::write(desk.path("a.json"), &json).expect("a file");
    assert_eq!(desk.runs().len(), 1);
    desk.run("compare a.json a.json --fail-over 0").ended_with(0);
    let mut other: Value = serde_json::from_str(&json).expect("JSON");
    other["rehearsal"]["watched"]["elapsed_ns"] = 7.into();
    fs::write(desk.path("b.json"), other.to_string()).expect("a file");
    let past = desk.run("compare a.json b.json --fail-over 0").ended_with(3);
    assert!(past.stderr.contains("a rehearsal of other traffic"), "{past:#?}");
}

#[test]
fn what_cannot_be_rehearsed_is_refused_in_one_line() {
    let refused = |watch: Value, words: &str| desk(&watch).run("rehearse w.json").refused(words);
    let traffic = |messages: Vec<SentMessage>| watch("pipe", &Traffic { messages, ..Traffic::default() });
    refused(traffic(vec![]), "no message in it");
    refused(traffic(vec![sent(0, 1, 1, 0), sent(1, 1, 1, 0)]), "message 1 comes after 1 of the other side");
    refused(traffic(vec![sent(0, 1, 0, 1_000_000_000_000)]), "even through a channel that takes no time");
    refused(traffic(vec![sent(0, 1, 0, u64::MAX); 3]), "even through a channel that takes no time");
    refused(traffic(vec![sent(0, (16 << 20) + 1, 0, 0)]), "at most 16777216 are rehearsed");
    refused(traffic(vec![sent(0, 16 << 20, 0, 0); 300]), "bytes together");
    refused(traffic(vec![sent(2, 1, 0, 0)]), "of side 2");
    refused(traffic(vec![sent(0, 1, 0, 0); MESSAGES_LIMIT + 1]), "at most 100000");
    let changed = |field: &str, value: Value| {
        let mut watch = watch("pipe", &made_up());
        watch[field] = value;
        watch
    };
    refused(changed("format", "ipcscope-map".into()), "`ipcscope-map`");
    refused(changed("schema", 2.into()), "reads 1");
    refused(changed("traffic", Value::Null), "field `traffic` is missing");
    refused(changed("traffic", 7.into()), "field `traffic`");
    let desk = desk(&watch("pipe", &made_up()));
    let whole = fs::read(desk.path("w.json")).expect("a file");
    fs::write(desk.path("cut.json"), &whole[..whole.len() / 2]).expect("a file");
    desk.run("rehearse cut.json").refused("cut short");
    desk.run("rehearse none.json").refused("none.json");
    desk.run("rehearse /dev/zero").refused("a device");
    desk.run("rehearse w.json --rounds 0").refused("launches 0");
    desk.run("rehearse w.json --place 0,9999").refused("9999");
    desk.run("race --workload rehearsed").refused("rehearsed");
}
