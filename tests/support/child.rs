//! Running one child with a time limit.
//!
//! Always true: when `run` returns, the child and everything it started has ended.

use std::fs::File;
use std::os::fd::FromRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::time::Duration;

/// How a child ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// The time limit struck; then what each of its threads was doing.
    pub stuck: Option<String>,
}

impl Ended {
    /// Everything worth printing about a child that did not do as it should.
    pub fn report(&self) -> String {
        let how = match (self.stuck.as_ref(), self.status.code(), self.status.signal()) {
            (Some(threads), _, _) => format!("killed at its time limit; its threads were\n{threads}"),
            (None, Some(code), _) => format!("exit status {code}"),
            (None, None, signal) => format!("died of signal {}", signal.unwrap_or(0)),
        };
        format!("{how}\n--- stdout\n{}--- stderr\n{}", tail(&self.stdout), tail(&self.stderr))
    }
}

/// Runs the command to its end, or kills it after `limit`.
pub fn run(command: &mut Command, limit: Duration) -> std::io::Result<Ended> {
    // Files and not pipes: a child that fills a pipe nobody reads would look stuck.
    let (mut out, mut err) = (scratch_file()?, scratch_file()?);
    command.stdin(std::process::Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?).process_group(0);
    let mut child = command.spawn()?;
    let group = child.id() as i32;

    let (ended, watch) = mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || match watch.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => {
            let threads = threads_of(group);
            kill_group(group);
            Some(threads)
        }
        _ => None,
    });
    await_end(group)?;
    drop(ended);
    let stuck = watcher.join().expect("the watcher does not panic");
    kill_group(group);
    let status = child.wait()?;
    Ok(Ended { status, stdout: contents(&mut out)?, stderr: contents(&mut err)?, stuck })
}

/// Waits for the child's end and leaves it unreaped, so that its number stays taken while its group is killed.
fn await_end(pid: i32) -> std::io::Result<()> {
    loop {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::uninit();
        // SAFETY: `info` is writable memory of the right type; nothing else is passed by pointer.
        let done = unsafe { libc::waitid(libc::P_PID, pid as u32, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) };
        let error = std::io::Error::last_os_error();
        if done == 0 {
            return Ok(());
        }
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn kill_group(group: i32) {
    // SAFETY: kill takes no pointer. The group was made for the child, and the child is not reaped yet, so the
    // number names no other group.
    unsafe { libc::kill(-group, libc::SIGKILL) };
}

/// An open file without a name, in memory.
fn scratch_file() -> std::io::Result<File> {
    // SAFETY: the name is a C string; the flags are the kernel's.
    let fd = unsafe { libc::memfd_create(c"output".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { File::from_raw_fd(fd) })
}

fn contents(file: &mut File) -> std::io::Result<String> {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// One line a thread of the process: its name, state, and the system call it is in.
fn threads_of(pid: i32) -> String {
    let mut lines = String::new();
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return lines };
    for task in tasks.flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let stat = read("stat");
        let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).unwrap_or("?").to_string();
        let call = read("syscall");
        lines +=
            &format!("  {} {} {} {}\n", task.file_name().to_string_lossy(), read("comm").trim(), state, call.trim());
    }
    lines
}

/// The last part of a long text.
fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(6000);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
