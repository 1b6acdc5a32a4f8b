//! What stands between the director and a program that is confined: this program under
//! another name, which limits itself and becomes that program.
//!
//! Its standard input is a pipe to the director: empty at its end when the program runs, else
//! why not.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id, thread_schedule_policy,
};

use super::{MEMORY_MAX, PROCESSES_MAX};

/// The name that this program is called by as a helper.
pub const NAME: &str = "directord-confine";

/// Nobody reads an exit status of the helper itself.
const NOT_RUN: u8 = 127;

/// User and group to become, as numbers.
pub(in crate::check) type Identity = (u32, u32);

/// The arguments for the helper, after its name: the control group's entrance, or nothing,
/// the identity, or nothing, the program and its arguments.
pub(in crate::check) fn arguments(
    entrance: Option<&Path>,
    user: Option<Identity>,
) -> [OsString; 2] {
    let entrance = entrance.map_or_else(OsString::new, |path| path.as_os_str().to_owned());
    let user = user.map_or_else(String::new, |(user, group)| format!("{user}:{group}"));
    [entrance, user.into()]
}

/// What the helper had to say: nothing, when the program runs.
pub(in crate::check) fn read_result(mut pipe: io::PipeReader) -> io::Result<()> {
    let mut said = [0; 5];
    let mut count = 0;
    while count < said.len() {
        match pipe.read(&mut said[count..])? {
            0 => break,
            more => count += more,
        }
    }
    let [stage, errno @ ..] = said;
    let error = io::Error::from_raw_os_error(i32::from_ne_bytes(errno));
    match count {
        0 => Ok(()),
        5 if stage == Stage::Program as u8 => Err(error),
        5 => Err(io::Error::other(format!("it cannot be confined: {error}"))),
        _ => Err(io::Error::other("the helper that confines it has failed")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Confinement = 1,
    Program = 2,
}

/// Runs as the helper; the arguments are those after the program's own name. Returns only
/// when the program cannot be run.
pub fn main(arguments: &[OsString]) -> ExitCode {
    // Closed by the kernel when the program begins.
    let Ok(pipe) = io::stdin().as_fd().try_clone_to_owned() else {
        return NOT_RUN.into();
    };
    let (stage, error) = become_program(arguments);
    let mut said = vec![stage as u8];
    said.extend(
        error
            .raw_os_error()
            .unwrap_or(Errno::EINVAL as i32)
            .to_ne_bytes(),
    );
    // Whoever should read it may have given up.
    let _ = std::fs::File::from(pipe).write_all(&said);
    NOT_RUN.into()
}

fn become_program(arguments: &[OsString]) -> (Stage, io::Error) {
    let [entrance, user, program, arguments @ ..] = arguments else {
        return (Stage::Confinement, Errno::EINVAL.into());
    };
    let user = identity(user);
    if let Err(error) = confine(entrance, user.is_some()) {
        return (Stage::Confinement, error);
    }
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    if let Some((user, group)) = user {
        // The supplementary groups go with the user.
        command.uid(user).gid(group);
    }
    (Stage::Program, command.exec())
}

fn identity(text: &OsStr) -> Option<Identity> {
    let text = std::str::from_utf8(text.as_bytes()).ok()?;
    let (user, group) = text.split_once(':')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}

fn confine(entrance: &OsStr, has_own_user: bool) -> io::Result<()> {
    if entrance.is_empty() {
        setrlimit(Resource::RLIMIT_DATA, MEMORY_MAX, MEMORY_MAX)?;
        if has_own_user {
            // It counts all processes of a user, and nothing for root.
            let most = u64::from(PROCESSES_MAX);
            setrlimit(Resource::RLIMIT_NPROC, most, most)?;
        }
    } else {
        let mut file = std::fs::OpenOptions::new().write(true).open(entrance)?;
        file.write_all(b"0")?;
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    // The director may be spared when memory runs out; its programs are not. What was never
    // lowered need not be raised.
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    give_up_real_time();
    Ok(())
}

/// A node of a pair starts programs from a thread with real-time priority.
fn give_up_real_time() {
    if let Ok(ThreadSchedulePolicy::Realtime(_)) = thread_schedule_policy() {
        let normal = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
        // Giving up a privilege is always permitted.
        let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, normal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_two_numbers() {
        let read = |text: &str| identity(OsStr::new(text));
        assert_eq!(read("65534:1"), Some((65534, 1)));
        for bad in ["", "1", ":", "1:", "a:b", "-1:1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let [entrance, user] = arguments(Some(Path::new("/x/cgroup.procs")), Some((5, 6)));
        assert_eq!(entrance, "/x/cgroup.procs");
        assert_eq!(identity(&user), Some((5, 6)));
        assert_eq!(arguments(None, None), [OsString::new(), OsString::new()]);
    }

    fn result_of(said: &[u8]) -> io::Result<()> {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(said).unwrap();
        drop(writer);
        read_result(reader)
    }

    #[test]
    fn silence_is_success_and_everything_else_is_not() {
        assert!(result_of(&[]).is_ok());
        let mut absent = vec![Stage::Program as u8];
        absent.extend((Errno::ENOENT as i32).to_ne_bytes());
        let error = result_of(&absent).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        absent[0] = Stage::Confinement as u8;
        let error = result_of(&absent).unwrap_err().to_string();
        assert!(error.starts_with("it cannot be confined: "), "{error}");
        assert!(result_of(&absent[..3]).is_err());
    }
}
