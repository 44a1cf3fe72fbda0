//! Bytes as they may come: in pieces, in heaps, wrong.

use super::{array, kvd, shown, Talk};
use gmp_tests::read_to_end;
use std::io::Write;

/// Good requests of every form, and what they are answered with.
fn mixture() -> (Vec<u8>, Vec<u8>) {
    let mut ask = Vec::new();
    ask.extend(
        b"PING\r\n\r\nPING\n  set  quoted \"a\\x41\\n\\\"b\" \r\nGET 'quoted'\r\nset q 'it\\'s'\r\nget q\r\n"
            .as_slice(),
    );
    ask.extend(b"*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n".as_slice());
    ask.extend(b"*3\r\n$3\r\nSET\r\n$6\r\na\r\nb\0c\r\n$0\r\n\r\n*2\r\n$3\r\nGET\r\n$6\r\na\r\nb\0c\r\n".as_slice());
    ask.extend(array(&["MGET", "quoted", "none", "quoted"]).bytes());
    ask.extend(array(&["SET", "nineteen-arguments", "x"]).bytes());
    ask.extend(array(&["DEL"; 19]).bytes());
    let quoted = "$6\r\naA\n\"b\r\n".replace("$6", "$5");
    let mut reply = format!("+PONG\r\n+PONG\r\n+OK\r\n{quoted}+OK\r\n$4\r\nit's\r\n+PONG\r\n+OK\r\n$0\r\n\r\n");
    reply += &format!("*3\r\n{quoted}$-1\r\n{quoted}+OK\r\n:0\r\n");
    (ask, reply.into_bytes())
}

#[test]
fn requests_may_come_byte_by_byte() {
    let (ask, reply) = mixture();
    let server = kvd(&[]);
    let mut talk = Talk::with(&server);
    for byte in &ask {
        talk.say([*byte]);
    }
    talk.hear(reply);
}

#[test]
fn requests_may_be_cut_anywhere() {
    let (ask, reply) = mixture();
    let server = kvd(&[]);
    for cut in 1..ask.len() {
        let mut talk = Talk::with(&server);
        talk.say(&ask[..cut]);
        talk.say(&ask[cut..]);
        talk.hear(&reply);
    }
}

/// What cannot be read, and the complaint.
const MALFORMED: &[(&str, &str)] = &[
    ("*1\r\n!4\r\n", "expected '$', got '!'"),
    ("*2\r\n$3\r\nGET\r\nabc\r\n", "expected '$', got 'a'"),
    ("*x\r\n", "invalid multibulk length"),
    ("*99999999999999999999\r\n", "invalid multibulk length"),
    ("*1048577\r\n", "invalid multibulk length"),
    ("*1\rX", "invalid multibulk length"),
    ("*1\r\n$-1\r\n", "invalid bulk length"),
    ("*1\r\n$x\r\n", "invalid bulk length"),
    ("*1\r\n$ 4\r\n", "invalid bulk length"),
    ("*1\r\n$9223372036854775808\r\n", "invalid bulk length"),
    ("*1\r\n$4294967296\r\n", "invalid bulk length"),
    ("*1\r\n$4\r\nPINGxx", "bulk string without its end"),
    ("SET a \"b\r\n", "unbalanced quotes in request"),
    ("SET a 'b'c\r\n", "unbalanced quotes in request"),
];

#[test]
fn malformed_requests_are_refused_and_end_the_connection() {
    let server = kvd(&[]);
    for (ask, why) in MALFORMED {
        let mut talk = Talk::with(&server);
        // The good one before it is answered, what comes after it is not.
        talk.say(format!("PING\r\n{ask}"));
        talk.hear(format!("+PONG\r\n-ERR Protocol error: {why}\r\n"));
        let _ = talk.0.write_all(b"PING\r\n");
        assert_eq!(shown(&read_to_end(&mut talk.0)), "", "{ask:?}");
    }
    Talk::with(&server).ask(&["PING"], "+PONG\r\n");
}

#[test]
fn lines_without_an_end_are_refused_at_64_kib() {
    let server = kvd(&[]);
    let many = "1".repeat(70_000);
    for (ask, why) in [
        (many.clone(), "too big inline request"),
        (format!("*{many}"), "too big mbulk count string"),
        (format!("*1\r\n${many}"), "too big bulk count string"),
    ] {
        let mut talk = Talk::with(&server);
        talk.say(&ask);
        talk.hear(format!("-ERR Protocol error: {why}\r\n"));
    }
}

#[test]
fn pipelines_of_a_thousand_are_answered_in_order() {
    let server = kvd(&[]);
    let mut talk = Talk::with(&server);
    let (mut ask, mut reply) = (String::new(), String::new());
    for n in 0..1000 {
        ask += &array(&["SET", &format!("key{n}"), &format!("value{n}")]);
        ask += &array(&["GET", &format!("key{}", n / 2)]);
        let value = format!("value{}", n / 2);
        reply += &format!("+OK\r\n${}\r\n{value}\r\n", value.len());
    }
    for _ in 0..3 {
        talk.say(&ask);
        talk.hear(&reply);
    }
}

#[test]
fn pipelines_longer_than_every_buffer_flow() {
    let server = kvd(&[]);
    let mut talk = Talk::with(&server);
    let value = "v".repeat(100_000);
    talk.ask(&["SET", "long", &value], "+OK\r\n");
    let mut writer = talk.0.try_clone().expect("a second handle");
    let writes = std::thread::spawn(move || {
        for _ in 0..100 {
            writer.write_all(array(&["GET", "long"]).repeat(10).as_bytes()).expect("the server reads");
        }
    });
    for _ in 0..1000 {
        talk.hear(format!("$100000\r\n{value}\r\n"));
    }
    writes.join().expect("all of it was written");
}
