//! The thread that writes lines to their destination.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::destination::Destination;
use super::line::{self, Identity, Record};
use super::queue::Queue;

/// How long a blocked stream is waited for before the queue is asked whether waiting
/// still makes sense, in milliseconds.
const PATIENCE: u16 = 100;

/// The ends of the process that lines leave by.
pub(super) struct Outputs {
    pub(super) stdout: Box<dyn AsFd + Send>,
    pub(super) stderr: Box<dyn AsFd + Send>,
    /// Socket of the system log.
    pub(super) syslog: PathBuf,
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            syslog: PathBuf::from("/dev/log"),
        }
    }
}

/// Takes lines from the queue until it is closed.
pub(super) struct Writer {
    identity: Identity,
    outputs: Outputs,
    queue: Arc<Queue>,
    /// Connection to the system log, made when first needed.
    syslog: Option<UnixDatagram>,
    /// The log file could not be written at the last attempt, and that was said.
    file_failed: bool,
}

impl Writer {
    pub(super) fn new(identity: Identity, outputs: Outputs, queue: Arc<Queue>) -> Self {
        Self {
            identity,
            outputs,
            queue,
            syslog: None,
            file_failed: false,
        }
    }

    pub(super) fn run(mut self) {
        while let Some((destination, record)) = self.queue.pop() {
            self.write(&destination, &record);
        }
    }

    /// Writes one line, and after it how many were lost before it.
    fn write(&mut self, destination: &Arc<Destination>, record: &Record) {
        if self.deliver(destination, record).is_err() {
            self.queue.lose(1);
            return;
        }
        let untold = self.queue.take_untold();
        if untold > 0 && self.deliver(destination, &line::lost(untold)).is_err() {
            self.queue.lose(1);
        }
    }

    fn deliver(&mut self, destination: &Arc<Destination>, record: &Record) -> io::Result<()> {
        let text = line::layout(destination, &self.identity, record, &TimeZone::system());
        let patient = || self.queue.wants(destination);
        match &**destination {
            Destination::Stdout => {
                write_stream(self.outputs.stdout.as_fd(), text.as_bytes(), patient)
            }
            Destination::Stderr | Destination::Terminal | Destination::Journal => {
                write_stream(self.outputs.stderr.as_fd(), text.as_bytes(), patient)
            }
            Destination::Syslog(_) => self.send_syslog(text.as_bytes()),
            Destination::File(path) => {
                match open_file(path).and_then(|mut file| file.write_all(text.as_bytes())) {
                    Ok(()) => {
                        self.file_failed = false;
                        Ok(())
                    }
                    Err(error) => {
                        self.fall_back(path, &error, &text);
                        Err(error)
                    }
                }
            }
        }
    }

    /// A line the file did not take goes to standard error, the first with the cause.
    fn fall_back(&mut self, path: &Path, error: &io::Error, text: &str) {
        let stderr = self.outputs.stderr.as_fd();
        // There is no third place to complain at, and no waiting for this one.
        let attempt = |text: &str| {
            let _ = write_stream(stderr, text.as_bytes(), || false);
        };
        if !self.file_failed {
            let cause = line::notice(&format!(
                "cannot write log file {}: {error}",
                path.display()
            ));
            attempt(&format!("{}\n", cause.text));
        }
        attempt(text);
        self.file_failed = true;
    }

    /// Never waits: a log daemon that has stopped reading costs the line. One that was
    /// restarted has made a new socket, which takes a second attempt to reach.
    fn send_syslog(&mut self, text: &[u8]) -> io::Result<()> {
        if let Some(socket) = &self.syslog {
            match socket.send(text) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => self.syslog = None,
            }
        }
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.outputs.syslog)?;
        socket.send(text)?;
        self.syslog = Some(socket);
        Ok(())
    }
}

/// Opens a log file for appending, creating it if need be. A named pipe without a reader
/// fails instead of blocking.
pub fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new()
        .append(true)
        .create(true)
        .custom_flags(flags.bits())
        .open(path)
}

/// Writes a line to a pipe, socket or terminal without blocking in the write itself;
/// gives up when the stream is not ready and `patient` says no.
fn write_stream(
    stream: BorrowedFd<'_>,
    mut text: &[u8],
    patient: impl Fn() -> bool,
) -> io::Result<()> {
    while !text.is_empty() {
        let mut wait = PollTimeout::ZERO;
        while !is_writable(stream, wait)? {
            if !patient() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            wait = PollTimeout::from(PATIENCE);
        }
        match nix::unistd::write(stream, text) {
            Ok(written) => text = &text[written..],
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Whether a write of less than `PIPE_BUF` bytes would not block, or would fail.
fn is_writable(stream: BorrowedFd<'_>, limit: PollTimeout) -> io::Result<bool> {
    match poll(&mut [PollFd::new(stream, PollFlags::POLLOUT)], limit) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
