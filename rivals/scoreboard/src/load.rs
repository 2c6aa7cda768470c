//! What others used: the time on cores that neither this program nor anything that it started has taken.

use std::time::Instant;

use procfs::process::{Process, Stat};
use procfs::{CpuTime, CurrentSI, KernelStats};

use crate::Failed;

/// A round of which others took more than this share of the machine is thrown away.
pub(crate) const TOO_MUCH_PERCENT: f64 = 10.0;

/// What was used until now, in ticks of the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    when: Instant,
    everybody: u64,
    ours: u64,
    cores: usize,
}

impl Load {
    pub(crate) fn now() -> Result<Load, Failed> {
        let ours = ours(&Process::myself()?.stat()?);
        let KernelStats { total, cpu_time, .. } = KernelStats::current()?;
        Ok(Load { when: Instant::now(), everybody: everybody(&total), ours, cores: cpu_time.len() })
    }

    /// The share of all cores that others took since `before`, in percent.
    pub(crate) fn others_percent(&self, before: &Load) -> f64 {
        let ticks = self.everybody.saturating_sub(before.everybody).saturating_sub(self.ours - before.ours);
        let seconds = self.when.duration_since(before.when).as_secs_f64() * self.cores as f64;
        // USER_HZ is 100 on every architecture that this runs on.
        ticks as f64 / seconds.max(0.01)
    }
}

/// Ticks at work of all cores, stolen ones too.
fn everybody(all: &CpuTime) -> u64 {
    let more = [all.irq, all.softirq, all.steal].into_iter().flatten().sum::<u64>();
    all.user + all.nice + all.system + more
}

/// Ticks of this process and of all its children that have ended.
fn ours(stat: &Stat) -> u64 {
    stat.utime + stat.stime + (stat.cutime + stat.cstime) as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use procfs::{FromRead, FromReadSI};

    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let words = "cpu  100 20 30 4000 50 6 7 8 0 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5 6\nctxt 1\nbtime 1\nprocesses 1\n";
        let stat = KernelStats::from_read(words.as_bytes(), &procfs::LocalSystemInfo).unwrap();
        assert_eq!((everybody(&stat.total), stat.cpu_time.len()), (100 + 20 + 30 + 6 + 7 + 8, 2));
        let mine = format!("7 (a) b) R 1 7 7 0 -1 4194304 100 0 0 0 11 12 130 140{}", " 0".repeat(35));
        assert_eq!(ours(&Stat::from_read(mine.as_bytes()).unwrap()), 11 + 12 + 130 + 140);
        assert!(Load::now().unwrap().everybody > 0);
    }

    #[test]
    fn what_is_ours_is_not_taken_by_others() {
        let before = Load { when: Instant::now(), everybody: 1_000, ours: 500, cores: 2 };
        let when = before.when + Duration::from_secs(2);
        let later = |everybody, ours| Load { when, everybody, ours, cores: 2 };
        assert_eq!(later(1_400, 900).others_percent(&before), 0.0);
        assert_eq!(later(1_390, 900).others_percent(&before), 0.0, "ticks are rounded");
        // The control: a builder that takes half a core.
        assert_eq!(later(1_400, 800).others_percent(&before), 25.0);
    }
}
