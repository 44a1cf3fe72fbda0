//! The HTTP server of `examples/c/httpd.c`: real requests over loopback, good ones and bad ones, and its parser's glue under a fuzzer.

#[path = "httpd/ends.rs"]
mod ends;
#[path = "httpd/files.rs"]
mod files;
#[path = "httpd/fuzz.rs"]
mod fuzz;
#[path = "httpd/limits.rs"]
mod limits;
#[path = "httpd/protocol.rs"]
mod protocol;
#[path = "httpd/routes.rs"]
mod routes;

use gmp_tests::{build, root, until, Server};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// How to compile with llhttp; None, and a word about it, where it is not installed.
fn llhttp() -> Option<Vec<String>> {
    let found = Command::new(root().join("scripts/llhttp.sh")).output().expect("a shell");
    if !found.status.success() {
        println!("skipped: llhttp is not installed (Debian 12: node-llhttp; later: libllhttp-dev)");
        return None;
    }
    Some(String::from_utf8_lossy(&found.stdout).split_whitespace().map(str::to_string).collect())
}

fn program() -> Option<PathBuf> {
    let flags = llhttp()?;
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut sources = gmp_tests::files("examples/c/httpd", &["c"]);
    sources.push(root().join("examples/c/httpd.c"));
    Some(build("examples/httpd", &sources, &flags).unwrap())
}

/// The server, listening on a port of its own; None where llhttp is missing.
fn httpd(site: &Site, arguments: &[&str]) -> Option<Server> {
    Some(Server::start(Command::new(program()?).args(["--port", "0", "--root"]).arg(&site.0).args(arguments)))
}

/// The same with a soft limit of open descriptors.
fn httpd_with_descriptors(site: &Site, limit: &str, arguments: &[&str]) -> Option<Server> {
    let program = program()?;
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -S -n \"$0\" && exec \"$@\"", limit]).arg(program);
    Some(Server::start(shell.args(["--port", "0", "--root"]).arg(&site.0).args(arguments)))
}

/// A directory of files to serve, which goes with it.
struct Site(PathBuf);

impl Site {
    fn new(files: &[(&str, &[u8])]) -> Site {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("httpd-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let site = Site(gmp_tests::scratch().join(name).join("site"));
        std::fs::create_dir_all(&site.0).expect("the scratch directory can be written");
        for (name, bytes) in files {
            let path = site.0.join(name);
            std::fs::create_dir_all(path.parent().expect("it was joined")).expect("and so can this");
            std::fs::write(path, bytes).expect("and this");
        }
        site
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().expect("it was joined"));
    }
}

/// Bytes that are not all alike.
fn noise(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[derive(Debug)]
struct Response {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Response {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// One connection.
struct Client {
    stream: TcpStream,
    /// Came with an earlier answer.
    early: Vec<u8>,
}

impl Client {
    fn of(server: &Server) -> Client {
        Client { stream: server.connect(), early: Vec::new() }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// A request without a body.
    fn ask(&mut self, line: &str) -> Response {
        self.send(format!("{line} HTTP/1.1\r\nHost: here\r\n\r\n"));
        if line.starts_with("HEAD ") {
            self.head()
        } else {
            self.response()
        }
    }

    fn read_more(&mut self) {
        let mut piece = [0; 65536];
        let n = self.stream.read(&mut piece).expect("an answer");
        assert!(n > 0, "the connection ended after {:?}", String::from_utf8_lossy(&self.early));
        self.early.extend_from_slice(&piece[..n]);
    }

    /// The next answer's head.
    fn head(&mut self) -> Response {
        let end = loop {
            match self.early.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end,
                None => self.read_more(),
            }
        };
        let head = String::from_utf8(self.early.drain(..end + 4).collect()).expect("a head is ASCII");
        let mut lines = head.trim_end().split("\r\n");
        let first = lines.next().expect("a line");
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse().ok()).expect(first);
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_string()));
        let headers = lines.map(|line| header(line).expect("a header")).collect();
        Response { status, headers, body: Vec::new() }
    }

    /// The next answer, with its body.
    fn response(&mut self) -> Response {
        let mut response = self.head();
        if response.status != 100 && response.status != 304 {
            let length: usize = response.header("content-length").parse().expect("a length");
            while self.early.len() < length {
                self.read_more();
            }
            response.body = self.early.drain(..length).collect();
        }
        response
    }

    /// No more comes, and the server ends the connection.
    fn ends(mut self) {
        assert_eq!(String::from_utf8_lossy(&self.early), "");
        assert_eq!(String::from_utf8_lossy(&gmp_tests::read_to_end(&mut self.stream)), "");
    }
}

/// A number of `/api/stats`.
fn stat(server: &Server, name: &str) -> u64 {
    let stats = Client::of(server).ask("GET /api/stats");
    let after = stats.text().split(&format!("\"{name}\":")).nth(1).expect(name).to_string();
    after.split([',', '}']).next().and_then(|number| number.parse().ok()).expect(&after)
}

/// Waits until nobody is connected but who asks, and the runtime has no task but theirs.
fn comes_to_rest(server: &Server) {
    until(|| (stat(server, "open") == 1).then_some(())).expect("every connection ends");
}
