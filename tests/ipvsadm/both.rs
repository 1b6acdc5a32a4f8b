//! Two programs in two namespaces.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use directord::cli::ipvsadm::{Program, Streams, System};
use directord::kernel::Ipvs;
use directord::kernel::ipvs::Client;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Uid;

use crate::say;

/// Everything that a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) output: String,
    pub(crate) error: String,
}

type Question = (Vec<String>, String);

/// Ours and the original, each on a thread in its own namespace.
pub(crate) struct Both {
    ours: Mutex<(Sender<Question>, Receiver<Answer>)>,
    theirs: Mutex<(Sender<Question>, Receiver<Answer>)>,
}

impl Both {
    /// `None`, loudly, where there is no kernel for it.
    pub(crate) fn new() -> Option<Self> {
        if let Some(reason) = missing() {
            let promised = std::env::var_os("DIRECTORD_LAB").is_some_and(|value| value == "1");
            assert!(!promised, "DIRECTORD_LAB=1 promises a kernel: {reason}");
            say(&format!("SKIPPED, NOT TESTED: {reason}"));
            return None;
        }
        let ours = program(|| {
            let mut client = Client::open().unwrap();
            move |words: &[&str], input: &str| ours(&mut client, words, input)
        });
        Some(Self {
            ours: Mutex::new(ours),
            theirs: Mutex::new(program(|| theirs)),
        })
    }

    pub(crate) fn ours(&self, words: &[&str], input: &str) -> Answer {
        ask(&self.ours, words, input)
    }

    pub(crate) fn theirs(&self, words: &[&str], input: &str) -> Answer {
        ask(&self.theirs, words, input)
    }

    /// Gives both the same and returns what ours said.
    pub(crate) fn compare(&self, seed: u64, words: &[&str], input: &str) -> Answer {
        let ours = self.ours(words, input);
        let theirs = self.theirs(words, input);
        let (mut left, mut right) = (ours.clone(), theirs);
        left.output = as_the_original_saves(&left.output);
        right.output = with_positive_marks(&right.output);
        if left != right {
            let other = |a: &str, b: &str| {
                let first = a.lines().zip(b.lines()).position(|(a, b)| a != b);
                let from = first.unwrap_or(a.lines().count().min(b.lines().count()));
                let part = |text: &str| {
                    let lines: Vec<_> = text.lines().skip(from.saturating_sub(3)).take(8).collect();
                    lines.join("\n")
                };
                format!("ours:\n{}\nthe original's:\n{}", part(a), part(b))
            };
            panic!(
                "seed {seed}, {words:?} with\n{input}\nstatus {} and {}\n── output, {}\n── error, {}",
                left.status,
                right.status,
                other(&left.output, &right.output),
                other(&left.error, &right.error),
            );
        }
        ours
    }
}

fn ask(
    program: &Mutex<(Sender<Question>, Receiver<Answer>)>,
    words: &[&str],
    input: &str,
) -> Answer {
    let (questions, answers) = &*program.lock().unwrap_or_else(PoisonError::into_inner);
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    questions.send((words, input.to_owned())).unwrap();
    answers.recv().unwrap()
}

/// Where ours saves more than the original does: thresholds, and the third flag of `sh` and
/// `mh`, for which the original leaves the list empty.
fn as_the_original_saves(output: &str) -> String {
    let mut text = String::new();
    for line in output.lines() {
        let mut line = line.to_owned();
        if line.starts_with("-a ") {
            for option in [" -x ", " -y "] {
                if let Some(start) = line.find(option) {
                    let value = &line[start + option.len()..];
                    let end = value
                        .find(' ')
                        .map_or(line.len(), |end| start + option.len() + end);
                    line.replace_range(start..end, "");
                }
            }
        } else if line.starts_with("-A ") && (line.contains(" -s sh ") || line.contains(" -s mh "))
        {
            line = line.replace(",flag-3", "").replace("flag-3", "");
        }
        text += &line;
        text += "\n";
    }
    text
}

/// Where the original saves a mark as a negative number.
fn with_positive_marks(output: &str) -> String {
    let mut text = String::new();
    for line in output.lines() {
        let mut line = line.to_owned();
        let saved = line.starts_with("-A ") || line.starts_with("-a ");
        if saved && let Some(start) = line.find(" -f -") {
            let from = start + " -f ".len();
            let end = line[from..].find(' ').map_or(line.len(), |end| from + end);
            let mark: i32 = line[from..end].parse().unwrap();
            line.replace_range(from..end, &mark.cast_unsigned().to_string());
        }
        text += &line;
        text += "\n";
    }
    text
}

fn missing() -> Option<&'static str> {
    if !Uid::effective().is_root() {
        return Some("needs root");
    }
    if Client::open().is_err() {
        return Some("needs a kernel with IPVS");
    }
    let version = Command::new("ipvsadm").arg("-v").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match version {
        Ok(text) if text.contains(" v1.31 ") => None,
        _ => Some("needs ipvsadm 1.31"),
    }
}

/// A thread in a fresh namespace that answers.
fn program<F>(make: impl FnOnce() -> F + Send + 'static) -> (Sender<Question>, Receiver<Answer>)
where
    F: FnMut(&[&str], &str) -> Answer,
{
    let (questions, asked) = channel::<Question>();
    let (answers, answered) = channel();
    thread::spawn(move || {
        enter_namespace();
        let mut answer = make();
        while let Ok((words, input)) = asked.recv() {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if answers.send(answer(&words, &input)).is_err() {
                break;
            }
        }
    });
    (questions, answered)
}

/// Runs a test in a fresh namespace.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let body = thread::spawn(move || {
        enter_namespace();
        test();
    });
    if let Err(panic) = body.join() {
        std::panic::resume_unwind(panic);
    }
}

fn enter_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.unwrap().success());
}

/// Ours, inside this process.
pub(crate) fn ours(ipvs: &mut dyn Ipvs, words: &[&str], input: &str) -> Answer {
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let streams = Streams {
        input: &mut input.as_bytes(),
        output: &mut output,
        error: &mut error,
    };
    let names = System::default();
    let status = Program::new(ipvs, &names, streams)
        .run("ipvsadm", words)
        .unwrap();
    Answer {
        status: i32::from(status),
        output: String::from_utf8(output).unwrap(),
        error: String::from_utf8(error).unwrap(),
    }
}

/// The original, in the namespace of the calling thread.
pub(crate) fn theirs(words: &[&str], input: &str) -> Answer {
    let mut child = Command::new("ipvsadm")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // It may end before it has read everything.
    let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Answer {
        status: output.status.code().unwrap_or(-1),
        output: String::from_utf8(output.stdout).unwrap(),
        error: String::from_utf8(output.stderr).unwrap(),
    }
}
