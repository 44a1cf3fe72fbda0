//! Says hello.

fn main() {
    println!("hello from gmp {}", env!("CARGO_PKG_VERSION"));
}
