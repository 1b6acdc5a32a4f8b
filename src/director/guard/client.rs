//! The main process's half.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use tokio::process::Child;

use super::channel::{self, Channel};
use super::message::{Beat, Report, Request, Setup};
use super::since_boot;
use crate::model::pair::VirtualAddress;

/// The program to start: this one, even when its file has been replaced.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// A running guard. Dropping it is as good as dying: the guard gives everything up and sends
/// the farewell; after [`Guard::forget`] it does not.
#[derive(Debug)]
pub struct Guard {
    channel: Channel,
    child: Child,
}

/// Why a message was not taken. Either way this guard is to be given up and another one to be
/// started with [`Setup::adopt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It has ended.
    #[error("the guard process has ended")]
    Gone,
    /// It does not read: it hangs.
    #[error("the guard process does not read its messages")]
    Stuck,
    /// More than a packet holds.
    #[error("the message to the guard process is too long")]
    TooLong,
}

impl Guard {
    /// Starts `program guard` (see [`OWN_PROGRAM`]) and sets it up; it answers with
    /// [`Report::Ready`]. To be called within a tokio runtime.
    pub fn start(program: &Path, setup: &Setup) -> io::Result<Self> {
        let (ours, theirs) = channel::pair()?;
        let mut command = Command::new(program);
        command.arg0("directord").arg("guard").current_dir("/");
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null());
        let child = tokio::process::Command::from(command).spawn()?;
        let guard = Self {
            channel: Channel::new(ours)?,
            child,
        };
        for request in setup.requests() {
            guard.send(&request).map_err(io::Error::other)?;
        }
        Ok(guard)
    }

    /// Adds addresses and keeps them. One that is there is only refreshed; what an earlier
    /// hold of the instance added stays. Answered by [`Report::Held`], [`Report::Failed`] or
    /// [`Report::Fenced`].
    pub fn hold(
        &self,
        instance: &str,
        epoch: u64,
        addresses: &[VirtualAddress],
    ) -> Result<(), SendError> {
        self.send(&Request::Hold {
            instance: instance.to_owned(),
            epoch,
            addresses: addresses.to_vec(),
            at: since_boot(),
        })
    }

    /// Announces what is held for this claim: at once, four times every 200 ms, after 1.2 s
    /// and 5 s, and then as [`Setup::announce_again`] says. Not answered.
    pub fn announce(&self, instance: &str, epoch: u64) -> Result<(), SendError> {
        let instance = instance.to_owned();
        self.send(&Request::Announce { instance, epoch })
    }

    /// Cancels what is still to be announced. Not answered.
    pub fn cancel_announcements(&self, instance: &str) -> Result<(), SendError> {
        let instance = instance.to_owned();
        self.send(&Request::CancelAnnouncements { instance })
    }

    /// Removes addresses, held or not, and their announcements. When nothing of the instance
    /// is left, no claim that is not newer is held any more. Answered by
    /// [`Report::Released`], after any number of [`Report::Failed`].
    pub fn release(
        &self,
        instance: &str,
        epoch: u64,
        addresses: &[VirtualAddress],
    ) -> Result<(), SendError> {
        self.send(&Request::Release {
            instance: instance.to_owned(),
            epoch,
            addresses: addresses.to_vec(),
        })
    }

    /// An advert has been sent: the main process is alive, and stands still when it says
    /// nothing more for `limit`. `farewell` (place of the link in
    /// [`Setup::links`], packet of at most 65,535 bytes) is what is sent after its death or a
    /// stall; empty when this node owns nothing. The message fits 64 KiB.
    pub fn beat(&self, limit: Duration, farewell: Vec<(usize, Vec<u8>)>) -> Result<(), SendError> {
        let at = since_boot();
        self.send(&Request::Beat(Beat {
            at,
            limit,
            farewell,
        }))
    }

    /// Ends the guard without giving anything up or saying farewell: what is still held
    /// stays until its lifetime is over.
    pub fn forget(&self) -> Result<(), SendError> {
        self.send(&Request::Forget)
    }

    /// The next report; `None` when the guard has ended. Loses nothing when it is dropped
    /// before it is ready.
    pub async fn report(&self) -> Option<Report> {
        loop {
            let packet = self.channel.next().await.ok()??;
            if let Some(report) = Report::decode(&packet) {
                return Some(report);
            }
        }
    }

    /// Ends a guard that hangs, at once and for certain: it must not wake up beside its
    /// successor and give up what that one holds.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.start_kill()
    }

    /// A report that is there already.
    pub fn try_report(&self) -> Option<Report> {
        Report::decode(&self.channel.take().ok()??)
    }

    /// Its process id; `None` when it has ended and was waited for.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    fn send(&self, request: &Request) -> Result<(), SendError> {
        let packet = request.encode().ok_or(SendError::TooLong)?;
        self.channel.send(&packet).map_err(|errno| match errno {
            Errno::EAGAIN | Errno::ENOBUFS => SendError::Stuck,
            _ => SendError::Gone,
        })
    }
}
