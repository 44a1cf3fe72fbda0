//! Memory, sizes, numbers of clients, times: what is refused, and that the rest goes on.

use super::{array, kvd, Talk};
use gmp_tests::{read_to_end, until};
use std::io::{Read, Write};

#[test]
fn arguments_and_texts_have_a_longest_length() {
    let server = kvd(&["--max-bulk", "1kb"]);
    let mut talk = Talk::with(&server);
    let (most, more) = ("x".repeat(1024), "x".repeat(1025));
    talk.ask(&["SET", "a", &most], "+OK\r\n");
    talk.ask(&["APPEND", "a", "y"], "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
    talk.ask(&["STRLEN", "a"], ":1024\r\n");
    talk.ask(&["SET", "a", &more], "-ERR Protocol error: invalid bulk length\r\n");
    assert_eq!(read_to_end(&mut talk.0), b"");
}

#[test]
fn a_request_has_a_longest_length() {
    let server = kvd(&["--max-bulk", "16mb"]);
    let mut talk = Talk::with(&server);
    let piece = format!("$16777216\r\n{}\r\n", "x".repeat(16 << 20));
    talk.say("*9\r\n$3\r\nDEL\r\n");
    for _ in 0..3 {
        talk.say(&piece);
    }
    talk.say("$16777216\r\n");
    talk.hear("-ERR Protocol error: too big request\r\n");
    drop(talk);
    let mut other = Talk::with(&server);
    until(|| (other.info("used_memory") < 1 << 20).then_some(())).expect("its memory is given back");
}

#[test]
fn commands_that_take_memory_are_refused_when_it_is_spent() {
    let server = kvd(&["--maxmemory", "4mb"]);
    let mut talk = Talk::with(&server);
    let value = "x".repeat(10_000);
    let refused = "-OOM command not allowed when used memory > 'maxmemory'.";
    let mut stored = 0;
    let last = loop {
        assert!(stored < 1000, "nothing is refused");
        talk.say(array(&["SET", &format!("key{stored}"), &value]));
        match talk.line() {
            line if line == "+OK" => stored += 1,
            line => break line,
        }
    };
    assert_eq!(last, refused);
    assert!(stored > 300, "{stored}");
    assert!(talk.info("used_memory") < 5 << 20);
    for command in [
        &["LPUSH", "l", "x"][..],
        &["HSET", "h", "f", "x"],
        &["SADD", "s", "x"],
        &["INCR", "n"],
        &["APPEND", "key0", "x"],
    ] {
        talk.ask(command, format!("{refused}\r\n"));
    }
    talk.ask(&["GET", "key0"], format!("$10000\r\n{value}\r\n"));
    talk.ask(&["DEL", "key0", "key1", "key2"], ":3\r\n");
    talk.ask(&["SET", "again", "x"], "+OK\r\n");
    talk.ask(&["FLUSHALL"], "+OK\r\n");
    assert!(talk.info("used_memory") < 1 << 20);
}

#[test]
fn announced_bytes_take_no_memory() {
    let server = kvd(&["--maxmemory", "64mb"]);
    let mut talk = Talk::with(&server);
    let mut others: Vec<Talk> = (0..100).map(|_| Talk::with(&server)).collect();
    for other in &mut others {
        other.say("*1000000\r\n$3\r\nSET\r\n$1\r\nk\r\n$16000000\r\nabc");
    }
    // Each of them was read: its bytes are in its buffer.
    let read = until(|| (talk.info("connected_clients") == 101).then_some(()));
    read.expect("all are connected");
    assert!(talk.info("used_memory") < 4 << 20, "{}", talk.info("used_memory"));
}

#[test]
fn a_client_that_does_not_read_is_waited_for_with_bounded_memory() {
    let server = kvd(&[]);
    let mut slow = Talk::with(&server);
    let mut other = Talk::with(&server);
    let value = "v".repeat(1 << 20);
    slow.ask(&["SET", "long", &value], "+OK\r\n");
    slow.say(array(&["GET", "long"]).repeat(500));
    for n in 1..=1000 {
        assert_eq!(other.number(&["INCR", "n"]), n);
    }
    assert!(other.info("used_memory") < 8 << 20, "{}", other.info("used_memory"));
    for _ in 0..500 {
        slow.hear(format!("$1048576\r\n{value}\r\n"));
    }
}

#[test]
fn clients_past_the_most_are_told_and_let_in_when_one_leaves() {
    let server = kvd(&["--maxclients", "3"]);
    let mut inside: Vec<Talk> = (0..3).map(|_| Talk::with(&server)).collect();
    for talk in &mut inside {
        talk.ask(&["PING"], "+PONG\r\n");
    }
    let mut outside = Talk::with(&server);
    assert_eq!(read_to_end(&mut outside.0), b"-ERR max number of clients reached\r\n");
    inside.pop();
    let let_in = until(|| {
        let mut talk = Talk::with(&server);
        let _ = talk.0.write_all(b"PING\r\n");
        let mut reply = [0; 7];
        (talk.0.read_exact(&mut reply).is_ok() && &reply == b"+PONG\r\n").then_some(())
    });
    let_in.expect("there is a place");
    inside[0].ask(&["PING"], "+PONG\r\n");
}

#[test]
fn silent_clients_are_let_go() {
    let server = kvd(&["--timeout", "1"]);
    let mut silent = Talk::with(&server);
    let mut halfway = Talk::with(&server);
    halfway.say("*2\r\n$3\r\nGET\r\n$5\r\nab");
    assert_eq!(read_to_end(&mut silent.0), b"");
    assert_eq!(read_to_end(&mut halfway.0), b"");
}

#[test]
fn expired_keys_are_gone_whether_they_are_met_or_not() {
    let server = kvd(&[]);
    let mut talk = Talk::with(&server);
    talk.ask(&["SET", "met", "x", "PX", "1"], "+OK\r\n");
    until(|| (talk.number(&["EXISTS", "met"]) == 0).then_some(())).expect("it expires");
    talk.ask(&["TTL", "met"], ":-2\r\n");
    talk.ask(&["SET", "stays", "x", "EX", "1000"], "+OK\r\n");
    for n in 0..500 {
        talk.ask(&["SET", &format!("key{n}"), "x", "PX", "1"], "+OK\r\n");
    }
    until(|| (talk.number(&["DBSIZE"]) == 1).then_some(())).expect("nobody met them");
    talk.ask(&["GET", "stays"], "$1\r\nx\r\n");
}
