//! A turn before programs without real-time priority, and memory that is never paged out.
//!
//! Both need privileges (`CAP_SYS_NICE` or `LimitRTPRIO=`, `CAP_IPC_LOCK` or
//! `LimitMEMLOCK=`); without them a thread is as punctual as the host is idle.

use nix::sys::mman::{MlockAllFlags, mlockall};
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use thread_priority::{ThreadPriority, ThreadPriorityValue};

/// Real-time priority, 1 to 99: below the kernel's own threads (50), above all that has none.
const PRIORITY: u8 = 20;

/// Gives the calling thread real-time priority, if that is permitted.
pub(super) fn prefer_this_thread() {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let preferred = ThreadPriorityValue::try_from(PRIORITY)
        .map_err(|_| "out of range")
        .and_then(|priority| {
            let priority = ThreadPriority::Crossplatform(priority);
            set_thread_priority_and_policy(thread_native_id(), priority, policy)
                .map_err(|_| "not permitted")
        });
    if let Err(error) = preferred {
        tracing::info!("no real-time priority: {error}");
    }
}

/// Keeps what the process has in memory now from being paged out, if that is permitted. Not
/// what it will have: the stacks of all threads would be made present in full.
pub(super) fn lock_memory() {
    if let Err(error) = mlockall(MlockAllFlags::MCL_CURRENT) {
        tracing::info!(%error, "memory cannot be locked");
    }
}
