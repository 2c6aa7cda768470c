//! The record: `figures.json`, with every sample, and `figures.md`, the table.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use lab::machine::Machine;
use lab::units;
use serde::{Deserialize, Serialize};

use crate::judge::{Judged, Reached, Verdict, judge};
use crate::rounds::Measured;
use crate::table::{Limit, Place, Race, Row, Table, Target};
use crate::{Course, Failed};

/// The version of the record's structure.
const SCHEMA: u32 = 2;

/// A whole record. In the file the samples stand behind everything else, one a line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    schema: u32,
    version: String,
    started_unix_ms: u64,
    pub(crate) elapsed_ms: u64,
    /// The rounds asked for. `others_percent` has one value for each round that was kept.
    rounds: u32,
    seed: u64,
    quick: bool,
    /// Rules of which a build without them was there.
    pub(crate) without: Vec<String>,
    machine: Machine,
    races: Vec<Race>,
    limits: Vec<Vec<Limit>>,
    #[serde(skip_deserializing)]
    rows: Vec<Judged>,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

impl Record {
    /// A record that is about to be made.
    pub(crate) fn begin(table: &Table, course: &Course) -> Record {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Record {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            started_unix_ms: now.map_or(0, |time| time.as_millis() as u64),
            elapsed_ms: 0,
            rounds: course.rounds(),
            seed: course.seed,
            quick: course.quick,
            without: course.rules(),
            machine: Machine::read(),
            races: table.races.clone(),
            limits: table.limits.clone(),
            rows: Vec::new(),
            measured: Measured::default(),
        }
    }

    /// Reads the record of a folder, which is of this structure.
    pub(crate) fn read(folder: &Path) -> Result<Record, Failed> {
        #[derive(Deserialize)]
        struct Which {
            schema: u32,
        }
        let file = folder.join(JSON);
        let failed = |why: &dyn std::fmt::Display| Failed::from(format!("{}: {why}", file.display()));
        let text = fs::read(&file).map_err(|why| failed(&why))?;
        let Which { schema } = serde_json::from_slice(&text).map_err(|why| failed(&why))?;
        if schema != SCHEMA {
            return Err(failed(&format!(
                "its schema is {schema}, and this program reads {SCHEMA}: judge it with the version that wrote it"
            )));
        }
        serde_json::from_slice(&text).map_err(|why| failed(&why))
    }

    /// Judges every row by the samples.
    pub(crate) fn judge(&mut self, rows: &[Row]) {
        let Measured { samples, missing, .. } = &self.measured;
        self.rows = rows.iter().map(|row| judge(row, samples, missing)).collect();
    }

    /// Writes both files, which are not there yet.
    pub(crate) fn write(&self, folder: &Path, markdown: &str) -> Result<(), Failed> {
        let whole = serde_json::to_string_pretty(self)?;
        let head = whole.trim_end().strip_suffix('}').ok_or("a record is an object")?.trim_end();
        let samples = self.measured.samples.iter();
        let lines = samples.map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        fs::write(
            folder.join(JSON),
            format!("{head},\n  \"samples\": [\n    {}\n  ]\n}}\n", lines.join(",\n    ")),
        )?;
        fs::write(folder.join(MARKDOWN), markdown)?;
        Ok(())
    }

    /// The table, as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        self.head(&mut out);
        let mut group = "";
        for judged in &self.rows {
            let Judged { row, verdict, why, near, far, no_floor, dropped } = judged;
            if row.group != group {
                group = &row.group;
                let _ = write!(out, "\n**{group}**\n\n{HEADER}");
            }
            let verdict = match verdict {
                Verdict::Reached => "reached",
                Verdict::Missed => "**missed**",
                Verdict::NotMeasured => "not measured",
            };
            let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            let at = if row.at == Place::Far { ", far" } else { "" };
            let near = cell(row, near.as_ref().or(no_floor.as_ref()));
            let far = cell(row, far.as_ref());
            let (rounds, messages) = judged
                .reached()
                .map_or((0, "–".into()), |reached| (reached.rounds, counts(reached.messages)));
            let Row { what, against, target, .. } = row;
            let _ = writeln!(
                out,
                "| {what} | {against} | {target}{at} | {near} | {far} | {verdict}{why} | {rounds} | {dropped} | {messages} |",
            );
        }
        out
    }

    fn head(&self, out: &mut String) {
        let Measured { repeated, disturbed, interrupted, others_percent, .. } = &self.measured;
        let count = |verdict| self.rows.iter().filter(|row| row.verdict == verdict).count();
        let quick = if self.quick {
            " This was a quick look, with a tenth of the messages: not to be quoted."
        } else {
            ""
        };
        let without: String = self.without.iter().map(|rule| format!(" --without {rule}=PROGRAM")).collect();
        let most = others_percent.iter().copied().fold(0.0, f64::max);
        let kept = others_percent.len();
        let gave_up = if *interrupted {
            format!(" It was interrupted: {kept} of {} rounds were finished.", self.rounds)
        } else if kept < self.rounds as usize {
            format!(" Others would not rest, so only {kept} of {} rounds were kept.", self.rounds)
        } else {
            String::new()
        };
        let _ = write!(
            out,
            "# Figures\n\n\
         {}. ipcscope {}, {kept} rounds in {} s, {} runs repeated because the cores moved, {} rounds because \
         others were at work (at most {most:.1} % of the machine in one that was kept). {} reached, {} missed, \
         {} not measured.{gave_up}{quick}\n\n\
         Made by `cargo run --release --manifest-path rivals/scoreboard/Cargo.toml -- measure OUT_DIR --rounds {} --seed \
         {}{without}`. The promises stand in rivals/scoreboard/promises.toml, every sample in figures.json.\n\n\
         A figure is the median of the rounds' own quotients in one state of the machine, in brackets the middle half of them; \
         behind it our median and theirs in those rounds. Where there are several of theirs each is held against ours by itself, \
         and the worst for us is shown, with whose it is. `≤` is our \
         time divided by theirs, `≥` theirs divided by ours. Rows on one core and counts have no state and stand in the \
         first column. The last column is the messages of a run, ours / theirs where they differ.\n",
            self.machine.in_one_line(),
            self.version,
            self.elapsed_ms / 1_000,
            repeated,
            disturbed,
            count(Verdict::Reached),
            count(Verdict::Missed),
            count(Verdict::NotMeasured),
            self.rounds,
            self.seed,
        );
    }
}

const JSON: &str = "figures.json";
const MARKDOWN: &str = "figures.md";

/// Makes the folder, unless a record is there already: records are never overwritten.
pub(crate) fn room(folder: &Path) -> Result<(), Failed> {
    if let Some(there) = [JSON, MARKDOWN].into_iter().find(|name| folder.join(name).exists()) {
        let place = folder.display();
        return Err(format!(
            "{place} has a {there} already: records are not overwritten, name another folder"
        )
        .into());
    }
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()).into())
}

const HEADER: &str = "\
| what | against | promised | near | far | verdict | n | dropped | messages |
|:--|:--|--:|--:|--:|:--|--:|--:|--:|
";

fn cell(row: &Row, reached: Option<&Reached>) -> String {
    let Some(reached) = reached else { return "–".into() };
    if let Target::Bytes(_) = row.target {
        return units::bytes(reached.ours as u64);
    }
    let [low, high] = reached.spread.map(digits);
    let theirs = reached.theirs.map_or_else(String::new, |ns| format!(" / {}", time(ns)));
    let whose = reached.whose.as_deref().filter(|_| row.theirs.len() > 1);
    let whose =
        whose.map_or_else(String::new, |whose| format!(" ({})", whose.rsplit(": ").next().unwrap_or(whose)));
    format!("{} [{low}–{high}], {}{theirs}{whose}", digits(reached.ratio), time(reached.ours))
}

/// `1 000 000 / 20 000`, or one of them where they are alike.
fn counts((ours, theirs): (u64, Option<u64>)) -> String {
    match theirs.filter(|theirs| *theirs != ours) {
        Some(theirs) => format!("{} / {}", units::count(ours), units::count(theirs)),
        None => units::count(ours),
    }
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 999.5 => format!("{} ns", digits(ns)),
        ns if ns < 999_500.0 => format!("{} µs", digits(ns / 1e3)),
        ns => format!("{} ms", digits(ns / 1e6)),
    }
}

/// Three significant digits, of whole numbers too: so they stand in every record.
fn digits(number: f64) -> String {
    format!("{number:.*}", units::decimals(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Figures, Sample};
    use crate::table::{Figure, Value};

    /// A record of one row, twice too slow.
    fn missed() -> (Record, Vec<Row>) {
        let p50 = |series: &str| Value { figure: Figure::P50, series: series.into() };
        let (group, what, against) = ("a group".into(), "ours".into(), "theirs".into());
        let (target, at) = (Target::AtMost(1.0), Place::Near);
        let rows =
            vec![Row { group, what, against, ours: p50("ours"), theirs: vec![p50("theirs")], target, at }];
        let sample = |series: &str, round, messages, ns| Sample {
            series: series.into(),
            round,
            place: Place::Near,
            figures: Figures { messages, p50_ns: Some(ns), ..Figures::default() },
            floor_ns: Some([60.0, 61.0]),
        };
        let both = |round| [sample("ours", round, 1_000_000, 2_000), sample("theirs", round, 20_000, 1_000)];
        let course = crate::tests::course("out --rounds 4 --seed 7 --quick").unwrap();
        let mut record = Record::begin(&Table::read().unwrap(), &course);
        let measured = Measured { samples: (0..4).flat_map(both).collect(), ..Measured::default() };
        record.measured = Measured { repeated: 3, disturbed: 2, others_percent: vec![0.5, 3.25], ..measured };
        record.judge(&rows);
        (record, rows)
    }

    #[test]
    fn a_record_says_what_was_missed_and_holds_every_sample() {
        let folder = std::env::temp_dir().join(format!("scoreboard-{}", std::process::id()));
        let (record, rows) = missed();
        let text = record.markdown();
        let line = "| ours | theirs | ≤ 1.00 × | 2.00 [2.00–2.00], 2.00 µs / 1.00 µs | – | **missed** | 4 | 0 | 1 000 000 / 20 000 |";
        assert!(text.contains(line), "{text}");
        for words in [
            "0 reached, 1 missed, 0 not measured",
            "3 runs repeated",
            "2 rounds because",
            "2 rounds in",
            "only 2 of 4 rounds were kept",
            "3.2 % of the machine",
            "--seed 7",
            "not to be quoted",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }

        room(&folder).unwrap();
        record.write(&folder, &text).unwrap();
        let written = fs::read_to_string(folder.join(JSON)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(json["samples"].as_array().unwrap().len(), 8);
        assert_eq!(json["rows"][0]["verdict"], "missed");
        assert_eq!(json["samples"][1]["p50_ns"], 1_000);
        let refused = room(&folder).unwrap_err().to_string();
        assert!(refused.contains("not overwritten"), "{refused}");

        let mut again = Record::read(&folder).unwrap();
        again.judge(&rows);
        assert_eq!(again.markdown(), text, "a record judged again says the same");
        fs::write(folder.join(JSON), written.replace("\"schema\": 2", "\"schema\": 1")).unwrap();
        let old = Record::read(&folder).unwrap_err().to_string();
        assert!(old.contains("figures.json: its schema is 1, and this program reads 2"), "{old}");
        fs::remove_dir_all(&folder).unwrap();
    }

    /// The known answer: the promises, the statistics and the table are those by which the record was made. What was promised
    /// later is not in it.
    #[test]
    fn the_committed_record_judged_again_says_what_it_said() {
        let folder = Path::new(crate::RIVALS).join("../results/2026-11-25-kvm-epyc-2-cores");
        let mut record = Record::read(&folder).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&fs::read(folder.join(JSON)).unwrap()).unwrap();
        let then = json["rows"].as_array().unwrap();
        let mut rows = Table::read().unwrap().rows(&record.without, None).unwrap();
        rows.retain(|row| then.iter().any(|then| then["group"] == *row.group && then["what"] == *row.what));
        record.judge(&rows);
        let (now, then) = (record.markdown(), fs::read_to_string(folder.join(MARKDOWN)).unwrap());
        let table =
            |text: &str| text.lines().skip_while(|line| !line.starts_with("**")).map(str::to_owned).collect();
        let (now_says, said): (Vec<String>, Vec<String>) = (table(&now), table(&then));
        now_says.iter().zip(&said).for_each(|(now, then)| assert_eq!(now, then));
        assert_eq!(now_says.len(), said.len());
        assert_eq!(serde_json::to_value(&record.rows).unwrap(), json["rows"]);
        assert!(now.contains("73 reached, 24 missed, 0 not measured"), "{now}");
    }

    #[test]
    fn three_digits_and_a_unit_and_counts_are_readable() {
        let times = [9.994, 99.94, 999.4, 1_234.0, 2.5e6].map(time);
        assert_eq!(times, ["9.99 ns", "99.9 ns", "999 ns", "1.23 µs", "2.50 ms"]);
        for (number, text) in [(1, "1"), (999, "999"), (1_000, "1 000"), (1_000_000, "1 000 000")] {
            assert_eq!([counts((number, Some(number))), counts((number, None))], [text; 2]);
        }
        assert_eq!(counts((1_000, Some(2))), "1 000 / 2");
    }
}
