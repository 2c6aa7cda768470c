//! The needs, and the ways of waiting that they allow.

use crossing::WaitStrategy;
use serde::Deserialize;

use crate::plan::SIZE_LIMIT;

/// The size that is meant when none is named.
const SIZE_BYTES: u32 = 64;

/// Messages a second at most in a race that says how a channel is that mostly idles.
pub(super) const IDLE_PER_S: u32 = 1_000;

/// The needs. An absent field means that it does not matter.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constraints {
    /// Whether both processes are on one machine.
    pub same_host: Option<bool>,
    /// Whether messages travel both ways.
    pub both_ways: Option<bool>,
    /// Bytes in a message.
    pub size_bytes: Option<u32>,
    /// Messages a second that must go through.
    pub rate_per_s: Option<u32>,
    /// The harm that must be kept away from this process.
    pub isolation: Option<Isolation>,
    /// Whether there is a core to spend.
    pub cpu: Option<Cpu>,
    /// Whether nothing is sent most of the time.
    pub idle: Option<bool>,
}

/// Harm by the other process that must be kept away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Nothing: the two are one program.
    None,
    /// The other's crashes.
    Crash,
    /// The other's ill will.
    Hostile,
}

/// The processor time that waiting may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cpu {
    /// A core may be kept busy.
    Spare,
    /// Spinning is ruled out.
    Shared,
}

impl Constraints {
    /// The first fault: a sentence that names the field and its limit.
    pub fn fault(&self) -> Option<String> {
        if self.size_bytes.is_some_and(|size| size == 0 || size > SIZE_LIMIT) {
            return Some(format!("size_bytes is out of range: 1 to {SIZE_LIMIT}"));
        }
        (self.rate_per_s == Some(0)).then(|| "rate_per_s is out of range: at least 1".into())
    }
}

/// Ways of waiting, whatever their settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitWay {
    Spin,
    Hybrid,
    Block,
}

impl WaitWay {
    pub(super) fn of(wait: WaitStrategy) -> WaitWay {
        match wait {
            WaitStrategy::Spin => WaitWay::Spin,
            WaitStrategy::Hybrid { .. } => WaitWay::Hybrid,
            WaitStrategy::Block => WaitWay::Block,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            WaitWay::Spin => "spin",
            WaitWay::Hybrid => "hybrid",
            WaitWay::Block => "block",
        }
    }

    /// Those that are allowed, the one to begin with first.
    pub(super) fn allowed(wanted: &Constraints) -> &'static [WaitWay] {
        match (wanted.cpu, wanted.idle) {
            (Some(Cpu::Shared), _) => &[WaitWay::Block],
            // Spinning while nothing is sent wastes a core.
            (None, Some(true)) => &[WaitWay::Block, WaitWay::Hybrid],
            (Some(Cpu::Spare), _) | (None, _) => &[WaitWay::Spin, WaitWay::Hybrid, WaitWay::Block],
        }
    }
}

pub(super) fn size(wanted: &Constraints) -> u32 {
    wanted.size_bytes.unwrap_or(SIZE_BYTES)
}
