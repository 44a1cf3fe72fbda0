//! The cache of `examples/c/kvd`: as real clients of Redis's protocol use it, and as bad ones do.

#[path = "kvd/ends.rs"]
mod ends;
#[path = "kvd/fuzz.rs"]
mod fuzz;
#[path = "kvd/limits.rs"]
mod limits;
#[path = "kvd/protocol.rs"]
mod protocol;
#[path = "kvd/redis.rs"]
mod redis;
#[path = "kvd/table.rs"]
mod table;

use gmp_tests::{build, files, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

/// The cache, listening on a port of its own.
fn kvd(arguments: &[&str]) -> Server {
    let program = build("examples/kvd", &files("examples/c/kvd", &["c"]), &["-Werror"]).unwrap();
    Server::start(Command::new(program).args(["--port", "0"]).args(arguments))
}

/// A client that knows what it wants to hear.
struct Talk(TcpStream);

impl Talk {
    fn with(server: &Server) -> Talk {
        Talk(server.connect())
    }

    fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// The next bytes are these.
    fn hear(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        let (mut bytes, mut have, mut same) = (vec![0; wanted.len()], 0, true);
        // Until the first difference: waiting for the rest of another reply would last long.
        while have < wanted.len() && same {
            let n = self.0.read(&mut bytes[have..]).expect("a reply");
            same = n > 0 && bytes[have..have + n] == wanted[have..have + n];
            have += n;
        }
        if !same || have < wanted.len() {
            assert_eq!(shown(&bytes[..have]), shown(wanted));
        }
    }

    /// A command as an array, and its reply.
    fn ask(&mut self, words: &[&str], wanted: impl AsRef<[u8]>) {
        self.say(array(words));
        self.hear(wanted);
    }

    /// A line of the reply, without its end.
    fn line(&mut self) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("a line");
            bytes.push(byte[0]);
        }
        String::from_utf8(bytes[..bytes.len() - 2].to_vec()).expect("text")
    }

    /// The integer that a command answers.
    fn number(&mut self, words: &[&str]) -> i64 {
        self.say(array(words));
        let line = self.line();
        line.strip_prefix(':').and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{words:?}: {line}"))
    }

    /// A bulk string's text.
    fn text(&mut self, words: &[&str]) -> String {
        self.say(array(words));
        let line = self.line();
        let len: usize =
            line.strip_prefix('$').and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{words:?}: {line}"));
        let mut bytes = vec![0; len + 2];
        self.0.read_exact(&mut bytes).expect("the text");
        String::from_utf8(bytes[..len].to_vec()).expect("text")
    }

    /// A member of INFO.
    fn info(&mut self, name: &str) -> u64 {
        let text = self.text(&["INFO"]);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::parse);
        value.unwrap_or_else(|| panic!("{name} in {text}")).expect("a number")
    }
}

fn array(words: &[&str]) -> String {
    let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    format!("*{}\r\n", words.len()) + &words.iter().map(bulk).collect::<String>()
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}
