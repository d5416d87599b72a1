//! What Linux tells about a process.

use std::fs;

/// Seconds of CPU time, user's and system's, since the process began. Linux shows every program a
/// hundred ticks a second.
pub fn cpu(pid: u32) -> Option<f64> {
    stat(pid).map(|stat| stat.cpu)
}

/// That of all children of `parent`.
pub fn children_cpu(parent: u32) -> f64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(stat)
        .filter(|stat| stat.parent == parent)
        .map(|stat| stat.cpu)
        .sum()
}

pub fn parent(pid: u32) -> Option<u32> {
    stat(pid).map(|stat| stat.parent)
}

struct Stat {
    parent: u32,
    cpu: f64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name may hold anything, blanks and parentheses too.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        cpu: ticks as f64 / 100.0,
    })
}

/// Bytes of memory that no file backs: heap and stacks, but neither the program nor a mapped database.
pub fn anonymous_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"))?;
    line.trim()
        .strip_suffix(" kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kb| kb * 1024)
}
