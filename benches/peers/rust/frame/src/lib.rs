//! The frame of the Rust peers: arguments, resident memory, result lines.
//!
//! Owns: nothing. Always true: standard output carries `row peer procs metric value unit` lines only.
//! Called by: the programs of this workspace.

use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub struct Args {
    pub peer: &'static str,
    pub procs: usize,
    pub n: usize,
    pub reps: i32,
}

pub fn die(what: &str) -> ! {
    eprintln!("{what}");
    std::process::exit(1)
}

/// The row and the sizes: `ROW --procs N --n N --reps N`.
pub fn parse(peer: &'static str) -> (String, Args) {
    let mut words = std::env::args().skip(1);
    let row = words.next().unwrap_or_else(|| die("usage: ROW --procs N --n N --reps N"));
    let mut args = Args { peer, procs: 1, n: 1000, reps: 1 };
    while let Some(name) = words.next() {
        let value: usize =
            words.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| die("a number is missing"));
        match name.as_str() {
            "--procs" => args.procs = value,
            "--n" => args.n = value,
            "--reps" => args.reps = value as i32,
            _ => die("usage: ROW --procs N --n N --reps N"),
        }
    }
    (row, args)
}

impl Args {
    /// The repetitions with their sizes: the warm-up, -1, does a tenth of the work and its lines are dropped.
    pub fn repetitions(self) -> impl Iterator<Item = (i32, usize)> {
        (-1..self.reps).map(move |rep| (rep, if rep < 0 { self.n / 10 + 1 } else { self.n }))
    }

    pub fn line(&self, row: &str, rep: i32, metric: &str, value: f64, unit: &str) {
        if rep >= 0 {
            println!("{row} {} {} {metric} {value:.3} {unit}", self.peer, self.procs);
        }
    }

    /// The three figures of the row `parked`.
    pub fn parked_lines(&self, count: usize, rep: i32, grown: i64, created: Duration, woken: Duration) {
        self.line("parked", rep, "resident", grown as f64 / count as f64, "B");
        self.line("parked", rep, "create", ms(created), "ms");
        self.line("parked", rep, "wake_all", ms(woken), "ms");
    }

    /// Checks `value` against fib(depth) and gives the two figures of the row `fib`.
    pub fn fib_lines(&self, rep: i32, depth: usize, value: usize, total: Duration) {
        if value != fib_plain(depth) {
            die("fib is wrong");
        }
        let tasks = fib_plain(depth + 1) - 1;
        self.line("fib", rep, "total", ms(total), "ms");
        self.line("fib", rep, "task", total.as_nanos() as f64 / tasks as f64, "ns");
    }

    /// fib's depth: the warm-up is six levels, a factor of eighteen, smaller.
    pub fn fib_depth(&self, rep: i32) -> usize {
        if rep < 0 && self.n > 8 {
            self.n - 6
        } else {
            self.n
        }
    }
}

pub fn ns_each(start: Instant, count: usize) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}

pub fn ms(span: Duration) -> f64 {
    span.as_nanos() as f64 / 1e6
}

pub fn resident_bytes() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_else(|e| die(&e.to_string()));
    let pages: i64 =
        statm.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or_else(|| die("statm cannot be read"));
    pages * 4096
}

fn fib_plain(depth: usize) -> usize {
    (0..depth).fold((0, 1), |(a, b), _| (b, a + b)).0
}
