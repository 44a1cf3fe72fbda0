//! Static files: what is sent, what is not, and what can never be reached.

use super::{httpd, noise, Client, Site};
use std::io::{Read, Write};
use std::process::Command;

#[test]
fn files_of_every_size_arrive_whole() {
    // Around what goes through the connection's output, around what is sent at once, and none.
    let sizes = [0, 1, 5000, 12 * 1024, 12 * 1024 + 1, 16 * 1024, 256 * 1024, 256 * 1024 + 1, 3_000_001];
    let files: Vec<(String, Vec<u8>)> = sizes.iter().map(|size| (format!("f{size}.bin"), noise(*size))).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let site = Site::new(&files);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    for (name, bytes) in &files {
        let got = client.ask(&format!("GET /{name}"));
        assert_eq!((got.status, got.header("content-type")), (200, "application/octet-stream"));
        assert!(got.body == *bytes, "{name}: {} bytes", got.body.len());
        let head = client.ask(&format!("HEAD /{name}"));
        assert_eq!(head.header("content-length"), bytes.len().to_string());
        assert_eq!(head.header("last-modified"), got.header("last-modified"));
    }
    // All at once: small ones share a send, large ones come between them.
    for (name, _) in &files {
        client.send(format!("GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    for (name, bytes) in &files {
        assert!(client.response().body == *bytes, "{name}");
    }
}

#[test]
fn types_indexes_and_directories() {
    let site = Site::new(&[
        ("index.html", b"top"),
        ("d/index.html", b"below"),
        ("d/style.css", b"c"),
        ("e/x.tar.gz", b"g"),
        ("d/no.such", b"n"),
        ("a b%.txt", b"odd"),
    ]);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    for (target, body, kind) in [
        ("/", "top", "text/html; charset=utf-8"),
        ("http://somewhere/", "top", "text/html; charset=utf-8"),
        ("http://somewhere", "top", "text/html; charset=utf-8"),
        ("/d/", "below", "text/html; charset=utf-8"),
        ("/d//./style.css?x=/../y", "c", "text/css; charset=utf-8"),
        ("/e/x.tar.gz", "g", "application/gzip"),
        ("/d%2fno.such", "n", "application/octet-stream"),
        ("/a%20b%25.txt", "odd", "text/plain; charset=utf-8"),
    ] {
        let got = client.ask(&format!("GET {target}"));
        assert_eq!((got.status, got.text(), got.header("content-type")), (200, body, kind), "{target}");
    }
    for (target, location) in [("/d", "/d/"), ("//d", "/d/")] {
        let got = client.ask(&format!("GET {target}"));
        assert_eq!((got.status, got.header("location")), (301, location), "{target}");
    }
    for target in ["/e/", "/nothing", "/index.html/", "/d/nothing/at/all"] {
        assert_eq!(client.ask(&format!("GET {target}")).status, 404, "{target}");
    }
    assert_eq!(client.ask(&format!("GET /{}", "x".repeat(300))).status, 404, "longer than names can be");
    assert_eq!(client.ask(&format!("GET /{}", "x/".repeat(1000))).status, 414);
}

#[test]
fn nothing_outside_of_the_root_is_reached() {
    let site = Site::new(&[("in/a.txt", b"inside")]);
    let outside = site.path().parent().expect("it has one").join("secret.txt");
    std::fs::write(&outside, "secret").expect("the scratch directory can be written");
    let link =
        |to: &str, name: &str| std::os::unix::fs::symlink(to, site.path().join(name)).expect("and so can the site");
    link("../secret.txt", "up");
    link(outside.to_str().expect("a plain name"), "absolute");
    link("..", "above");
    link("/proc/self/root", "magic");
    link("loop", "loop");
    link("in/a.txt", "fine");
    let fifo = Command::new("mkfifo").arg(site.path().join("fifo")).status().expect("coreutils");
    assert!(fifo.success());
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    for target in [
        "/../secret.txt",
        "/in/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/in%2F..%2F..%2Fsecret.txt",
        "/..",
        "/.%2e/",
        "/%00",
        "/%",
        "/%4",
    ] {
        assert_eq!(client.ask(&format!("GET {target}")).status, 400, "{target}");
    }
    for target in ["/up", "/absolute", "/above/secret.txt", "/magic/etc/passwd", "/loop", "/fifo", "/...", "/in/a.txt/"]
    {
        assert_eq!(client.ask(&format!("GET {target}")).status, 404, "{target}");
    }
    assert_eq!(client.ask("GET /fine").text(), "inside");
    assert_eq!(client.ask("GET /in/a.txt").text(), "inside");
}

#[test]
fn files_that_have_not_changed_are_not_sent_again() {
    let site = Site::new(&[("a.txt", b"text")]);
    let day = std::time::Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT, of RFC 9110
    let file = std::fs::File::options().write(true).open(site.path().join("a.txt")).expect("it is there");
    file.set_modified(std::time::UNIX_EPOCH + day).expect("a file's date can be set");
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    assert_eq!(client.ask("GET /a.txt").header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    for (since, status) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 304),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 304),
        ("Sun Nov  6 08:49:37 1994", 304),
        ("  Mon, 07 Nov 1994 00:00:00 GMT  ", 304),
        ("Thu, 29 Feb 2024 12:00:00 GMT", 304),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 200),
        ("Sat, 01 Jan 1994 00:00:00 GMT", 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT and more", 200),
        ("Sun, 06 Nov 1994", 200),
        ("Sun, 06 XXX 2094 08:49:37 GMT", 200),
        ("Sun, 06 nNo 2094 08:49:37 GMT", 200),
        ("Sun, 36 Nov 2094 08:49:37 GMT", 200),
        ("yesterday", 200),
        ("", 200),
    ] {
        client.send(format!("GET /a.txt HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: {since}\r\n\r\n"));
        let got = client.response();
        assert_eq!((got.status, got.text()), (status, if status == 200 { "text" } else { "" }), "{since}");
    }
}

#[test]
fn large_file_reaches_a_reader_that_takes_it_in_sips() {
    let bytes = noise(8 << 20);
    let site = Site::new(&[("large", &bytes)]);
    let Some(server) = httpd(&site, &[]) else { return };
    let mut client = Client::of(&server);
    client.send("GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(client.head().header("content-length"), bytes.len().to_string());
    let (mut got, mut sip) = (std::mem::take(&mut client.early), [0; 1000]);
    while got.len() < bytes.len() {
        // A thousand at a time at first, so that the server has to wait for us, and then as it comes.
        let room = if got.len() < 1 << 20 { &mut sip[..] } else { &mut [0; 1 << 16][..] };
        let n = client.stream.read(room).expect("more of it");
        assert!(n > 0, "it ended after {} bytes", got.len());
        got.extend_from_slice(&room[..n]);
    }
    assert!(got == bytes);
    client.ends();
}

#[test]
fn curl_is_served() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    let page = noise(100_000);
    let site = Site::new(&[("page.bin", &page), ("a.txt", b"a text")]);
    let Some(server) = httpd(&site, &[]) else { return };
    let top = format!("http://127.0.0.1:{}", server.port());
    let curl = |arguments: &[&str]| {
        let done = Command::new("curl")
            .args(["-sS", "--http1.1", "--max-time", "60", "--noproxy", "*"])
            .args(arguments)
            .output();
        let done = done.expect("it was found");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    // Two on one connection, as curl sees it.
    let url = |path: &str| format!("{top}{path}");
    let both = curl(&["-w", "<%{num_connects}>", &url("/a.txt"), &url("/a.txt")]);
    assert_eq!(String::from_utf8_lossy(&both), "a text<1>a text<0>");
    assert!(curl(&[&url("/page.bin")]) == page);
    let head = String::from_utf8(curl(&["-I", &url("/page.bin")])).expect("text");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Content-Length: 100000\r\n"), "{head}");
    assert_eq!(curl(&["--http1.0", &url("/a.txt")]), b"a text");
    let upload = gmp_tests::scratch().join(format!("upload-{}", std::process::id()));
    std::fs::File::create(&upload).and_then(|mut file| file.write_all(&[b'x'; 300_000])).expect("a file");
    let data = format!("@{}", upload.display());
    for more in ["Expect: 100-continue", "Expect:", "Transfer-Encoding: chunked"] {
        let counted = curl(&["-H", more, "--data-binary", &data, &url("/api/count")]);
        assert_eq!(String::from_utf8_lossy(&counted), "{\"bytes\":300000,\"lines\":0,\"words\":1}\n", "{more}");
    }
    std::fs::remove_file(upload).expect("it is ours");
}
