//! Redis's own clients.

use super::{kvd, Talk};
use gmp_tests::{run, Ended, Server};
use std::process::Command;
use std::time::Duration;

/// What the program did with its arguments, or None where it is not installed.
fn client(program: &str, server: &Server, arguments: &[&str]) -> Option<Ended> {
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &server.port().to_string()]).args(arguments);
    match run(&mut command, Duration::from_secs(300)) {
        Ok(ended) => {
            assert!(ended.status.success(), "{arguments:?}: {}", ended.report());
            Some(ended)
        }
        Err(_) => {
            println!("skipped: {program} is not installed (Debian: redis-tools)");
            None
        }
    }
}

#[test]
fn redis_cli_talks_to_it() {
    let server = kvd(&[]);
    for (arguments, says) in [
        (&["PING"][..], "PONG\n"),
        (&["SET", "key", "two words"], "OK\n"),
        (&["GET", "key"], "two words\n"),
        (&["-r", "3", "INCR", "n"], "1\n2\n3\n"),
        (&["RPUSH", "l", "a", "b", "c"], "3\n"),
        (&["LRANGE", "l", "0", "-1"], "a\nb\nc\n"),
        (&["HSET", "h", "f", "v"], "1\n"),
        (&["--json", "-2", "HGETALL", "h"], "[\"f\",\"v\"]\n"),
        (&["GET", "h"], "WRONGTYPE Operation against a key holding the wrong kind of value\n\n"),
    ] {
        let Some(ended) = client("redis-cli", &server, arguments) else { return };
        assert_eq!(ended.stdout, says, "{arguments:?}: {}", ended.report());
    }
}

#[test]
fn redis_cli_loads_many_by_its_pipe_mode() {
    let server = kvd(&[]);
    let requests: String = (0..20_000).map(|n| super::array(&["SET", &format!("key{n}"), &format!("{n}")])).collect();
    let file = gmp_tests::scratch().join(format!("pipe-{}", std::process::id()));
    std::fs::write(&file, requests).expect("the scratch directory can be written");
    let script = format!("exec redis-cli -h 127.0.0.1 -p {} --pipe < '{}'", server.port(), file.display());
    if client("redis-cli", &server, &["PING"]).is_some() {
        let ended = run(Command::new("sh").arg("-c").arg(script), Duration::from_secs(300)).expect("a shell");
        assert!(ended.stdout.contains("errors: 0, replies: 20000"), "{}", ended.report());
        Talk::with(&server).ask(&["DBSIZE"], ":20000\r\n");
    }
    std::fs::remove_file(&file).expect("it is ours");
}

#[test]
fn redis_benchmark_drives_it() {
    let server = kvd(&[]);
    let tests = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,lrange_100,lrange_600,mset";
    for pipeline in ["1", "16"] {
        let arguments = ["-n", "2000", "-c", "50", "-q", "-r", "1000", "-P", pipeline, "-t", tests];
        let Some(ended) = client("redis-benchmark", &server, &arguments) else { return };
        assert_eq!(ended.stdout.matches("requests per second, p50").count(), 16, "{}", ended.report());
        assert!(!ended.stdout.contains("rror") && !ended.stderr.contains("rror"), "{}", ended.report());
    }
}
