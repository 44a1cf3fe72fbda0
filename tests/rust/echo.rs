//! The echo server of `examples/c/echo.c`.

use super::example;
use gmp_tests::{read_to_end, Server};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Command;

fn echo() -> Server {
    Server::start(Command::new(example("echo", &[])).args(["--port", "0"]))
}

#[test]
fn echo_sends_back_what_it_gets() {
    let server = echo();
    let mut all: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for length in [1, 63, 1023, 1024, 1025, 5000] {
        for (n, stream) in all.iter_mut().enumerate() {
            stream.write_all(&vec![n as u8; length]).expect("it reads");
        }
        for (n, stream) in all.iter_mut().enumerate() {
            let mut back = vec![0; length];
            stream.read_exact(&mut back).expect("it answers");
            assert!(back.iter().all(|byte| *byte == n as u8), "{length} bytes of {n}");
        }
    }
    for stream in &mut all {
        stream.shutdown(Shutdown::Write).expect("it is open");
        assert_eq!(read_to_end(stream), b"");
    }
}

#[test]
fn echo_keeps_up_with_who_sends_without_reading() {
    let server = echo();
    let mut stream = server.connect();
    let mut writer = stream.try_clone().expect("a second handle");
    let sent: Vec<u8> = (0..20_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(&sent).expect("it reads");
            writer.shutdown(Shutdown::Write).expect("it is open");
        });
        assert!(read_to_end(&mut stream) == sent);
    });
}
