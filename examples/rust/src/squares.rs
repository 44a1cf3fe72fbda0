//! The sum of the first thousand squares.

fn main() {
    let sum: u64 = (1..=1000u64).map(|n| n * n).sum();
    println!("{sum}");
}
