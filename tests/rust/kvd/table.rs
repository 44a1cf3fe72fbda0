//! What each command answers; Redis itself, where it is installed, is asked the same.

use super::{array, kvd, Talk};
use gmp_tests::{leashed, until};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
const NUMBER: &str = "-ERR value is not an integer or out of range\r\n";
const SYNTAX: &str = "-ERR syntax error\r\n";

/// A command's words, which have no spaces, and the bytes of its reply.
const TABLE: &[(&str, &str)] = &[
    ("PING", "+PONG\r\n"),
    ("ping hello", "$5\r\nhello\r\n"),
    ("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n"),
    ("ECHO hello", "$5\r\nhello\r\n"),
    ("SELECT 0", "+OK\r\n"),
    ("SELECT x", "-ERR value is not an integer or out of range\r\n"),
    ("NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"),
    ("GET", "-ERR wrong number of arguments for 'get' command\r\n"),
    // Texts.
    ("GET t", "$-1\r\n"),
    ("SET t one", "+OK\r\n"),
    ("GET t", "$3\r\none\r\n"),
    ("SET t two NX", "$-1\r\n"),
    ("SET u two XX", "$-1\r\n"),
    ("SET t two XX", "+OK\r\n"),
    ("SET t three GET", "$3\r\ntwo\r\n"),
    ("SET new x GET", "$-1\r\n"),
    ("SET t x NX XX", SYNTAX),
    ("SET t x FOO", SYNTAX),
    ("SET t x EX", SYNTAX),
    ("SET t x EX 0", "-ERR invalid expire time in 'set' command\r\n"),
    ("SET t x PX -5", "-ERR invalid expire time in 'set' command\r\n"),
    ("SET t x EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"),
    ("SET t x EX y", NUMBER),
    ("SET t x EX 10 KEEPTTL", SYNTAX),
    ("GET t", "$5\r\nthree\r\n"),
    ("STRLEN t", ":5\r\n"),
    ("STRLEN none", ":0\r\n"),
    ("APPEND t -and", ":9\r\n"),
    ("APPEND fresh abc", ":3\r\n"),
    ("GET t", "$9\r\nthree-and\r\n"),
    ("MSET a 1 b 2 a 3", "+OK\r\n"),
    ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n"),
    ("MGET a none b", "*3\r\n$1\r\n3\r\n$-1\r\n$1\r\n2\r\n"),
    // Counters.
    ("INCR n", ":1\r\n"),
    ("INCRBY n 41", ":42\r\n"),
    ("DECR n", ":41\r\n"),
    ("DECRBY n 50", ":-9\r\n"),
    ("GET n", "$2\r\n-9\r\n"),
    ("INCRBY n x", NUMBER),
    ("INCRBY n 01", NUMBER),
    ("INCR t", NUMBER),
    ("SET n 9223372036854775807", "+OK\r\n"),
    ("INCR n", "-ERR increment or decrement would overflow\r\n"),
    ("GET n", "$19\r\n9223372036854775807\r\n"),
    ("DECRBY n -9223372036854775808", "-ERR decrement would overflow\r\n"),
    ("SET n -9223372036854775808", "+OK\r\n"),
    ("DECR n", "-ERR increment or decrement would overflow\r\n"),
    // Keys.
    ("EXISTS t t none a", ":3\r\n"),
    ("TYPE t", "+string\r\n"),
    ("TYPE none", "+none\r\n"),
    ("TTL t", ":-1\r\n"),
    ("TTL none", ":-2\r\n"),
    ("PTTL none", ":-2\r\n"),
    ("EXPIRE none 10", ":0\r\n"),
    ("EXPIRE t 100", ":1\r\n"),
    ("TTL t", ":100\r\n"),
    ("EXPIRE t x", NUMBER),
    ("EXPIRE t 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"),
    ("APPEND t !", ":10\r\n"),
    ("TTL t", ":100\r\n"),
    ("SET t x KEEPTTL", "+OK\r\n"),
    ("TTL t", ":100\r\n"),
    ("PERSIST t", ":1\r\n"),
    ("PERSIST t", ":0\r\n"),
    ("SET t x EX 50", "+OK\r\n"),
    ("SET t x", "+OK\r\n"),
    ("TTL t", ":-1\r\n"),
    ("EXPIRE t -1", ":1\r\n"),
    ("GET t", "$-1\r\n"),
    ("DEL a a b none", ":2\r\n"),
    // What was something else.
    ("RPUSH o a b", ":2\r\n"),
    ("EXPIRE o 100", ":1\r\n"),
    ("SET o x KEEPTTL", "+OK\r\n"),
    ("TTL o", ":100\r\n"),
    ("TYPE o", "+string\r\n"),
    ("DEL o", ":1\r\n"),
    ("HSET o f v", ":1\r\n"),
    ("EXPIRE o 100", ":1\r\n"),
    ("SET o x GET", WRONG),
    ("MSET o y", "+OK\r\n"),
    ("TTL o", ":-1\r\n"),
    ("GET o", "$1\r\ny\r\n"),
    ("DEL o", ":1\r\n"),
    // Lists.
    ("LPUSH l b a", ":2\r\n"),
    ("RPUSH l c d e", ":5\r\n"),
    ("LRANGE l 0 -1", "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n"),
    ("LRANGE l -2 100", "*2\r\n$1\r\nd\r\n$1\r\ne\r\n"),
    ("LRANGE l -100 0", "*1\r\n$1\r\na\r\n"),
    ("LRANGE l 3 2", "*0\r\n"),
    ("LRANGE l 9223372036854775807 -9223372036854775808", "*0\r\n"),
    ("LRANGE l x 0", NUMBER),
    ("LINDEX l -1", "$1\r\ne\r\n"),
    ("LINDEX l 5", "$-1\r\n"),
    ("LLEN l", ":5\r\n"),
    ("TYPE l", "+list\r\n"),
    ("LPOP l", "$1\r\na\r\n"),
    ("RPOP l 2", "*2\r\n$1\r\ne\r\n$1\r\nd\r\n"),
    ("LPOP l -1", "-ERR value is out of range, must be positive\r\n"),
    ("LPOP l 9", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"),
    ("EXISTS l", ":0\r\n"),
    ("LPOP l", "$-1\r\n"),
    ("LPOP l 1", "*-1\r\n"),
    ("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command\r\n"),
    ("LLEN l", ":0\r\n"),
    ("LPUSH n x", WRONG),
    // Hashes.
    ("HSET h f 1 g 2", ":2\r\n"),
    ("HSET h f 3 i 4", ":1\r\n"),
    ("HSET h f", "-ERR wrong number of arguments for 'hset' command\r\n"),
    ("HSET h f 1 g", "-ERR wrong number of arguments for 'hset' command\r\n"),
    ("HGET h f", "$1\r\n3\r\n"),
    ("HGET h none", "$-1\r\n"),
    ("HGET none f", "$-1\r\n"),
    ("HMGET h f none", "*2\r\n$1\r\n3\r\n$-1\r\n"),
    ("HLEN h", ":3\r\n"),
    ("HEXISTS h g", ":1\r\n"),
    ("HDEL h f i none", ":2\r\n"),
    ("HGETALL h", "*2\r\n$1\r\ng\r\n$1\r\n2\r\n"),
    ("TYPE h", "+hash\r\n"),
    ("GET h", WRONG),
    ("INCR h", WRONG),
    ("APPEND h x", WRONG),
    ("HDEL h g", ":1\r\n"),
    ("HGETALL h", "*0\r\n"),
    ("EXISTS h", ":0\r\n"),
    // Sets.
    ("SADD s a", ":1\r\n"),
    ("SADD s a", ":0\r\n"),
    ("SMEMBERS s", "*1\r\n$1\r\na\r\n"),
    ("SADD s b c c", ":2\r\n"),
    ("SCARD s", ":3\r\n"),
    ("SISMEMBER s b", ":1\r\n"),
    ("SISMEMBER s x", ":0\r\n"),
    ("SREM s a b x", ":2\r\n"),
    ("SPOP s", "$1\r\nc\r\n"),
    ("SPOP s", "$-1\r\n"),
    ("SPOP s 2", "*0\r\n"),
    ("SCARD s", ":0\r\n"),
    ("SADD n x", WRONG),
    ("SMEMBERS n", WRONG),
    ("HGET n f", WRONG),
    ("LLEN n", WRONG),
    ("MGET n none", "*2\r\n$20\r\n-9223372036854775808\r\n$-1\r\n"),
    // All of them.
    ("FLUSHALL", "+OK\r\n"),
    ("FLUSHALL NOW", SYNTAX),
    ("DBSIZE", ":0\r\n"),
    ("SET key:one 1", "+OK\r\n"),
    ("SET other 1", "+OK\r\n"),
    ("KEYS key:*", "*1\r\n$7\r\nkey:one\r\n"),
    ("KEYS *[a-p]th?r", "*1\r\n$5\r\nother\r\n"),
    ("KEYS [^o]*o*n*", "*1\r\n$7\r\nkey:one\r\n"),
    ("KEYS nothing", "*0\r\n"),
    ("KEYS k\\*", "*0\r\n"),
    ("DBSIZE", ":2\r\n"),
    ("CLIENT GETNAME", "$-1\r\n"),
    ("CLIENT SETNAME me", "+OK\r\n"),
    ("CLIENT GETNAME", "$2\r\nme\r\n"),
    ("CONFIG GET appendonly", "*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"),
    ("CONFIG GET nothing-like-it", "*0\r\n"),
    ("QUIT", "+OK\r\n"),
];

/// The next reply is the row's; of a time to live some may have passed, on a machine that is busy.
fn hear_row(talk: &mut Talk, command: &str, reply: &str) {
    let wanted = reply.trim_end().strip_prefix(':').and_then(|n| n.parse::<i64>().ok());
    match wanted {
        Some(seconds) if command.starts_with("TTL ") && seconds > 0 => {
            let left: i64 = talk.line()[1..].parse().expect("a number");
            assert!((seconds - 60..=seconds).contains(&left), "{left} of {seconds} seconds");
        }
        _ => talk.hear(reply),
    }
}

fn every_row(mut talk: Talk) {
    for (command, reply) in TABLE {
        println!("{command}");
        talk.say(array(&command.split(' ').collect::<Vec<_>>()));
        hear_row(&mut talk, command, reply);
    }
    assert_eq!(gmp_tests::read_to_end(&mut talk.0), b"");
}

#[test]
fn every_command_answers_as_redis_words_it() {
    every_row(Talk::with(&kvd(&[])));
}

#[test]
fn all_rows_in_one_write_are_answered_in_their_order() {
    let server = kvd(&[]);
    let mut talk = Talk::with(&server);
    talk.say(TABLE.iter().map(|(command, _)| array(&command.split(' ').collect::<Vec<_>>())).collect::<String>());
    for (command, reply) in TABLE {
        hear_row(&mut talk, command, reply);
    }
    assert_eq!(gmp_tests::read_to_end(&mut talk.0), b"");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Redis takes no port 0 (it means none), so it listens on a Unix socket's path; the table is for both.
#[test]
fn redis_itself_gives_the_replies_of_the_table() {
    let dir = gmp_tests::scratch().join(format!("redis-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the scratch directory can be written");
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", "socket"]).current_dir(&dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match leashed(&mut command).spawn() {
        Err(_) => println!("skipped: redis-server is not installed (Debian: redis-server)"),
        Ok(child) => {
            let _killed = Killed(child);
            let path = dir.join("socket");
            let stream = until(|| std::os::unix::net::UnixStream::connect(&path).ok()).expect("it listens");
            stream.set_read_timeout(Some(Duration::from_secs(60))).expect("an option");
            // The two kinds of stream socket are read and written by the same calls.
            every_row(Talk(TcpStream::from(std::os::fd::OwnedFd::from(stream))));
        }
    }
    std::fs::remove_dir_all(&dir).expect("it is ours");
}
