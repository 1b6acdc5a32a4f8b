//! Waiting between two pictures: for the time, for `q`, for a signal.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// Ctrl-C and Ctrl-D as a terminal sends them.
const CONTROL_C: u8 = 3;
const CONTROL_D: u8 = 4;

/// Ears for whoever wants to end it.
pub(super) struct Ears {
    signals: SignalFd,
    keyboard: Option<Keyboard>,
}

/// A terminal that hands over keys as they are struck and does not show them.
struct Keyboard {
    before: Termios,
}

impl Ears {
    /// Listens to signals, and to keys when somebody sits at a terminal.
    pub(super) fn open(is_terminal: bool) -> io::Result<Self> {
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            mask.add(signal);
        }
        mask.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self {
            signals: SignalFd::with_flags(&mask, flags)?,
            keyboard: is_terminal.then(Keyboard::open).transpose()?,
        })
    }

    /// Waits; returns whether nobody wants to end it.
    pub(super) fn wait(&mut self, time: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(true);
            }
            let stdin = io::stdin();
            let mut ears = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            if self.keyboard.is_some() {
                ears.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            }
            // A fraction of a millisecond is no reason to ask again and again.
            let left = left + Duration::from_millis(1);
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut ears, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let is_heard = |ear: Option<&PollFd<'_>>| ear.and_then(PollFd::any).unwrap_or(false);
            if is_heard(ears.first()) || is_heard(ears.get(1)) && is_end()? {
                return Ok(false);
            }
        }
    }
}

/// Whether a key was struck that means the end, or the terminal is gone.
fn is_end() -> io::Result<bool> {
    let mut keys = [0; 64];
    let read = io::stdin().lock().read(&mut keys)?;
    let keys = &keys[..read];
    let ends = |key: &u8| matches!(*key, b'q' | b'Q' | CONTROL_C | CONTROL_D);
    Ok(keys.is_empty() || keys.iter().any(ends))
}

impl Keyboard {
    fn open() -> nix::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut terminal = before.clone();
        terminal
            .local_flags
            .remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &terminal)?;
        Ok(Self { before })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}

/// A picture in the place of the one before: from the top, each line to its end, and nothing
/// below; lines that do not fit are counted.
pub(super) fn redrawn(text: &str, height: Option<usize>) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let room = height.map_or(lines.len(), |height| height.saturating_sub(1).max(2));
    let mut picture = "\u{1b}[H".to_owned();
    let shown = if lines.len() > room {
        room - 1
    } else {
        lines.len()
    };
    for line in &lines[..shown] {
        picture.push_str(line);
        picture.push_str("\u{1b}[K\n");
    }
    if shown < lines.len() {
        picture.push_str(&format!("… {} more lines\u{1b}[K\n", lines.len() - shown));
    }
    picture.push_str("\u{1b}[J");
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_the_screen() {
        let text = "a\nb\nc\nd\n";
        let all = "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\nc\u{1b}[K\nd\u{1b}[K\n\u{1b}[J";
        assert_eq!(redrawn(text, None), all);
        assert_eq!(redrawn(text, Some(5)), all);
        let cut = "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n… 2 more lines\u{1b}[K\n\u{1b}[J";
        assert_eq!(redrawn(text, Some(4)), cut);
    }
}
