//! A child process stopped at each of its system calls, by `ptrace(2)`.
#![expect(unsafe_code, reason = "ptrace has no safe interface in std")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::ptr::null_mut;

/// What the child says of itself before it stops for the first time, followed by its thread id.
const READY: &str = "to be traced as ";
const REFUSED: &str = "not to be traced";

/// In the child: runs `action` between two stops of this thread, if the system allows it.
pub(crate) fn stop_before_and_after(action: impl FnOnce()) {
    // SAFETY: it only marks this thread as traced by the parent.
    if unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<()>(), null_mut::<()>()) } != 0 {
        println!("\n{REFUSED}");
        return;
    }
    // SAFETY: it has no preconditions.
    println!("\n{READY}{}", unsafe { libc::gettid() });
    let stop = || {
        // SAFETY: no memory is involved; the parent lets this thread go on.
        assert_eq!(unsafe { libc::raise(libc::SIGSTOP) }, 0);
    };
    stop();
    action();
    stop();
}

/// Why the child stands still.
pub(crate) enum Stop {
    /// It is about to enter the system call of this number.
    Entry(i64),
    /// It comes back from one.
    Exit,
    /// `action` has returned.
    Finished,
}

/// The traced thread of a child, killed when dropped.
///
/// Only the thread that started the child may trace it.
pub(crate) struct Tracee {
    child: Child,
    thread: libc::pid_t,
}

impl Tracee {
    /// Starts a child that calls [`stop_before_and_after`], up to its first stop.
    ///
    /// `None` if the system does not allow tracing.
    pub(crate) fn start(mut command: Command) -> Option<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let thread = loop {
            let line = lines.next().expect("the child speaks before it ends").unwrap();
            if let Some(thread) = line.strip_prefix(READY) {
                break thread.parse().unwrap();
            }
            if line == REFUSED {
                child.wait().unwrap();
                return None;
            }
        };
        let tracee = Self { child, thread };
        assert_eq!(tracee.wait(), libc::SIGSTOP);
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
        // SAFETY: the thread is ours and stopped; the options are passed by value.
        let result = unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, thread, 0, options) };
        assert_eq!(result, 0);
        Some(tracee)
    }

    /// Lets the child go on to where it next enters or leaves a system call, or has finished.
    pub(crate) fn next_stop(&mut self) -> Stop {
        // SAFETY: the thread is ours and stopped; no signal is passed on.
        let result = unsafe { libc::ptrace(libc::PTRACE_SYSCALL, self.thread, 0, 0) };
        assert_eq!(result, 0);
        match self.wait() {
            libc::SIGSTOP => Stop::Finished,
            signal => {
                assert_eq!(signal, libc::SIGTRAP | 0x80, "an unexpected signal");
                self.system_call().map_or(Stop::Exit, Stop::Entry)
            }
        }
    }

    /// The number of the system call the thread is entering, if it is.
    fn system_call(&self) -> Option<i64> {
        let size = size_of::<libc::ptrace_syscall_info>();
        // SAFETY: all its fields are integers, for which zero bytes are a value.
        let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
        let request = libc::PTRACE_GET_SYSCALL_INFO;
        // SAFETY: the thread is ours and stopped; `info` has room for `size` bytes.
        assert!(unsafe { libc::ptrace(request, self.thread, size, &raw mut info) } > 0);
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return None;
        }
        // SAFETY: `op` says that this is the member that was written.
        Some(unsafe { info.u.entry.nr }.cast_signed())
    }

    /// Waits for the thread to stop, and returns the signal that stopped it.
    fn wait(&self) -> libc::c_int {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result.
        let waited = unsafe { libc::waitpid(self.thread, &raw mut status, libc::__WALL) };
        assert_eq!(waited, self.thread);
        assert!(libc::WIFSTOPPED(status), "the child ended with status {status:#x}");
        libc::WSTOPSIG(status)
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        self.child.kill().expect("the child is there to be killed");
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result. The traced thread has to be collected
        // before its process can be.
        unsafe { libc::waitpid(self.thread, &raw mut status, libc::__WALL) };
        let _ = self.child.wait();
    }
}
