//! The TLS echo of `examples/c/tls_echo.c`: OpenSSL's blocking calls in tasks.

use super::{example, library};
use gmp_tests::{leashed, read_to_end, run, Ended, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn program() -> Option<PathBuf> {
    let Some(flags) = library("openssl") else {
        println!("skipped: OpenSSL is not installed (Debian: libssl-dev pkg-config)");
        return None;
    };
    Some(example("tls_echo", &flags.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// The server, and the fingerprint of its certificate.
fn start(program: &PathBuf) -> (Server, String) {
    let mut server = Server::start(Command::new(program).args(["--port", "0"]));
    let fingerprint = server.told("fingerprint ");
    (server, fingerprint)
}

fn clients(program: &PathBuf, server: &Server, fingerprint: &str, clients: u32, messages: u32) -> Ended {
    let mut command = Command::new(program);
    command.args(["--connect", &format!("127.0.0.1:{}", server.port()), "--fingerprint", fingerprint]);
    command.args(["--clients", &clients.to_string(), "--messages", &messages.to_string()]);
    run(&mut command, Duration::from_secs(120)).expect("it starts")
}

fn talk(program: &PathBuf, server: &Server, fingerprint: &str, number: u32, messages: u32) {
    let ended = clients(program, server, fingerprint, number, messages);
    assert!(ended.status.success(), "{}", ended.report());
    assert!(ended.stdout.starts_with(&format!("{number} clients, {messages} messages each, ")), "{}", ended.report());
}

#[test]
fn tls_echoes_to_many_clients_at_once() {
    let Some(program) = program() else { return };
    let (server, fingerprint) = start(&program);
    talk(&program, &server, &fingerprint, 1, 0);
    talk(&program, &server, &fingerprint, 100, 20);
    talk(&program, &server, &fingerprint, 2, 300);
}

#[test]
fn tls_client_refuses_another_server() {
    let Some(program) = program() else { return };
    let (server, fingerprint) = start(&program);
    let (_other, theirs) = start(&program);
    assert_ne!(fingerprint, theirs);
    let ended = clients(&program, &server, &theirs, 1, 1);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.report());
    assert!(ended.stderr.contains("this is not the server that was meant"), "{}", ended.report());
}

#[test]
fn tls_server_outlives_who_speaks_no_tls() {
    let Some(program) = program() else { return };
    let (server, fingerprint) = start(&program);
    let mut silent: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for (n, stream) in silent.iter_mut().enumerate() {
        // A record that promises more than comes; for some only a part of its head.
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0][..n % 8]).expect("it reads");
    }
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 3, 1, 0, 4, 9, 0, 0, 0], &[0xff; 3000]] {
        let mut stream = server.connect();
        let _ = stream.write_all(garbage);
        let heard = read_to_end(&mut stream);
        assert!(heard.len() < 100, "an alert at most, and not {} bytes", heard.len());
        talk(&program, &server, &fingerprint, 5, 5);
    }
    drop(silent);
    talk(&program, &server, &fingerprint, 5, 5);
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn tls_echoes_to_openssls_own_client() {
    let Some(program) = program() else { return };
    let (server, _) = start(&program);
    for version in ["-tls1_2", "-tls1_3"] {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", version, "-connect", &format!("127.0.0.1:{}", server.port())]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(child) = leashed(&mut command).spawn() else {
            println!("skipped: openssl is not installed (Debian: openssl)");
            return;
        };
        let mut child = Killed(child);
        let mut says = BufReader::new(child.0.stdout.take().expect("a pipe"));
        let mut stdin = child.0.stdin.take().expect("a pipe");
        for n in 0..20 {
            let line = format!("line {n} over {version}\n");
            stdin.write_all(line.as_bytes()).expect("it reads");
            let mut back = String::new();
            says.read_line(&mut back).expect("it answers");
            assert_eq!(back, line);
        }
        drop(stdin);
        let _ = child.0.kill();
        let _ = says.read_to_string(&mut String::new());
    }
}
