//! Other programs that change the kernel's table, found in `/proc`.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Programs that change the table of IPVS by themselves.
const PROGRAMS: [&str; 2] = ["keepalived", "ldirectord"];
/// Processes looked at.
const MAX_PROCESSES: usize = 65_536;
/// Bytes read of a process's name and arguments.
const MAX_BYTES: u64 = 1024;
/// Options that an interpreter may be given before the script.
const MAX_OPTIONS: usize = 4;

/// A running program that changes the same table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    /// Its name.
    pub program: &'static str,
    /// Its process: the lowest number when it has several.
    pub pid: u32,
}

/// Those in this network namespace, as far as they can be seen, each program once. This
/// program under another name is none: a second instance has services of its own.
pub(super) fn find() -> Vec<Rival> {
    let own = (
        program_file(Path::new("/proc/self")),
        namespace(Path::new("/proc/thread-self")),
    );
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<Rival> = Vec::new();
    for entry in entries.flatten().take(MAX_PROCESSES) {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let process = entry.path();
        let Some(program) = program(
            &start(&process.join("comm")),
            &start(&process.join("cmdline")),
        ) else {
            continue;
        };
        let same_program = own.0.is_some() && program_file(&process) == own.0;
        if has_ended(&process) {
            continue;
        }
        let elsewhere = namespace(&process).is_some_and(|space| Some(space) != own.1);
        if same_program || elsewhere {
            continue;
        }
        match found.iter_mut().find(|rival| rival.program == program) {
            Some(known) => known.pid = known.pid.min(pid),
            None => found.push(Rival { program, pid }),
        }
    }
    found.sort_by_key(|rival| rival.program);
    found
}

/// Which of [`PROGRAMS`] a process is, by its name or its arguments, which end with NULs.
/// Perl scripts go by the interpreter's name, or by a title they chose.
fn program(comm: &[u8], cmdline: &[u8]) -> Option<&'static str> {
    let of_title = |title: &[u8]| {
        let mut words = title.split(u8::is_ascii_whitespace);
        known(words.next()?)
    };
    let mut arguments = cmdline.split(|byte| *byte == 0);
    let first = arguments.next().unwrap_or_default();
    of_title(comm).or_else(|| known(first)).or_else(|| {
        if !base(first).starts_with(b"perl") {
            return None;
        }
        let mut rest = arguments.take(MAX_OPTIONS + 1);
        known(rest.find(|argument| !argument.starts_with(b"-"))?)
    })
}

fn known(path: &[u8]) -> Option<&'static str> {
    PROGRAMS
        .into_iter()
        .find(|name| name.as_bytes() == base(path))
}

fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// What a process runs; of one that was replaced on disk, what it was.
fn program_file(process: &Path) -> Option<PathBuf> {
    let path = fs::read_link(process.join("exe")).ok()?;
    let known = path
        .to_str()
        .and_then(|text| text.strip_suffix(" (deleted)"));
    Some(known.map_or_else(|| path.clone(), PathBuf::from))
}

/// Whether nothing is left of a process but its name, which is so until its parent asks how
/// it ended: the launcher of this very daemon, for one.
fn has_ended(process: &Path) -> bool {
    fs::read_link(process.join("exe"))
        .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn namespace(process: &Path) -> Option<PathBuf> {
    fs::read_link(process.join("ns/net")).ok()
}

/// The start of a file; nothing when it cannot be read, as when the process ended.
fn start(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path)
        && file.take(MAX_BYTES).read_to_end(&mut bytes).is_err()
    {
        bytes.clear();
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_rival_is_known_by_its_name_its_first_argument_or_its_script() {
        let cases: [(&[u8], &[u8], Option<&str>); 10] = [
            (
                b"keepalived",
                b"/usr/sbin/keepalived\0-n\0",
                Some("keepalived"),
            ),
            (
                b"ldirectord",
                b"/usr/bin/perl\0-w\0/usr/sbin/ldirectord\0start\0",
                Some("ldirectord"),
            ),
            (
                b"perl",
                b"/usr/bin/perl\0-w\0/usr/sbin/ldirectord\0start\0",
                Some("ldirectord"),
            ),
            (
                b"perl5.36",
                b"/usr/bin/perl5.36\0ldirectord\0",
                Some("ldirectord"),
            ),
            (
                b"ldirectord /etc",
                b"ldirectord /etc/ha.d/x.cf\0",
                Some("ldirectord"),
            ),
            (b"sleep", b"ldirectord\x009\0", Some("ldirectord")),
            (b"vim", b"vim\0/etc/ha.d/ldirectord\0", None),
            (b"perl", b"perl\0-e\x001\0other\0ldirectord\0", None),
            (b"ldirectord.pl", b"", None),
            (b"", b"", None),
        ];
        for (comm, cmdline, wanted) in cases {
            let seen = program(comm, cmdline);
            assert_eq!(seen, wanted, "{}", String::from_utf8_lossy(cmdline));
        }
    }

    #[test]
    fn a_process_of_that_name_is_found_and_this_program_is_not() {
        use std::os::unix::process::CommandExt as _;
        let mut child = std::process::Command::new("sleep")
            .arg0("ldirectord")
            .arg("60")
            .spawn()
            .unwrap();
        // Its arguments can be read a moment after its start.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut found = find();
        while found.is_empty() && Instant::now() < deadline {
            std::thread::yield_now();
            found = find();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let rival = found.iter().find(|rival| rival.program == "ldirectord");
        assert!(
            rival.is_some_and(|rival| rival.pid <= child.id()),
            "{found:?}"
        );
        let own = std::process::id();
        assert!(found.iter().all(|rival| rival.pid != own));
    }
    #[test]
    fn a_process_that_has_ended_is_no_rival() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keepalived");
        std::os::unix::fs::symlink("/bin/true", &path).unwrap();
        let mut child = std::process::Command::new(&path).spawn().unwrap();
        let process = PathBuf::from(format!("/proc/{}", child.id()));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !has_ended(&process) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(start(&process.join("comm")), b"keepalived");
        let pid = child.id();
        assert!(find().iter().all(|rival| rival.pid != pid));
        child.wait().unwrap();
    }
}
