//! A full fence on every running thread of the process, paid for by the caller alone.
//!
//! Owns: whether the process is registered for it.
//! Always true: `heavy` is used only after `register` said true. A fork child keeps the registration (it is
//! part of the address space; only `execve` drops it), so nothing is to be done again there.
//! Never blocks beyond the interprocessor interrupts themselves (about a microsecond).

use super::errno;
use std::sync::OnceLock;

const PRIVATE_EXPEDITED: i32 = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;

static REGISTERED: OnceLock<bool> = OnceLock::new();

/// Registers the process, once. False where the kernel or a sandbox refuses it (or a test asks for that with
/// `GMP_TEST_NO_MEMBARRIER=1`): then the other side of every such protocol needs a fence of its own.
pub fn register() -> bool {
    *REGISTERED.get_or_init(|| {
        let refused = std::env::var_os("GMP_TEST_NO_MEMBARRIER").is_some_and(|value| value == "1");
        !refused && membarrier(REGISTER_PRIVATE_EXPEDITED)
    })
}

/// The fence. False if the kernel could not do it (out of memory, or a sandbox that came later): then nothing
/// may be concluded from what is loaded afterwards.
#[must_use]
pub fn heavy() -> bool {
    membarrier(PRIVATE_EXPEDITED)
}

fn membarrier(command: i32) -> bool {
    // SAFETY: the call takes no pointers.
    errno::keep(|| unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) } == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_child_keeps_the_registration() {
        if !register() {
            return;
        }
        assert!(heavy());
        // SAFETY: the child makes two system calls and leaves.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(if heavy() { 0 } else { 1 });
            }
            let mut status = -1;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0);
        }
    }
}
