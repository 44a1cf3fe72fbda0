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

    /// skynet's leaves: the warm-up keeps the power of ten.
    pub fn leaves(&self, rep: i32) -> usize {
        if rep < 0 && self.n >= 10 {
            self.n / 10
        } else {
            self.n
        }
    }

    /// Checks `sum` and gives the two figures of the row `skynet`.
    pub fn skynet_lines(&self, rep: i32, leaves: usize, sum: usize, total: Duration) {
        if sum != leaves * (leaves - 1) / 2 {
            die("the sum is wrong, or n is no power of ten");
        }
        self.line("skynet", rep, "total", ms(total), "ms");
        self.line("skynet", rep, "task", total.as_nanos() as f64 / ((10 * leaves - 1) / 9) as f64, "ns");
    }

    /// The two figures of the row `timers`, for the sleeps drawn for 0 to count.
    pub fn timers_lines(&self, rep: i32, count: usize, total: Duration, cpu: Duration) {
        let longest = (0..count).map(draw_sleep).max().unwrap_or_default();
        self.line("timers", rep, "over", ms(total) - ms(longest), "ms");
        self.line("timers", rep, "cpu", ms(cpu), "ms");
    }

    /// The figure of the row `idle` that the program itself gives.
    pub fn idle_line(&self, cpu: Duration, span: Duration) {
        self.line("idle", 0, "cpu", cpu.as_nanos() as f64 / 1e3 / span.as_secs_f64(), "us/s");
    }
}

/// The row `idle`: how long each task sleeps, and how many of these sleeps are looked at.
pub const PERIOD: Duration = Duration::from_millis(200);
pub const PERIODS: u32 = 8;

/// The i-th of the sleeps that every program of the row `timers` draws: splitmix64, 0 to 100 ms.
pub fn draw_sleep(i: usize) -> Duration {
    let mut z = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    Duration::from_nanos((z ^ z >> 31) % 100_000_000)
}

/// The CPU time of the whole process.
pub fn cpu_time() -> Duration {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    extern "C" {
        fn clock_gettime(clock: i32, now: *mut Timespec) -> i32;
    }
    const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
    let mut now = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: `now` has the layout of a 64-bit Linux timespec and outlives the call.
    if unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut now) } != 0 {
        die("the CPU clock cannot be read");
    }
    Duration::new(now.seconds as u64, now.nanoseconds as u32)
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
