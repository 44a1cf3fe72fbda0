//! Two tasks say hello.

fn main() -> gmp_core::Result<()> {
    for name in ["a", "b"] {
        gmp_core::spawn(move || println!("hello from {name}"))?.join()?;
    }
    gmp_core::global::shutdown(gmp_core::time::FOREVER)
}
