//! What a client could make large, slow or many.

use super::{comes_to_rest, httpd, httpd_with_descriptors, noise, stat, Client, Site};
use gmp_tests::until;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// A request whose head is `len` bytes.
fn head_of(len: usize) -> String {
    let (before, after) = ("GET /api/hello HTTP/1.1\r\nHost: h\r\nX: ", "\r\n\r\n");
    format!("{before}{}{after}", "x".repeat(len - before.len() - after.len()))
}

/// Makes the end of this connection a reset.
fn reset(client: Client) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the option's value is as long as is said, and the descriptor is open.
    let done = unsafe {
        libc::setsockopt(
            client.stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of_val(&linger) as u32,
        )
    };
    assert_eq!(done, 0);
}

#[test]
fn heads_are_limited() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &["--head-bytes", "1000"]) else { return };
    let mut client = Client::of(&server);
    client.send(head_of(1000).repeat(20));
    for _ in 0..20 {
        assert_eq!(client.response().status, 200, "as long as it may be");
    }
    client.send(head_of(1001));
    assert_eq!(client.response().status, 431);
    client.ends();
    for (bytes, status) in [
        (format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(1000)), 414),
        (format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(1000)), 431),
        ("\r\n".repeat(1000), 414),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: ".to_string() + &"x".repeat(5_000_000), 431), // it is still sending when it is refused
    ] {
        let mut client = Client::of(&server);
        let mut sender = client.stream.try_clone().expect("a second handle");
        // Its end may be a reset: the server does not hear everything out.
        let sending = std::thread::spawn(move || drop(std::io::Write::write_all(&mut sender, bytes.as_bytes())));
        assert_eq!(client.response().status, status);
        sending.join().expect("it does not panic");
    }
    comes_to_rest(&server);
}

#[test]
fn who_is_slow_with_a_request_is_told_so() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &["--request", "0.3"]) else { return };
    for part in
        ["G", "GET / HTTP/1.1\r\nHost: h\r\n", "POST /api/count HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc"]
    {
        let mut client = Client::of(&server);
        assert_eq!(client.ask("GET /api/hello").status, 200);
        client.send(part);
        assert_eq!(client.response().status, 408, "{part:?}");
        client.ends();
    }
}

#[test]
fn who_trickles_does_not_get_more_time() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &["--request", "0.5"]) else { return };
    let mut client = Client::of(&server);
    let mut sender = client.stream.try_clone().expect("a second handle");
    let trickle = std::thread::spawn(move || {
        // Each piece is soon enough, all of them are not. It ends when the server has had enough.
        std::io::Write::write_all(&mut sender, b"GET / HTTP/1.1\r\nHost: h\r\nX: ")?;
        for _ in 0..1000 {
            std::io::Write::write_all(&mut sender, b"x")?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok::<(), std::io::Error>(())
    });
    assert_eq!(client.response().status, 408);
    client.ends();
    assert!(trickle.join().expect("it does not panic").is_err());
}

#[test]
fn idle_connections_are_closed() {
    let site = Site::new(&[]);
    // Long enough to ask for something before it is over.
    let Some(server) = httpd(&site, &["--idle", "3"]) else { return };
    let mut used = Client::of(&server);
    assert_eq!(used.ask("GET /api/hello").status, 200);
    let unused = Client::of(&server);
    used.ends();
    unused.ends();
    // Rest is no end: who speaks up after a while is heard.
    let mut client = Client::of(&server);
    until(|| (stat(&server, "resting") == 1).then_some(())).expect("it gives its memory back");
    assert_eq!(client.ask("GET /api/hello").status, 200);
}

#[test]
fn connections_above_the_limit_wait_for_their_turn() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &["--connections", "2"]) else { return };
    let (mut one, mut two) = (Client::of(&server), Client::of(&server));
    assert_eq!((one.ask("GET /api/hello").status, two.ask("GET /api/hello").status), (200, 200));
    let mut three = Client::of(&server);
    three.send("GET /api/stats HTTP/1.1\r\nHost: h\r\n\r\n");
    three.stream.set_read_timeout(Some(Duration::from_millis(200))).expect("an option");
    let waits = three.stream.read(&mut [0]).expect_err("its turn has not come");
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
    three.stream.set_read_timeout(Some(Duration::from_secs(60))).expect("an option");
    drop(one);
    let stats = three.response();
    assert!(stats.text().contains("\"open\":2,"), "{}", stats.text());
    assert_eq!(two.ask("GET /api/hello").status, 200);
}

#[test]
fn without_descriptors_connections_wait_and_none_is_lost() {
    let site = Site::new(&[("a.txt", b"a")]);
    let Some(server) = httpd_with_descriptors(&site, "40", &[]) else { return };
    let mut clients: Vec<Client> = (0..100).map(|_| Client::of(&server)).collect();
    for client in &mut clients {
        client.send("GET /api/hello HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    // The first ones were let in, in the order of their coming, and go on; for files there is no descriptor.
    for client in &mut clients[..10] {
        assert_eq!(client.response().status, 200);
        assert_eq!(client.ask("GET /api/hello").status, 200);
    }
    // As those end the others come in, to the last.
    for mut client in clients.drain(10..).rev().collect::<Vec<_>>().into_iter().rev() {
        assert_eq!(client.response().status, 200);
    }
    for client in &mut clients {
        assert_eq!(client.ask("GET /api/hello").status, 200);
    }
    assert_eq!(clients[0].ask("GET /a.txt").text(), "a");
    drop(clients);
    comes_to_rest(&server);
}

#[test]
fn files_without_a_descriptor_to_be_had_are_refused_for_now() {
    let site = Site::new(&[("a.txt", b"a")]);
    let Some(server) = httpd_with_descriptors(&site, "40", &[]) else { return };
    // All of them stay. As many get in as there are descriptors, and from then on there is none.
    let mut clients: Vec<Client> = (0..60).map(|_| Client::of(&server)).collect();
    let refused = until(|| Some(clients[0].ask("GET /a.txt")).filter(|answer| answer.status == 503));
    assert_eq!(refused.expect("there is none at last").header("connection"), "close");
    clients.swap_remove(0).ends();
    drop(clients);
    let mut after = Client::of(&server);
    assert_eq!(after.ask("GET /a.txt").text(), "a");
}

#[test]
fn connections_leave_nothing_behind() {
    let site = Site::new(&[("large", &noise(20_000))]);
    let Some(server) = httpd(&site, &[]) else { return };
    let descriptors = || {
        comes_to_rest(&server);
        std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("it runs").count()
    };
    let cycle = |n: usize| {
        for _ in 0..n {
            let mut client = Client::of(&server);
            assert_eq!(client.ask("GET /large").body.len(), 20_000);
        }
    };
    cycle(50);
    let before = descriptors();
    cycle(2000);
    // One of those who asked may not be gone yet, on either side.
    let after = until(|| Some(descriptors()).filter(|after| *after <= before));
    assert!(after.is_some(), "{before} descriptors have become {}", descriptors());
}

#[test]
fn resets_at_any_moment_hurt_nobody_else() {
    let large = noise(4 << 20);
    let site = Site::new(&[("large", &large)]);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut other = Client::of(&server);
    let whole = "POST /api/count HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde";
    for round in 0..100 {
        let mut client = Client::of(&server);
        if round % 3 == 0 {
            client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n".repeat(3));
            client.head();
        } else {
            client.send(&whole[..whole.len() * round / 100]);
        }
        reset(client);
        assert_eq!(other.ask("GET /api/hello").status, 200);
    }
    drop(other);
    comes_to_rest(&server);
    until(|| (stat(&server, "tasks") == 2).then_some(())).expect("the one that accepts and ours are left");
}

#[test]
fn who_does_not_read_is_given_up() {
    let large = noise(32 << 20);
    let site = Site::new(&[("large", &large)]);
    let Some(server) = httpd(&site, &["--send", "0.3"]) else { return };
    let mut client = Client::of(&server);
    client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    let length: usize = client.head().header("content-length").parse().expect("a number");
    comes_to_rest(&server);
    let got = client.early.len() + gmp_tests::read_to_end(&mut client.stream).len();
    assert!(got < length, "{got} bytes were not read and have all been sent");
}
