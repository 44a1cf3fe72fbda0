//! HTTP/1.1 on one connection: pieces, pipelines, keep-alive, ends, and what is no HTTP.

use super::{httpd, stat, Client, Site};
use std::net::Shutdown;

const HELLO: &str = "GET /api/hello HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn requests_may_come_byte_by_byte() {
    let site = Site::new(&[("a.txt", b"a")]);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    let request = "\r\nPOST /api/count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na b\r\n0\r\n\r\n\
                   GET /a.txt HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
    for byte in request.bytes() {
        client.send([byte]);
    }
    assert_eq!(client.response().text(), "{\"bytes\":3,\"lines\":0,\"words\":2}\n");
    assert_eq!(client.response().text(), "a");
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let site = Site::new(&[("a.txt", b"a file")]);
    let Some(server) = httpd(&site, &[]) else { return };
    let one = |n: usize| match n % 4 {
        0 => "GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n".to_string(),
        1 => format!("POST /api/count HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", n % 77, "x".repeat(n % 77)),
        _ => format!("GET /api/hello?name=n{n} HTTP/1.1\r\nHost: h\r\n\r\n"),
    };
    let all: String = (0..2000).map(one).collect();
    // At once; and cut in pieces that end anywhere.
    for piece in [all.len(), 997, 61] {
        let mut client = Client::of(&server);
        let mut sender = client.stream.try_clone().expect("a second handle");
        let bytes = all.clone();
        let sending = std::thread::spawn(move || {
            bytes.as_bytes().chunks(piece).try_for_each(|piece| std::io::Write::write_all(&mut sender, piece))
        });
        for n in 0..2000 {
            let wanted = match n % 4 {
                0 => "a file".to_string(),
                1 => format!("{{\"bytes\":{},\"lines\":0,\"words\":{}}}\n", n % 77, usize::from(n % 77 > 0)),
                _ => format!("{{\"hello\":\"n{n}\"}}\n"),
            };
            assert_eq!(client.response().text(), wanted, "request {n}");
        }
        sending.join().expect("it does not panic").expect("the server reads");
    }
}

#[test]
fn connections_are_kept_or_not_as_the_client_says() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    for _ in 0..1000 {
        assert_eq!(client.ask("GET /api/hello").header("connection"), "");
    }
    client.send("GET /api/hello HTTP/1.1\r\nHost: h\r\nconnection: foo, CLOSE\r\n\r\n");
    assert_eq!(client.response().header("connection"), "close");
    client.ends();
    assert_eq!(stat(&server, "connections"), 2);

    let mut client = Client::of(&server);
    client.send("GET /api/hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().header("connection"), "keep-alive");
    client.send("GET /api/hello HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().header("connection"), "close");
    client.ends();

    // What follows the last request is not answered, and does not take the answer away.
    let mut client = Client::of(&server);
    client.send(format!("GET /api/hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n{}", HELLO.repeat(100)));
    assert_eq!(client.response().status, 200);
    client.ends();
}

#[test]
fn who_has_said_all_still_hears_all() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    client.send(HELLO.repeat(500));
    client.stream.shutdown(Shutdown::Write).expect("a connection");
    for _ in 0..500 {
        assert_eq!(client.response().status, 200);
    }
    client.ends();
    // In the middle of a request that is all there will ever be of it.
    let mut client = Client::of(&server);
    client.send(format!("{HELLO}{}", &HELLO[..20]));
    client.stream.shutdown(Shutdown::Write).expect("a connection");
    assert_eq!((client.response().status, client.response().status), (200, 400));
    client.ends();
    let client = Client::of(&server);
    client.stream.shutdown(Shutdown::Write).expect("a connection");
    client.ends();
}

#[test]
fn what_is_no_http_is_refused_and_the_connection_ends() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &[]) else { return };
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: h\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        ("get / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01", 400),
        ("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET nothing HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET / RTSP/1.0\r\nHost: h\r\n\r\n", 400),
        ("GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        ("GET /\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ] {
        let mut client = Client::of(&server);
        client.send(format!("{HELLO}{bytes}"));
        assert_eq!(client.response().status, 200, "what came before");
        let refused = client.response();
        assert_eq!((refused.status, refused.header("connection")), (status, "close"), "{bytes:?}");
        client.ends();
    }
    // Targets that other kinds of server have a use for.
    for line in ["OPTIONS *", "CONNECT a.example:443"] {
        assert_eq!(Client::of(&server).ask(line).status, 400, "{line}");
    }
}

#[test]
fn other_protocols_are_not_switched_to() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    client.send("GET /api/hello HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(client.ask("GET /api/hello").status, 200);
}
