//! A plan: everything a race will do, decided before the first process is started.
//!
//! A [`Plan`] is complete. It is part of every [`Report`](crate::Report), so that a result can be rerun from
//! itself.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crossing::{Kind, WaitStrategy};
use serde::{Deserialize, Serialize};

/// The largest message a race may send, in bytes.
pub const SIZE_LIMIT: u32 = 16 << 20;

/// The most messages one row may hold.
pub const COUNT_LIMIT: u64 = 1_000_000_000;

/// The most fresh launches of the two processes that one row may ask for.
pub const LAUNCH_LIMIT: u32 = 1_000;

/// The least room that a channel may be given in each direction, in bytes.
pub const CAPACITY_LEAST: u32 = 4 << 10;

/// The most.
pub const CAPACITY_LIMIT: u32 = 1 << 30;

/// The most rows that a race may have: of each entrant, under each workload, size and way of waiting.
pub const ROWS_LIMIT: usize = 10_000;

/// How messages are offered to the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// One message there, one back, and again. Its latency is half a round trip.
    PingPong,
    /// One message after the other, each by its own `send`; the clock stops when the receiver has verified
    /// the last.
    Stream,
    /// The same through a cork: as many messages as it holds share a system call, or a publication.
    Corked,
    /// Messages at a fixed rate; latency counts from the moment a message was *due*, so a stall is not hidden.
    Paced,
    /// Traffic that was seen between two other programs, as they sent it ([`rehearse`](crate::rehearse)).
    Rehearsed,
    /// The same, and messages that follow each other without a wait are gathered by a cork.
    RehearsedCorked,
    /// The same through a channel that was asked to hold more.
    RehearsedRoomy,
}

impl Workload {
    /// Every workload of a race, in the order in which tables show them.
    pub const ALL: [Workload; 4] = [Workload::PingPong, Workload::Stream, Workload::Corked, Workload::Paced];

    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Workload::PingPong => "ping-pong",
            Workload::Stream => "stream",
            Workload::Corked => "corked",
            Workload::Paced => "paced",
            Workload::Rehearsed => "rehearsed",
            Workload::RehearsedCorked => "rehearsed-corked",
            Workload::RehearsedRoomy => "rehearsed-roomy",
        }
    }

    /// Whether it repeats what was seen elsewhere.
    pub fn is_rehearsed(self) -> bool {
        matches!(self, Workload::Rehearsed | Workload::RehearsedCorked | Workload::RehearsedRoomy)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Workload::ALL
            .into_iter()
            .find(|workload| workload.name() == text)
            .ok_or_else(|| format!("unknown workload `{text}`: one of ping-pong, stream, corked, paced"))
    }
}

/// Where the two processes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Placement {
    /// Both on the first core that this process may use.
    SameCore,
    /// On the first core that this process may use, and on the first that is no sibling of it: no second thread of the same
    /// core. Where there are only siblings, on two of them, and the rows say so.
    CrossCore,
    /// Wherever the scheduler puts them.
    Unpinned,
    /// The sender on the first, the receiver on the second.
    Cores(usize, usize),
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Placement::SameCore => f.pad("same-core"),
            Placement::CrossCore => f.pad("cross-core"),
            Placement::Unpinned => f.pad("unpinned"),
            Placement::Cores(a, b) => f.pad(&format!("{a},{b}")),
        }
    }
}

impl FromStr for Placement {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let cores = || {
            let (a, b) = text.split_once(',')?;
            Some(Placement::Cores(a.trim().parse().ok()?, b.trim().parse().ok()?))
        };
        match text {
            "same-core" => Ok(Placement::SameCore),
            "cross-core" => Ok(Placement::CrossCore),
            "unpinned" => Ok(Placement::Unpinned),
            _ => cores().ok_or_else(|| {
                format!(
                    "unknown placement `{text}`: same-core, cross-core, unpinned, or two cores such as 0,1"
                )
            }),
        }
    }
}

/// A complete race.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Plan {
    /// The mechanisms that run.
    #[serde(with = "as_text::list")]
    #[cfg_attr(feature = "schemars", schemars(with = "Vec<crate::schema_text::KindText>"))]
    pub kinds: Vec<Kind>,
    /// The workloads each of them runs.
    pub workloads: Vec<Workload>,
    /// Message sizes in bytes, each at least 1 and at most [`SIZE_LIMIT`].
    #[cfg_attr(feature = "schemars", schemars(inner(range(min = 1, max = SIZE_LIMIT))))]
    pub sizes: Vec<u32>,
    /// Where the two processes sit.
    #[serde(with = "as_text::one")]
    #[cfg_attr(feature = "schemars", schemars(with = "crate::schema_text::PlacementText"))]
    pub placement: Placement,
    /// The ways of waiting; both sides of a row wait alike.
    #[serde(with = "as_text::list")]
    #[cfg_attr(feature = "schemars", schemars(with = "Vec<crate::schema_text::WaitText>"))]
    pub waits: Vec<WaitStrategy>,
    /// Verified messages in each row, over all its launches.
    #[cfg_attr(feature = "schemars", schemars(range(min = 1)))]
    pub count: u64,
    /// Fresh pairs of processes each row is spread over.
    #[cfg_attr(feature = "schemars", schemars(range(min = 1)))]
    pub launches: u32,
    /// Messages a second, for [`Workload::Paced`].
    #[cfg_attr(feature = "schemars", schemars(range(min = 1)))]
    pub rate_per_s: u32,
    /// How much may be on its way in each direction, in bytes, as it is asked for
    /// ([`crossing::Config::capacity_bytes`]). `None`: the mechanism's own. What each has got is in [`ReportRow::channel_bytes`](crate::report::ReportRow::channel_bytes). Rivals are not
    /// told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(min = CAPACITY_LEAST, max = CAPACITY_LIMIT)))]
    pub capacity_bytes: Option<u32>,
    /// Shuffles the order of the rounds.
    pub seed: u64,
    /// Whether `--quick` cut the count; tables say so.
    pub quick: bool,
    /// Programs outside the project that run the same rounds (see `rivals/README.md`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<PathBuf>,
}

impl Plan {
    /// Whether it repeats what was seen elsewhere: then it does not hold all that a race needs.
    pub fn is_rehearsal(&self) -> bool {
        self.workloads.iter().any(|workload| workload.is_rehearsed())
    }

    /// The fault of a plan that is to be raced: a sentence that names the value and its limit.
    pub fn fault(&self) -> Option<String> {
        if self.is_rehearsal() {
            return Some(
                "a rehearsal needs the traffic that it repeats: `ipcscope rehearse WATCH.json`".into(),
            );
        }
        self.first_fault()
    }

    /// The plan's first fault, whatever it repeats.
    pub(crate) fn first_fault(&self) -> Option<String> {
        let empty = |what: &str| Some(format!("nothing to race: no {what} was named"));
        if self.kinds.is_empty() && self.rivals.is_empty() {
            return empty("mechanism");
        }
        if self.workloads.is_empty() {
            return empty("workload");
        }
        if self.waits.is_empty() {
            return empty("way of waiting");
        }
        if self.sizes.is_empty() {
            return empty("size");
        }
        if let Some(size) = self.sizes.iter().find(|&&size| size == 0 || size > SIZE_LIMIT) {
            return Some(format!("size {size} is out of range: 1 to {SIZE_LIMIT} bytes"));
        }
        // One more entrant: the null one.
        let entrants = self.kinds.len().saturating_add(self.rivals.len()).saturating_add(1);
        let rows = [self.workloads.len(), self.sizes.len(), self.waits.len()]
            .into_iter()
            .fold(entrants, usize::saturating_mul);
        if rows > ROWS_LIMIT {
            return Some(format!("{rows} rows are too many for one race: at most {ROWS_LIMIT}"));
        }
        if self.count == 0 || self.count > COUNT_LIMIT {
            return Some(format!("count {} is out of range: 1 to {COUNT_LIMIT} messages", self.count));
        }
        if self.launches == 0 || self.launches > LAUNCH_LIMIT {
            return Some(format!("launches {} is out of range: 1 to {LAUNCH_LIMIT}", self.launches));
        }
        if u64::from(self.launches) > self.count {
            return Some(format!(
                "{} launches cannot share {} message(s): ask for fewer launches or more messages",
                self.launches, self.count
            ));
        }
        if self.rate_per_s == 0 {
            return Some("rate 0 is out of range: at least 1 message a second".into());
        }
        let capacity = self.capacity_bytes.filter(|bytes| !(CAPACITY_LEAST..=CAPACITY_LIMIT).contains(bytes));
        capacity.map(|bytes| {
            format!("capacity {bytes} is out of range: {CAPACITY_LEAST} to {CAPACITY_LIMIT} bytes")
        })
    }
}

/// Serialises values by their `Display` and `FromStr`, so that JSON holds the words of the command line.
pub(crate) mod as_text {
    pub(crate) mod one {
        use serde::{Deserialize, Deserializer, Serializer, de::Error};
        use std::fmt::Display;
        use std::str::FromStr;

        pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
            to.collect_str(value)
        }

        pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
        where
            T: FromStr<Err: Display>,
            D: Deserializer<'de>,
        {
            String::deserialize(from)?.parse().map_err(D::Error::custom)
        }
    }

    pub(crate) mod list {
        use serde::{Deserialize, Deserializer, Serializer, de::Error};
        use std::fmt::Display;
        use std::str::FromStr;

        pub(crate) fn serialize<T: Display, S: Serializer>(values: &[T], to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(values.iter().map(ToString::to_string))
        }

        pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
        where
            T: FromStr<Err: Display>,
            D: Deserializer<'de>,
        {
            Vec::<String>::deserialize(from)?
                .iter()
                .map(|text| text.parse().map_err(D::Error::custom))
                .collect()
        }
    }
}
