//! The JSON routes, and bodies.

use super::{httpd, stat, Client, Site};

#[test]
fn hello_says_the_name_as_json() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    let plain = client.ask("GET /api/hello");
    assert_eq!((plain.status, plain.text()), (200, "{\"hello\":\"world\"}\n"));
    assert_eq!(plain.header("content-type"), "application/json");
    assert!(plain.header("date").ends_with(" GMT"), "{plain:?}");
    for (query, name) in [
        ("name=you", "you"),
        ("a=b&name=x+y%21", "x y!"),
        ("name=%22%5c%0a", "\\\"\\\\\\u000a"),
        ("name=", ""),
        ("named=x", "world"),
        ("name=%00", "world"),
        ("name=%zz", "world"),
        ("name", "world"),
    ] {
        assert_eq!(
            client.ask(&format!("GET /api/hello?{query}")).text(),
            format!("{{\"hello\":\"{name}\"}}\n"),
            "{query}"
        );
    }
    let head = client.ask("HEAD /api/hello");
    assert_eq!((head.status, head.header("content-length")), (200, plain.header("content-length")));
    assert_eq!(client.ask("GET /api/hello").status, 200, "a HEAD's answer has no body");
}

#[test]
fn stats_count_what_was_done() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &[]) else { return };
    for _ in 0..3 {
        assert_eq!(Client::of(&server).ask("GET /api/hello").status, 200);
    }
    assert_eq!(stat(&server, "connections"), 4);
    let answered = stat(&server, "requests");
    assert_eq!(answered, 4);
}

#[test]
fn bodies_are_counted_however_they_come() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    let wanted = "{\"bytes\":18,\"lines\":2,\"words\":4}\n";
    client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nContent-Length: 18\r\n\r\nsome more\nwo");
    client.send("rds \n!");
    let answer = client.response();
    assert_eq!((answer.status, answer.text()), (200, wanted));
    client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in ["5;ext=\"v\"\r\nso", "me \r\n", "D\r\nmore\nwor", "ds \n!\r\n0\r\n", "Trailer: x\r\n\r\n"] {
        client.send(piece);
    }
    assert_eq!(client.response().text(), wanted);
    // A body that nobody asked for is read and forgotten.
    client.send("GET /api/hello HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nGET / GET /api/hello HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((client.response().status, client.response().status), (200, 200));
}

#[test]
fn bodies_are_limited() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &["--body-bytes", "100000"]) else { return };
    let most = vec![b'x'; 100_000];
    let mut client = Client::of(&server);
    client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    client.send(&most);
    assert_eq!(client.response().text(), "{\"bytes\":100000,\"lines\":0,\"words\":1}\n");
    client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n186A0\r\n");
    client.send(&most);
    client.send("\r\n0\r\n\r\n");
    assert_eq!(client.response().text(), "{\"bytes\":100000,\"lines\":0,\"words\":1}\n");

    client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n");
    let refused = client.response();
    assert_eq!((refused.status, refused.header("connection")), (413, "close"));
    client.ends();

    let mut client = Client::of(&server);
    client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n186A0\r\n");
    client.send(&most);
    client.send("\r\n1\r\nx\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 413);
    client.ends();

    // What surrounds the chunks is limited too.
    let mut client = Client::of(&server);
    client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
    client.send(format!("Trailer: {}\r\n\r\n", "x".repeat(9000)));
    assert_eq!(client.response().status, 400);
    client.ends();
}

#[test]
fn who_waits_to_continue_is_told_to() {
    let site = Site::new(&[]);
    let Some(server) = httpd(&site, &["--body-bytes", "100"]) else { return };
    let mut client = Client::of(&server);
    for _ in 0..2 {
        client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
        assert_eq!(client.response().status, 100);
        client.send("abc");
        assert_eq!(client.response().text(), "{\"bytes\":3,\"lines\":0,\"words\":1}\n");
    }
    client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n");
    assert_eq!(client.response().status, 413);
    client.ends();
    let mut client = Client::of(&server);
    client.send("POST /api/count HTTP/1.1\r\nHost: h\r\nExpect: a miracle\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(client.response().status, 417);
    client.ends();
}

#[test]
fn methods_that_do_not_fit_are_told_which_do() {
    let site = Site::new(&[("a.txt", b"a")]);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    for (line, allow) in [
        ("POST /api/hello", "GET, HEAD"),
        ("GET /api/count", "POST"),
        ("POST /a.txt", "GET, HEAD"),
        ("DELETE /a.txt", "GET, HEAD, POST"),
        ("PUT /nothing", "GET, HEAD, POST"),
        ("OPTIONS /", "GET, HEAD, POST"),
    ] {
        let refused = client.ask(line);
        assert_eq!((refused.status, refused.header("allow")), (405, allow), "{line}");
    }
    let head = client.ask("HEAD /api/count");
    assert_eq!((head.status, head.header("allow")), (405, "POST"));
    assert_eq!(client.ask("GET /a.txt").text(), "a", "the connection is as good as before");
}
