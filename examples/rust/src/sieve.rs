//! The first primes, by a chain of tasks: sieve [COUNT]
//!
//! One task sends 2, 3, 4 … into a channel without a buffer. What comes out at the end of the chain is prime, and the chain
//! grows by a task that lets pass what this prime does not divide. Nobody is cancelled at the end: the last receiver is
//! dropped, so the last task cannot send any more and ends, which drops its receiver, and so on up to the first.

use gmp_core::{channel, group, Receiver, Result};

/// The next link of the chain.
fn link(from: Receiver<u32>, prime: u32) -> Result<(impl FnOnce() -> Result<()>, Receiver<u32>)> {
    let (to, out) = channel(0)?;
    let pass = move || {
        let _closed = from.iter().filter(|n| n % prime != 0).try_for_each(|n| to.send(n));
        Ok(())
    };
    Ok((pass, out))
}

fn primes(count: usize) -> Result<Vec<u32>> {
    group(|g| {
        let (to, mut chain) = channel(0)?;
        g.spawn(move || {
            let _closed = (2..).try_for_each(|n| to.send(n));
            Ok(())
        })?;
        let mut found = Vec::new();
        while found.len() < count {
            let prime = chain.recv()?;
            let (pass, out) = link(chain, prime)?;
            g.spawn(pass)?;
            chain = out;
            found.push(prime);
        }
        Ok(found)
    })
}

fn main() -> Result<()> {
    let count = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(20);
    let found = primes(count)?;
    found.iter().for_each(|prime| println!("{prime}"));
    let divides = |n: &u32| (2..*n).take_while(|d| d * d <= *n).any(|d| n.is_multiple_of(d));
    assert!(found.len() == count && !found.iter().any(divides), "these are not the primes");
    gmp_core::global::shutdown(gmp_core::time::FOREVER)
}
