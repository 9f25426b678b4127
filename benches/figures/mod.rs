//! What all benches share: one line per figure with its bar, and what `/proc` says of a process.
#![allow(dead_code, reason = "not every bench uses all of it")]

use std::process::ExitCode;

/// A machine that is shared swings: a bench fails if a measured figure misses its bar by more than this factor. Counts do not swing.
const WIDE: f64 = 1.5;
/// Clock ticks per second in `/proc/<pid>/stat`, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a figure may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
    /// Said because it explains another figure.
    None,
}

/// The figures of one bench.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    missed: bool,
}

impl Figures {
    /// Prints one figure with its bar.
    pub(crate) fn say(&mut self, what: &str, measured: f64, unit: &str, bar: Bar) {
        let (said, ratio) = match bar {
            Bar::AtMost(most) => (
                format!("bar: at most {}", number(most)),
                measured / most.max(f64::MIN_POSITIVE),
            ),
            Bar::AtLeast(least) => (
                format!("bar: at least {}", number(least)),
                least / measured.max(f64::MIN_POSITIVE),
            ),
            Bar::Exactly(wanted) if (measured - wanted).abs() < f64::EPSILON => {
                (format!("bar: exactly {}", number(wanted)), 0.0)
            }
            Bar::Exactly(wanted) => (format!("bar: exactly {}", number(wanted)), f64::INFINITY),
            Bar::None => ("no bar".to_owned(), 0.0),
        };
        let verdict = match ratio {
            ratio if ratio > WIDE => "  MISSED",
            ratio if ratio > 1.0 => "  over, within the noise",
            _ => "",
        };
        self.missed |= ratio > WIDE;
        println!("{what}: {} {unit} ({said}){verdict}", number(measured));
    }

    /// Ends the bench: 1 if a bar was missed by a wide margin.
    pub(crate) fn end(self) -> ExitCode {
        if self.missed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// Two digits after the point where they say something.
fn number(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// Counts as figures.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn count(value: u64) -> f64 {
    value as f64
}

/// Returns the value at a fraction of a sorted list, as the nearest rank.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank in a short list"
)]
pub(crate) fn rank(sorted: &[f64], fraction: f64) -> f64 {
    let rank = (sorted.len() as f64 * fraction).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// What the kernel says of a process.
pub(crate) struct Process {
    /// Processor time of all of its threads, ended ones too, in seconds.
    pub(crate) seconds: f64,
    /// Page faults of children it has waited for: a child that was started and reaped cannot avoid some.
    pub(crate) childrens_faults: u64,
    /// Their processor time, in seconds.
    pub(crate) childrens_seconds: f64,
}

impl Process {
    /// Reads `/proc/<pid>/stat`.
    pub(crate) fn read(pid: u32) -> Self {
        let stat = read(pid, "stat");
        let fields: Vec<u64> = stat
            .rsplit_once(") ")
            .expect("a name in parentheses")
            .1
            .split(' ')
            .map(|field| field.trim().parse().unwrap_or(0))
            .collect();
        Self {
            seconds: count(fields[11] + fields[12]) / TICKS_PER_SECOND,
            childrens_faults: fields[8],
            childrens_seconds: (count(fields[13]) + count(fields[14])) / TICKS_PER_SECOND,
        }
    }
}

/// Returns a line of `/proc/<pid>/<file>` that counts KiB.
pub(crate) fn kib(pid: u32, file: &str, key: &str) -> u64 {
    let text = read(pid, file);
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let line = line.unwrap_or_else(|| panic!("no {key} in {file}"));
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number")
}

fn read(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the process runs")
}
