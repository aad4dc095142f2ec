//! Linux: `/proc`, as proc(5) describes it.

use std::time::Duration;

use super::Load;

/// Length of a clock tick in `/proc`: USER_HZ is 100 on every architecture that we build for.
const TICK: Duration = Duration::from_millis(10);

pub(super) fn process_time() -> Option<Duration> {
    parse_process_time(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

pub(super) fn load() -> Option<Load> {
    parse_load(&std::fs::read_to_string("/proc/stat").ok()?)
}

pub(super) fn memory() -> Option<u64> {
    parse_memory(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Fields 14 and 15, user and system time. The second field is the program's name and may hold blanks and brackets, so
/// counting begins behind its last bracket.
fn parse_process_time(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?);
    Some(TICK * user.checked_add(system)?)
}

/// The first line, `cpu user nice system idle iowait irq softirq steal ...`. Guest time is part of user time. Time that a
/// host took away (steal) counts as busy: nobody here could use it.
fn parse_load(stat: &str) -> Option<Load> {
    let numbers = stat.lines().next()?.strip_prefix("cpu ")?;
    let numbers: Vec<u64> = numbers.split_ascii_whitespace().take(8).map_while(|n| n.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = numbers.try_into().ok()?;
    Some(Load { busy: user + nice + system + irq + softirq + steal, idle: idle + iowait })
}

/// `VmRSS:     12345 kB`, resident memory.
fn parse_memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        let stat = "4242 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 1000 0 0";
        assert_eq!(parse_process_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(parse_process_time("4242 (cut off) R 1 2"), None);
    }

    #[test]
    fn what_is_not_as_described_is_not_known() {
        let load = parse_load("cpu  10 1 5 100 20 2 3 4 7 0\ncpu0 1 1 1 1\n");
        assert_eq!(load, Some(Load { busy: 25, idle: 120 }));
        assert_eq!(parse_load("cpu  10 1 5\n"), None);
        assert_eq!(parse_load(""), None);
        assert_eq!(parse_memory("Name:\tx\nVmRSS:\t  2048 kB\n"), Some(2 * 1_024 * 1_024));
        assert_eq!(parse_memory("Name:\tx\n"), None);
    }

    /// Work shows: the real files of this machine are read.
    #[test]
    fn work_takes_processor_time() {
        let before = process_time().expect("proc is there");
        let mut sum = 0_u64;
        while process_time().expect("proc is there") < before + 2 * TICK {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(load().is_some() && memory().is_some_and(|bytes| bytes > 100_000), "{sum}");
    }
}
