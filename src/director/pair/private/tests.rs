use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::stat::Mode;
use nix::unistd::{Uid, mkfifo};
use tempfile::TempDir;

use super::*;

const VICTIM: &str = "somebody else's";

/// What may stand where a file is to be written, and whether that file can be written then.
pub(in super::super) struct Trap {
    pub(in super::super) name: &'static str,
    pub(in super::super) directory: TempDir,
    /// Whether a directory stands in the way, which is never replaced.
    pub(in super::super) immovable: bool,
    /// Whether the trap is at the file's own name, not at that of the file beside it.
    pub(in super::super) at_target: bool,
}

impl Trap {
    pub(in super::super) fn target(&self) -> PathBuf {
        self.directory.path().join("file")
    }

    /// Nothing was written through the trap.
    pub(in super::super) fn assert_untouched(&self) {
        let victim = fs::read_to_string(self.directory.path().join("victim")).unwrap();
        assert_eq!(victim, VICTIM, "{}", self.name);
        let nothing = self.directory.path().join("nothing");
        assert!(nothing.symlink_metadata().is_err(), "{}", self.name);
        let inside = fs::read_dir(self.directory.path().join("folder")).unwrap();
        assert_eq!(inside.count(), 0, "{}", self.name);
    }

    /// The target is a file of this user's alone, with one name.
    pub(in super::super) fn assert_private(&self) {
        let metadata = self.target().symlink_metadata().unwrap();
        assert!(metadata.is_file(), "{}", self.name);
        assert_eq!(metadata.mode() & 0o7777, 0o600, "{}", self.name);
        assert_eq!(metadata.nlink(), 1, "{}", self.name);
    }
}

/// Eight traps at the file's own name and eight at that of the file beside it.
pub(in super::super) fn traps() -> Vec<Trap> {
    type Lay = fn(&Path, &Path);
    let kinds: [(&str, Lay); 8] = [
        ("link to a file", |d, at| {
            symlink(d.join("victim"), at).unwrap();
        }),
        ("dangling link", |d, at| {
            symlink(d.join("nothing"), at).unwrap();
        }),
        ("link to a directory", |d, at| {
            symlink(d.join("folder"), at).unwrap();
        }),
        ("link to itself", |_, at| symlink(at, at).unwrap()),
        ("hard link", |d, at| {
            fs::hard_link(d.join("victim"), at).unwrap();
        }),
        ("FIFO", |_, at| mkfifo(at, Mode::S_IRWXU).unwrap()),
        ("socket", |_, at| drop(UnixListener::bind(at).unwrap())),
        ("directory", |_, at| fs::create_dir(at).unwrap()),
    ];
    let mut traps = Vec::new();
    for at_target in [true, false] {
        for (name, lay) in kinds {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            fs::write(path.join("victim"), VICTIM).unwrap();
            fs::set_permissions(path.join("victim"), Permissions::from_mode(0o644)).unwrap();
            fs::create_dir(path.join("folder")).unwrap();
            let beside = format!(".file.new.{}", std::process::id());
            lay(path, &path.join(if at_target { "file" } else { &beside }));
            traps.push(Trap {
                name,
                directory,
                immovable: name == "directory",
                at_target,
            });
        }
    }
    traps
}

fn replace(path: &Path, text: &str) -> Result<(), Refusal> {
    write(path, text.as_bytes(), Existing::Replace, |_| Ok(()))
}

#[test]
fn a_trap_is_replaced_and_never_written_through() {
    for trap in traps() {
        let written = replace(&trap.target(), "mine");
        assert_eq!(
            written.is_err(),
            trap.immovable,
            "{}: {written:?}",
            trap.name
        );
        trap.assert_untouched();
        if !trap.immovable {
            trap.assert_private();
            assert_eq!(&**read(&trap.target(), 10).unwrap(), b"mine");
        }
    }
}

#[test]
fn what_is_there_stays_when_it_is_to_be_kept() {
    for trap in traps() {
        let written = write(&trap.target(), b"mine", Existing::Keep, |_| Ok(()));
        trap.assert_untouched();
        if trap.at_target {
            assert!(written.unwrap_err().exists(), "{}", trap.name);
        } else if !trap.immovable {
            written.unwrap();
            trap.assert_private();
        }
    }
}

#[test]
fn a_trap_is_not_read_and_nothing_waits_for_it() {
    for trap in traps().iter().filter(|trap| trap.at_target) {
        let refusal = read(&trap.target(), 100).unwrap_err();
        let text = refusal.to_string();
        let expected = match trap.name {
            "hard link" => "chmod 600",
            "FIFO" => "it is a FIFO",
            "directory" => "it is a directory",
            "socket" => "No such device",
            _ => "it is a symbolic link",
        };
        assert!(text.contains(expected), "{}: {text}", trap.name);
    }
}

/// A directory, and a file in it, with modes and owners; what reading says.
fn layout(directory_mode: u32, directory_owner: u32, mode: u32, owner: u32) -> Result<(), String> {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("d");
    fs::create_dir(&directory).unwrap();
    let file = directory.join("f");
    fs::write(&file, "x").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    std::os::unix::fs::chown(&file, Some(owner), None).unwrap();
    std::os::unix::fs::chown(&directory, Some(directory_owner), None).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(directory_mode)).unwrap();
    read(&file, 100)
        .map(drop)
        .map_err(|refusal| refusal.to_string())
}

#[test]
fn permissions_and_owners_of_a_file_and_its_directory() {
    let own = Uid::effective().as_raw();
    let accepted = [
        (0o700, 0o600),
        (0o700, 0o400),
        (0o755, 0o600),
        (0o750, 0o700),
        (0o1755, 0o600),
    ];
    for (directory, mode) in accepted {
        let read = layout(directory, own, mode, own);
        assert_eq!(read, Ok(()), "{directory:o} {mode:o}");
    }
    let refused = [
        (
            0o700,
            0o644,
            "others may use it (mode 0644): run `chmod 600",
        ),
        (0o700, 0o640, "chmod 600"),
        (0o700, 0o604, "chmod 600"),
        (0o700, 0o620, "chmod 600"),
        (0o700, 0o602, "chmod 600"),
        (0o700, 0o610, "chmod 600"),
        (0o700, 0o601, "chmod 600"),
        (0o700, 0o777, "chmod 600"),
        (
            0o777,
            0o600,
            "others may write in this directory (mode 0777): run `chmod go-w",
        ),
        (0o775, 0o600, "chmod go-w"),
        (0o757, 0o600, "chmod go-w"),
        // In a sticky directory others cannot take the file away, but lay theirs first.
        (0o1777, 0o600, "chmod go-w"),
    ];
    for (directory, mode, text) in refused {
        let error = layout(directory, own, mode, own).unwrap_err();
        assert!(error.contains(text), "{directory:o} {mode:o}: {error}");
    }
    if Uid::effective().is_root() {
        for (directory, file) in [(0, 65534), (65534, 0), (65534, 65534)] {
            let error = layout(0o700, directory, 0o600, file).unwrap_err();
            assert!(
                error.contains("belongs to user 65534: run `chown 0 "),
                "{error}"
            );
        }
    }
}

#[test]
fn the_way_to_a_file_counts() {
    let root = tempfile::tempdir().unwrap();
    let real = root.path().join("real");
    fs::create_dir(&real).unwrap();
    replace(&real.join("f"), "x").unwrap();
    // A link that only this user could have made is as good as a directory.
    let link = root.path().join("link");
    symlink(&real, &link).unwrap();
    read(&link.join("f"), 10).unwrap();
    if Uid::effective().is_root() {
        nix::unistd::fchownat(
            nix::fcntl::AT_FDCWD,
            &link,
            Some(Uid::from_raw(65534)),
            None,
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .unwrap();
        let error = read(&link.join("f"), 10).unwrap_err().to_string();
        assert!(error.contains("belongs to user 65534"), "{error}");
    }
    // Further up, somebody could rename the whole directory away.
    fs::set_permissions(root.path(), Permissions::from_mode(0o777)).unwrap();
    let error = read(&real.join("f"), 10).unwrap_err().to_string();
    assert!(error.contains("chmod go-w"), "{error}");
    fs::set_permissions(root.path(), Permissions::from_mode(0o1777)).unwrap();
    read(&real.join("f"), 10).unwrap();
}

#[test]
fn a_file_of_just_the_length_is_read_and_a_longer_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    replace(&path, "0123456789").unwrap();
    assert_eq!(read(&path, 10).unwrap().len(), 10);
    let error = read(&path, 9).unwrap_err().to_string();
    assert!(error.ends_with("it is longer than 9 bytes"), "{error}");
    assert!(
        read(&directory.path().join("none"), 9)
            .unwrap_err()
            .is_missing()
    );
    assert!(
        read(&directory.path().join("no/ne"), 9)
            .unwrap_err()
            .is_missing()
    );
    assert!(read(Path::new("/"), 9).is_err());
}

#[test]
fn after_a_crash_at_any_step_the_old_or_the_new_is_there_whole() {
    let steps = [
        Step::Created,
        Step::Half,
        Step::Written,
        Step::Synced,
        Step::Named,
    ];
    for old in [None, Some("the old one")] {
        for crash in steps {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("f");
            if let Some(old) = old {
                replace(&path, old).unwrap();
            }
            // A panic leaves everything as it is at that step, as a dying process does.
            let died = catch_unwind(AssertUnwindSafe(|| {
                write(&path, b"the new one", Existing::Replace, |step| {
                    assert_ne!(step, crash);
                    Ok(())
                })
            }));
            assert!(died.is_err(), "{crash:?}");
            let found = read(&path, 100).ok().map(|bytes| bytes.to_vec());
            let expected = if crash == Step::Named {
                Some("the new one")
            } else {
                old
            };
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{crash:?}");
            let beside = fs::read_dir(directory.path()).unwrap().count();
            remove_leftovers(&path).unwrap();
            let left = fs::read_dir(directory.path()).unwrap().count();
            assert_eq!(left, usize::from(expected.is_some()), "{crash:?}: {beside}");
            // And the next one is not hindered.
            replace(&path, "a third one").unwrap();
            assert_eq!(&**read(&path, 100).unwrap(), b"a third one");
        }
    }
}

#[test]
fn a_failure_at_any_step_leaves_nothing_beside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    replace(&path, "old").unwrap();
    for failing in [Step::Created, Step::Half, Step::Written, Step::Synced] {
        let failed = write(&path, b"new", Existing::Replace, |step| {
            if step == failing {
                return Err(io::Error::from(Errno::ENOSPC));
            }
            Ok(())
        });
        assert!(failed.unwrap_err().to_string().contains("No space left"));
        assert_eq!(&**read(&path, 100).unwrap(), b"old", "{failing:?}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

#[test]
fn only_leftovers_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let stays = ["f", ".f", ".f.new.", ".f.new.1x", "f.new.1", ".g.new.1"];
    for name in stays.iter().chain(&[".f.new.1", ".f.new.4194304"]) {
        fs::write(directory.path().join(name), "").unwrap();
    }
    remove_leftovers(&directory.path().join("f")).unwrap();
    let mut left: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let mut expected = stays;
    expected.sort_unstable();
    assert_eq!(left, expected);
}
