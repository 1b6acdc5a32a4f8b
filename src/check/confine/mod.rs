//! What a program that a configuration names may use up: [`PROCESSES_MAX`] processes and
//! [`MEMORY_MAX`] bytes, and nothing of it is left when its run is over.
//!
//! With cgroup v2 ([`cgroup`]) each run has a control group of its own. It holds whatever the
//! program forks, also under a session of its own, and is killed as a whole. Without it, each
//! process has resource limits, and who stays behind is killed when it is in the program's
//! process group or keeps the program's output open.
//!
//! A process can only be limited before its program runs, between fork and exec. There this
//! program's own [`helper`] stands: it goes into the control group, takes off what the director
//! has and its programs should not have (real-time priority, exemption from the
//! out-of-memory killer), and becomes the program.
//!
//! Nothing is confined in a process that never called [`prepare`]: an operator's own
//! `directord check` runs a program as the operator would.

mod cgroup;
pub mod helper;
pub(super) mod holders;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cgroup::Pool;
pub(super) use cgroup::Slot;

/// Most processes and threads of one run.
pub const PROCESSES_MAX: u32 = 64;

/// Most memory of one run, in bytes; without cgroup v2, of each of its processes.
pub const MEMORY_MAX: u64 = 64 * 1024 * 1024;

static CONFINEMENT: OnceLock<Confinement> = OnceLock::new();

struct Confinement {
    helper: PathBuf,
    pool: Option<Pool>,
}

/// From here on every program is confined; `helper` is what answers to [`helper::NAME`], this
/// very program. To be called once, before other processes are started: the process may move
/// to another control group. An error is why there are no control groups; then resource
/// limits have to do.
pub fn prepare(helper: &Path) -> Result<(), String> {
    let mut why = Ok(());
    CONFINEMENT.get_or_init(|| {
        let pool = Pool::open();
        why = pool.as_ref().map(|_| ()).map_err(Clone::clone);
        Confinement {
            helper: helper.to_owned(),
            pool: pool.ok(),
        }
    });
    why
}

/// Kills what still runs in control groups and removes them. To be called at the end of the
/// process.
pub fn end() {
    if let Some(pool) = CONFINEMENT.get().and_then(|own| own.pool.as_ref()) {
        pool.remove();
    }
}

/// Where one run takes place.
pub(super) struct Place {
    pub(super) helper: &'static Path,
    /// `None` without control groups.
    pub(super) slot: Option<Slot>,
}

/// A place for a run; `None` when nothing is confined here.
pub(super) fn place() -> io::Result<Option<Place>> {
    let Some(confinement) = CONFINEMENT.get() else {
        return Ok(None);
    };
    Ok(Some(Place {
        helper: &confinement.helper,
        slot: confinement.pool.as_ref().map(Pool::take).transpose()?,
    }))
}
