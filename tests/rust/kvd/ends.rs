//! Connections: many, half closed, reset, open when the server ends; and what clients do to each other's keys.

use super::{array, kvd, Talk};
use gmp_tests::{read_to_end, until, Server};
use std::net::Shutdown;
use std::os::fd::AsRawFd;

#[test]
fn thousand_connections_are_served_side_by_side() {
    let server = kvd(&[]);
    let mut all: Vec<Talk> = (0..1000).map(|_| Talk::with(&server)).collect();
    for round in 0..3 {
        for talk in &mut all {
            talk.say(array(&["INCR", "n"]));
        }
        let mut heard: Vec<i64> = all.iter_mut().map(|talk| talk.line()[1..].parse().expect("a number")).collect();
        heard.sort_unstable();
        assert!(heard.into_iter().eq(1000 * round + 1..=1000 * (round + 1)));
    }
    drop(all);
    let mut talk = Talk::with(&server);
    until(|| (talk.info("connected_clients") == 1).then_some(())).expect("all are gone");
}

#[test]
fn who_sends_no_more_hears_all_replies() {
    let server = kvd(&[]);
    let mut talk = Talk::with(&server);
    talk.say(array(&["INCR", "n"]).repeat(5000) + "*1\r\n$4\r\nPI");
    talk.0.shutdown(Shutdown::Write).expect("it is open");
    let wanted: String = (1..=5000).map(|n| format!(":{n}\r\n")).collect();
    assert!(read_to_end(&mut talk.0) == wanted.as_bytes());
}

/// Ends a connection by a reset.
fn reset(talk: Talk) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let len = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the option's value is what the kernel expects, and outlives the call.
    let done = unsafe {
        libc::setsockopt(talk.0.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), len)
    };
    assert_eq!(done, 0);
}

#[test]
fn resets_hurt_nobody_else() {
    let server = kvd(&[]);
    let mut talk = Talk::with(&server);
    talk.ask(&["SET", "long", &"v".repeat(1 << 20)], "+OK\r\n");
    for n in 0..300 {
        let mut other = Talk::with(&server);
        match n % 4 {
            0 => {}
            1 => other.say("*3\r\n$3\r\nSET\r\n"),
            2 => other.say(array(&["GET", "long"]).repeat(20)),
            _ => other.ask(&["PING"], "+PONG\r\n"),
        }
        reset(other);
    }
    until(|| (talk.info("connected_clients") == 1).then_some(())).expect("all are gone");
    assert!(talk.info("used_memory") < 2 << 20, "{}", talk.info("used_memory"));
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("it lives").count();
    assert!(descriptors < 20, "{descriptors} descriptors");
}

#[test]
fn clients_that_come_and_go_leave_nothing() {
    let server = kvd(&[]);
    let mut talk = Talk::with(&server);
    talk.ask(&["PING"], "+PONG\r\n");
    let before = talk.info("used_memory");
    for _ in 0..2000 {
        Talk::with(&server).ask(&["PING"], "+PONG\r\n");
    }
    until(|| (talk.info("connected_clients") == 1).then_some(())).expect("all are gone");
    until(|| (talk.info("used_memory") <= before + 4096).then_some(())).expect("their memory is given back");
}

#[test]
fn the_end_comes_with_connections_open_and_what_had_come_is_answered() {
    let server = kvd(&[]);
    let mut idle: Vec<Talk> = (0..300).map(|_| Talk::with(&server)).collect();
    let mut halfway = Talk::with(&server);
    halfway.say("*2\r\n$3\r\nGET\r\n");
    let mut busy = Talk::with(&server);
    busy.say(array(&["INCR", "n"]).repeat(1000));
    busy.hear(":1\r\n"); // all of it is on its way
    for talk in &mut idle {
        talk.ask(&["PING"], "+PONG\r\n");
    }
    let port = server.port();
    assert!(server.terminate().success());
    let wanted: String = (2..=1000).map(|n| format!(":{n}\r\n")).collect();
    assert_eq!(String::from_utf8_lossy(&read_to_end(&mut busy.0)), wanted);
    for talk in idle.iter_mut().chain([&mut halfway]) {
        assert_eq!(read_to_end(&mut talk.0), b"");
    }
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// Who never stops sending, or never reads, holds the end up for the grace and no longer.
#[test]
fn the_end_comes_whatever_clients_do() {
    let server = kvd(&["--grace", "1"]);
    let mut slow = Talk::with(&server);
    slow.ask(&["SET", "long", &"v".repeat(1 << 20)], "+OK\r\n");
    slow.say(array(&["GET", "long"]).repeat(50));
    let mut sends = Talk::with(&server);
    let sender = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let mut reply = [0; 7];
        while sends.0.write_all(b"PING\r\n").is_ok() && sends.0.read_exact(&mut reply).is_ok() {}
    });
    assert!(server.terminate().success());
    sender.join().expect("it was told");
}

fn from_threads(server: &Server, work: impl Fn(usize, Talk) + Sync) {
    std::thread::scope(|scope| {
        for n in 0..4 {
            let talk = Talk::with(server);
            let work = &work;
            scope.spawn(move || work(n, talk));
        }
    });
}

#[test]
fn no_increment_is_lost() {
    let server = kvd(&[]);
    from_threads(&server, |_, mut talk| {
        for _ in 0..20 {
            talk.say(array(&["INCR", "n"]).repeat(100));
            (0..100).for_each(|_| drop(talk.line()));
        }
    });
    Talk::with(&server).ask(&["GET", "n"], "$4\r\n8000\r\n");
}

/// The keys lie in different shards; still nobody sees some of them set.
#[test]
fn commands_over_many_keys_are_one_step() {
    let server = kvd(&[]);
    let keys: Vec<String> = (0..20).map(|n| format!("key{n}")).collect();
    let set = |value: &str| {
        array(&["MSET"].into_iter().chain(keys.iter().flat_map(|k| [k.as_str(), value])).collect::<Vec<_>>())
    };
    let get = array(&["MGET"].into_iter().chain(keys.iter().map(String::as_str)).collect::<Vec<_>>());
    let mut talk = Talk::with(&server);
    talk.say(set("0"));
    talk.hear("+OK\r\n");
    from_threads(&server, |n, mut talk| {
        for round in 0..500 {
            if n % 2 == 0 {
                talk.say(set(&format!("{}", (round + n) % 10)));
                talk.hear("+OK\r\n");
            } else {
                talk.say(&get);
                assert_eq!(talk.line(), "*20");
                let values: Vec<String> = (0..20).map(|_| (talk.line(), talk.line()).1).collect();
                assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
            }
        }
    });
}
