//! The command line, and the end: what is under way is answered, and nobody is waited for without a bound.

use super::{httpd, httpd_with_descriptors, noise, program, Client, Site};
use gmp_tests::{read_to_end, until, Server};
use std::io::Read;
use std::process::Command;
use std::time::Duration;

fn signal(server: &Server, signal: i32) {
    // SAFETY: kill takes no pointer, and the child is not reaped before its `Server` goes.
    assert_eq!(unsafe { libc::kill(server.pid(), signal) }, 0);
}

/// Nobody can come in any more: then the server has begun to stop.
fn listens_no_more(server: &Server) {
    until(|| std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err().then_some(()))
        .expect("it stops listening");
}

#[test]
fn idle_connections_go_at_once_when_it_stops() {
    let site = Site::new(&[]);
    for number in [libc::SIGTERM, libc::SIGINT] {
        let Some(mut server) = httpd(&site, &["--grace", "60"]) else { return };
        let mut used = Client::of(&server);
        let unused = Client::of(&server);
        assert_eq!(used.ask("GET /api/hello").status, 200);
        signal(&server, number);
        used.ends();
        unused.ends();
        assert_eq!(server.told(""), "2 connections, 1 requests");
        assert!(server.wait().success());
    }
}

#[test]
fn request_under_way_is_answered_when_it_stops() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &["--grace", "60"]) else { return };
    let (mut client, idle) = (Client::of(&server), Client::of(&server));
    assert_eq!(client.ask("GET /api/hello").status, 200);
    client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.response().status, 100, "so it has begun");
    signal(&server, libc::SIGTERM);
    idle.ends();
    listens_no_more(&server);
    client.send("a b");
    client.send(" c");
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (200, "{\"bytes\":5,\"lines\":0,\"words\":3}\n"));
    assert_eq!(answer.header("connection"), "close");
    client.ends();
    assert!(server.wait().success());
}

#[test]
fn download_under_way_is_whole_when_it_stops() {
    let large = noise(16 << 20);
    let site = Site::new(&[("large", &large)]);
    let Some(server) = httpd(&site, &["--grace", "60"]) else { return };
    let (mut client, idle) = (Client::of(&server), Client::of(&server));
    client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    client.head();
    signal(&server, libc::SIGTERM);
    idle.ends();
    let mut got = std::mem::take(&mut client.early);
    while got.len() < large.len() {
        let mut piece = [0; 65536];
        let n = client.stream.read(&mut piece).expect("more of it");
        assert!(n > 0, "it ended after {} bytes", got.len());
        got.extend_from_slice(&piece[..n]);
    }
    assert!(got == large);
    client.ends();
    assert!(server.wait().success());
}

#[test]
fn grace_has_an_end() {
    let large = noise(32 << 20);
    let site = Site::new(&[("large", &large)]);
    let Some(server) = httpd(&site, &["--grace", "0.3"]) else { return };
    let (mut reader, mut sender) = (Client::of(&server), Client::of(&server));
    reader.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    reader.head();
    sender.send("POST /api/count HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(sender.response().status, 100);
    signal(&server, libc::SIGTERM);
    assert_eq!(server.wait().code(), Some(1));
    assert!(read_to_end(&mut reader.stream).len() < large.len());
}

#[test]
fn it_stops_with_a_thousand_connections_open() {
    let site = Site::new(&[]);
    let wanted = 1000;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a struct of the right type.
    let raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max.min(4096);
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)
    };
    assert_eq!(raised, 0);
    if limit.rlim_cur < wanted + 500 {
        println!("skipped: at most {} descriptors", limit.rlim_cur);
        return;
    }
    let Some(server) = httpd_with_descriptors(&site, "1500", &["--grace", "60"]) else { return };
    let mut clients: Vec<Client> = (0..wanted).map(|_| Client::of(&server)).collect();
    for client in &mut clients {
        client.send("GET /api/hello HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    signal(&server, libc::SIGTERM);
    clients.into_iter().for_each(Client::ends);
    assert!(server.wait().success());
}

#[test]
fn options_are_checked() {
    let Some(program) = program() else { return };
    let run = |arguments: &[&str]| {
        let ended = gmp_tests::run(Command::new(&program).args(arguments), Duration::from_secs(60)).expect("it starts");
        (ended.status.code(), ended.stdout, ended.stderr)
    };
    for help in ["-h", "--help"] {
        let (code, said, _) = run(&[help]);
        assert!(code == Some(0) && said.starts_with("usage: httpd") && said.contains("--grace SECONDS"), "{said}");
    }
    for wrong in [
        &["--nothing"][..],
        &["extra"],
        &["--port", "x"],
        &["--port", "65536"],
        &["--port", "-1"],
        &["--idle", "0"],
        &["--idle", "nan"],
        &["--connections", "0"],
        &["--head-bytes", "1e30"],
        &["--root"],
    ] {
        let (code, said, complained) = run(wrong);
        assert!(code == Some(2) && said.is_empty() && !complained.is_empty(), "{wrong:?}: {code:?} {said}{complained}");
    }
    let (code, _, complained) = run(&["--root", "/nowhere/at/all"]);
    assert!(code == Some(1) && complained.contains("/nowhere/at/all"), "{complained}");
    let (code, _, complained) = run(&["--host", "not an address", "--port", "0"]);
    assert!(code == Some(1) && complained.starts_with("httpd: not an address:0: "), "{complained}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it has one").port().to_string();
    let (code, _, complained) = run(&["--port", &port]);
    assert!(code == Some(1) && complained.contains("in use"), "{complained}");
}
