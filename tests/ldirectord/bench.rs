//! A host in a scratch directory and commands on it.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fake;

/// Longest wait for anything, on a machine under load.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Bench {
    directory: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["ha.d/conf", "run", "work"] {
            fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a configuration that logs to [`Bench::log`], and returns its path.
    pub(crate) fn configuration(&self, lines: &str) -> String {
        let path = self.path("work/x.cf");
        let log = self.path("x.log");
        fs::write(&path, format!("logfile=\"{}\"\n{lines}\n", log.display())).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// `ldirectord WORDS`, run in `work`.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("/usr/sbin/ldirectord")
            .args(words)
            .current_dir(self.path("work"))
            .env(fake::ROOT, self.directory.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Done {
        self.command(words).output().unwrap().into()
    }

    /// A command that does not wait longer than this for daemons.
    pub(crate) fn run_within(&self, milliseconds: u32, words: &[&str]) -> Done {
        let mut command = self.command(words);
        command.env(fake::LIMIT, milliseconds.to_string());
        command.output().unwrap().into()
    }

    pub(crate) fn spawn(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Process of an instance, by its pid file.
    pub(crate) fn pid(&self, instance: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.pid_file(instance)).ok()?;
        let number = text.strip_suffix('\n').unwrap().parse().unwrap();
        Some(Pid::from_raw(number))
    }

    pub(crate) fn pid_file(&self, instance: &str) -> PathBuf {
        self.path(&format!("run/ldirectord.{instance}.pid"))
    }

    pub(crate) fn has_table(&self) -> bool {
        self.path("table.x.cf").exists()
    }

    /// Messages in the log, without their prefix.
    pub(crate) fn log(&self) -> Vec<String> {
        messages(&self.path("x.log"))
    }

    /// All processes named ldirectord that belong to this bench.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mark = format!("{}={}", fake::ROOT, self.directory.path().display());
        let is_ours = |pid: &i32| {
            let read = |name| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let contains = |text: &[u8], part: &str| {
                text.windows(part.len())
                    .any(|piece| piece == part.as_bytes())
            };
            contains(&read("environ"), &mark) && contains(&read("cmdline"), "ldirectord")
        };
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .filter(is_ours)
            .map(Pid::from_raw)
            .collect()
    }

    /// Waits for something that another process brings about.
    pub(crate) fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "never came: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Bench {
    /// No daemon outlives its test.
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

pub(crate) fn messages(path: &Path) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .map(|line| line.split_once("] ").unwrap().1.to_owned())
        .collect()
}

pub(crate) fn done(code: i32, out: &str, err: &str) -> Done {
    Done {
        code: Some(code),
        out: out.to_owned(),
        err: err.to_owned(),
    }
}
