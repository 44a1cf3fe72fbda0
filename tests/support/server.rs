//! A server that tests talk to: a child that prints "port N" once it listens.
//!
//! Always true: the child is killed when its `Server` is dropped, when the thread that started it ends in any other way, and
//! when it has lived for far longer than any test, so that nothing here waits for ever.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Nothing that a test waits for takes so long, on whatever machine; then it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    says: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub fn start(command: &mut Command) -> Server {
        command.env_remove("GMP_MAXPROCS").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = leashed(command).spawn().expect("the server starts");
        let says = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut server = Server { child, says, port: 0 };
        server.port = server.told("port ").parse().expect("a number");
        server
    }

    /// The rest of its next line, which begins with `what`.
    pub fn told(&mut self, what: &str) -> String {
        let mut line = String::new();
        let read = self.says.read_line(&mut line);
        let told = line.strip_suffix('\n').and_then(|line| line.strip_prefix(what));
        told.unwrap_or_else(|| panic!("no {what:?} but {line:?} ({read:?})")).to_string()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// A connection to it, whose reads and writes fail instead of waiting for ever.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        stream.set_write_timeout(Some(PATIENCE)).expect("an option");
        stream.set_nodelay(true).expect("an option");
        stream
    }

    /// Sends it SIGTERM and waits for its end.
    pub fn terminate(mut self) -> ExitStatus {
        // SAFETY: kill takes no pointer, and the child is not reaped yet.
        unsafe { libc::kill(self.pid(), libc::SIGTERM) };
        let ended = until(|| self.child.try_wait().expect("it is our child"));
        ended.expect("the server ends after SIGTERM")
    }

    /// Waits for its end, which something else has brought about.
    pub fn wait(mut self) -> ExitStatus {
        until(|| self.child.try_wait().expect("it is our child")).expect("the server ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command, to be killed with the thread that starts it, and after ten minutes.
pub fn leashed(command: &mut Command) -> &mut Command {
    let leash = || {
        // SAFETY: both take numbers only.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::alarm(600); // an exec leaves it as it is
        }
        Ok(())
    };
    // SAFETY: between fork and exec two system calls are made, and nothing is allocated.
    unsafe { command.pre_exec(leash) }
}

/// Asks again and again until there is an answer; None if there is none in time.
pub fn until<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || begun.elapsed() > PATIENCE {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads until the other side ends the connection, which a reset counts as.
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "after {} bytes", bytes.len());
    }
    bytes
}
