//! A thousand tasks square a number each, after a sleep that holds no thread; one more reads a file with an ordinary
//! blocking call, which holds a thread but not a processor.

use gmp_core::{blocking, spawn, time};

fn main() -> gmp_core::Result<()> {
    let from = time::now();
    let tasks: Vec<_> = (1..=1000u64)
        .map(|n| {
            spawn(move || {
                time::sleep(10_000_000)?;
                Ok::<u64, gmp_core::Error>(n * n)
            })
        })
        .collect::<gmp_core::Result<_>>()?;
    let lines =
        spawn(|| blocking::block(|| std::fs::read_to_string("/proc/cpuinfo")).map_or(0, |t| t.lines().count()))?;

    let mut sum = 0;
    for task in tasks {
        sum += task.join()??;
    }
    println!(
        "the squares add up to {sum}, {} lines were read, in {} ms",
        lines.join()?,
        (time::now() - from) / 1_000_000
    );
    assert_eq!(sum, 333_833_500);
    gmp_core::global::shutdown(time::FOREVER)
}
