use std::fs;
use std::io::{PipeReader, PipeWriter, Read as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

fn identity() -> Identity {
    Identity {
        program: "ldirectord".to_owned(),
        instance: "x.cf".to_owned(),
        pid: 42,
    }
}

/// A logger with pipes for streams and a socket in `directory` for the system log.
struct Bench {
    logger: Logger,
    stdout: PipeReader,
    stderr: PipeReader,
}

fn bench(directory: &Path, destination: Destination) -> Bench {
    let (stdout, stdout_writer): (PipeReader, PipeWriter) = io::pipe().unwrap();
    let (stderr, stderr_writer) = io::pipe().unwrap();
    let outputs = Outputs {
        stdout: Box::new(stdout_writer),
        stderr: Box::new(stderr_writer),
        syslog: directory.join("log"),
    };
    let logger = Logger::with_outputs(identity(), destination, outputs).unwrap();
    Bench {
        logger,
        stdout,
        stderr,
    }
}

impl Bench {
    fn log(&self, text: &str) {
        self.logger.submit(Level::INFO, text.to_owned());
    }

    /// Ends the log and returns what came out of standard output and error.
    fn finish(mut self) -> (String, String) {
        assert!(self.logger.flush(LIMIT));
        drop(self.logger);
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        (stdout, stderr)
    }
}

/// The messages of a log file, without the bracketed prefix.
fn messages(path: &Path) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| line.split_once("] ").unwrap().1.to_owned())
        .collect()
}

#[test]
fn events_become_lines_and_other_crates_only_warn() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("l.log");
    let bench = bench(directory.path(), Destination::File(path.clone()));
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("directord", LevelFilter::INFO);
    let layer = RecordLayer::new(bench.logger.clone()).with_filter(targets);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let reason = "connection\nrefused";
        tracing::info!(service = %"tcp:192.0.2.1:80", reason, count = 3, "Deleted real server: {} (V)", "R");
        tracing::debug!("too fine");
        tracing::info!(target: "hyper", "not ours");
        tracing::warn!(target: "hyper", "not ours but grave");
    });
    bench.finish();
    assert_eq!(
        messages(&path),
        [
            r#"Deleted real server: R (V) service=tcp:192.0.2.1:80 reason="connection\nrefused" count=3"#,
            "not ours but grave",
        ]
    );
}

#[test]
fn a_renamed_file_is_replaced_at_the_next_line() {
    let directory = tempfile::tempdir().unwrap();
    let (path, rotated) = (directory.path().join("l"), directory.path().join("l.1"));
    let bench = bench(directory.path(), Destination::File(path.clone()));
    bench.log("one");
    assert!(bench.logger.flush(LIMIT));
    fs::rename(&path, &rotated).unwrap();
    bench.log("two");
    bench.finish();
    assert_eq!(messages(&rotated), ["one"]);
    assert_eq!(messages(&path), ["two"]);
}

#[test]
fn an_unwritable_file_falls_back_and_tells_later_what_it_missed() {
    let directory = tempfile::tempdir().unwrap();
    let gone = directory.path().join("gone");
    let path = gone.join("l");
    let bench = bench(directory.path(), Destination::File(path.clone()));
    bench.log("one");
    bench.log("two");
    assert!(bench.logger.flush(LIMIT));
    assert_eq!(bench.logger.lost(), 2);
    fs::create_dir(&gone).unwrap();
    bench.log("three");
    let (_, stderr) = bench.finish();
    assert_eq!(stderr.matches("cannot write log file").count(), 1);
    assert!(stderr.contains("] one\n") && stderr.contains("] two\n"));
    assert_eq!(messages(&path), ["three", "log lines lost count=2"]);
}

#[test]
fn a_named_pipe_without_reader_does_not_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let bench = bench(directory.path(), Destination::File(path));
    bench.log("one");
    let (_, stderr) = bench.finish();
    assert!(stderr.contains("] one\n"));
}

#[test]
fn redirection_takes_effect_between_two_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("l");
    let bench = bench(directory.path(), Destination::Stderr);
    bench.log("one");
    bench.logger.redirect(Destination::File(path.clone()));
    bench.log("two");
    bench.logger.redirect(Destination::Stdout);
    bench.log("three");
    assert_eq!(bench.logger.destination(), Destination::Stdout);
    let (stdout, stderr) = bench.finish();
    assert_eq!(stderr, "one\n");
    assert_eq!(messages(&path), ["two"]);
    assert!(stdout.starts_with('[') && stdout.ends_with("] three\n"));
}

#[test]
fn a_blocked_stream_blocks_nobody_and_reports_its_losses() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = bench(directory.path(), Destination::Stderr);
    let line = "x".repeat(1000);
    // More than a pipe and the queue hold together; returns though nobody reads.
    for _ in 0..2000 {
        bench.log(&line);
    }
    assert!(!bench.logger.flush(Duration::from_millis(10)));
    let lost = bench.logger.lost();
    assert!(lost > 0);
    let logger = bench.logger.clone();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        bench.stderr.read_to_string(&mut text).unwrap();
        text
    });
    drop(bench.logger);
    assert!(logger.flush(LIMIT));
    drop(logger);
    let text = reader.join().unwrap();
    assert_eq!(text.matches(&line).count() as u64, 2000 - lost);
    let told: u64 = text
        .lines()
        .filter_map(|line| line.strip_prefix("log lines lost count="))
        .map(|count| count.parse::<u64>().unwrap())
        .sum();
    assert_eq!(told, lost);
}

#[test]
fn a_blocked_stream_is_left_behind_by_a_redirection() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("l");
    let bench = bench(directory.path(), Destination::Stderr);
    let line = "x".repeat(1000);
    for _ in 0..100 {
        bench.log(&line);
    }
    bench.logger.redirect(Destination::File(path.clone()));
    bench.log("free");
    assert!(bench.logger.flush(LIMIT));
    let messages = messages(&path);
    assert_eq!(messages[0], "free");
    assert_eq!(
        messages[1],
        format!("log lines lost count={}", bench.logger.lost())
    );
}

#[test]
fn the_system_log_gets_datagrams_and_survives_its_restart() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("log");
    let bench = bench(directory.path(), Destination::Syslog(Facility::DAEMON));
    let receive = |server: &UnixDatagram| {
        let mut buffer = [0; 256];
        let length = server.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    bench.log("nobody there");
    assert!(bench.logger.flush(LIMIT));
    assert_eq!(bench.logger.lost(), 1);
    for text in ["first", "second"] {
        let _ = fs::remove_file(&socket);
        let server = UnixDatagram::bind(&socket).unwrap();
        bench.log(text);
        assert!(bench.logger.flush(LIMIT));
        let line = receive(&server);
        assert!(line.starts_with("<30>"), "{line}");
        assert!(
            line.ends_with(&format!(" ldirectord[42]: {text}")),
            "{line}"
        );
    }
}

#[test]
fn a_system_log_that_stopped_reading_costs_lines_only() {
    let directory = tempfile::tempdir().unwrap();
    let _server = UnixDatagram::bind(directory.path().join("log")).unwrap();
    let bench = bench(directory.path(), Destination::Syslog(Facility::DAEMON));
    // The socket's queue is short (net.unix.max_dgram_qlen) and its buffer bounded.
    let line = "x".repeat(3000);
    for _ in 0..900 {
        bench.log(&line);
    }
    assert!(bench.logger.flush(LIMIT));
    assert!(bench.logger.lost() > 0);
}
