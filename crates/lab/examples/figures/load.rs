//! Who else was at work: the time on cores that neither this program nor anything that it started has used.

use std::fs;
use std::time::Instant;

use crate::Failed;

/// A round of which others took more than this share of the machine is thrown away.
pub(crate) const TOO_MUCH_PERCENT: f64 = 10.0;

/// What was used until now, in ticks of the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    when: Instant,
    everybody: u64,
    ours: u64,
    cores: u64,
}

impl Load {
    pub(crate) fn now() -> Result<Load, Failed> {
        let stat = fs::read_to_string("/proc/stat")?;
        let ours = ours(&fs::read_to_string("/proc/self/stat")?).ok_or("/proc/self/stat has no times")?;
        let (everybody, cores) = everybody(&stat).ok_or("/proc/stat has no times")?;
        Ok(Load { when: Instant::now(), everybody, ours, cores })
    }

    /// The share of all cores that others took since `before`, in percent.
    pub(crate) fn others_percent(&self, before: &Load) -> f64 {
        let ticks = self.everybody.saturating_sub(before.everybody).saturating_sub(self.ours - before.ours);
        let seconds = self.when.duration_since(before.when).as_secs_f64() * self.cores as f64;
        // USER_HZ is 100 on every architecture that this runs on.
        ticks as f64 / seconds.max(0.01)
    }
}

/// Ticks at work of all cores, stolen ones too, and how many cores there are.
fn everybody(stat: &str) -> Option<(u64, u64)> {
    let (all, rest) = stat.split_once('\n')?;
    let fields: Vec<u64> =
        all.strip_prefix("cpu ")?.split_whitespace().map_while(|f| f.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let [user, nice, system, _, _, irq, softirq, steal, ..] = fields[..] else { return None };
    let cores = rest.lines().filter(|line| line.starts_with("cpu")).count();
    Some((user + nice + system + irq + softirq + steal, cores as u64))
}

/// Ticks of this process and of all its children that have ended.
fn ours(stat: &str) -> Option<u64> {
    // Behind the name, which may itself hold anything: state is field 3, utime to cstime are 14 to 17.
    let (_, behind) = stat.rsplit_once(')')?;
    let times: Option<Vec<u64>> =
        behind.split_whitespace().skip(11).take(4).map(|field| field.parse().ok()).collect();
    times.filter(|times| times.len() == 4).map(|times| times.into_iter().sum())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let stat = "cpu  100 20 30 4000 50 6 7 8 0 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5 6\n";
        assert_eq!(everybody(stat), Some((100 + 20 + 30 + 6 + 7 + 8, 2)));
        assert_eq!(everybody("cpu  1 2\n"), None);
        let mine = "7 (a) b) R 1 7 7 0 -1 4194304 100 0 0 0 11 12 130 140 20 0 1 0";
        assert_eq!(ours(mine), Some(11 + 12 + 130 + 140));
        assert_eq!(ours("7 (a) R 1"), None);
        assert!(Load::now().unwrap().everybody > 0);
    }

    #[test]
    fn what_is_ours_is_nobody_elses() {
        let before = Load { when: Instant::now(), everybody: 1_000, ours: 500, cores: 2 };
        let later =
            |everybody, ours| Load { when: before.when + Duration::from_secs(2), everybody, ours, cores: 2 };
        assert_eq!(later(1_400, 900).others_percent(&before), 0.0);
        assert_eq!(later(1_390, 900).others_percent(&before), 0.0, "ticks are rounded");
        // The control: a builder that takes half a core.
        assert_eq!(later(1_400, 800).others_percent(&before), 25.0);
    }
}
