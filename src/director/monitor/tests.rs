use std::path::PathBuf;

use super::*;
use crate::config::{Names, RealCheck, ldirectord};
use crate::model::Fault;

const PATIENCE: Duration = Duration::from_secs(20);

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Waits until a file holds so many lines.
fn lines(path: &Path, count: usize) -> Vec<String> {
    let limit = Instant::now() + PATIENCE;
    while read(path).lines().count() < count {
        assert!(Instant::now() < limit, "{}: {}", path.display(), read(path));
        std::thread::sleep(Duration::from_millis(10));
    }
    read(path).lines().map(str::to_owned).collect()
}

// LOG-07
#[test]
fn a_line_has_the_layout_of_ldirectord() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("monitor");
    let file: Arc<Path> = Arc::from(&*path);
    let monitor = Monitor::start().unwrap();
    monitor.write(&file, "connect tcp x", false, "50% | a\r\nb");
    monitor.write(&file, "connect tcp x", true, "");
    let lines = lines(&path, 2);
    let pid = std::process::id();
    let (time, rest) = lines[0].split_once("] ").unwrap();
    assert_eq!(
        rest,
        format!("[{pid}] connect tcp x [down] 50%25 %7c a%0d%0ab")
    );
    assert!(
        time.starts_with('[') && time.len() == "[Fri Nov 20 17:06:21 2026".len(),
        "{time}"
    );
    assert!(lines[1].ends_with(" connect tcp x [up] -"), "{}", lines[1]);
    monitor.end();
}

// LOG-09
#[test]
fn rotation_and_a_missing_directory_cost_no_more_than_the_lines_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("log");
    std::fs::create_dir(&inner).unwrap();
    let path = inner.join("monitor");
    let file: Arc<Path> = Arc::from(&*path);
    let monitor = Monitor::start().unwrap();
    monitor.open(BTreeSet::from([Arc::clone(&file)]));
    let limit = Instant::now() + PATIENCE;
    while !path.exists() {
        assert!(Instant::now() < limit);
        std::thread::sleep(Duration::from_millis(10));
    }
    monitor.write(&file, "one", true, "ok");
    lines(&path, 1);
    std::fs::rename(&path, inner.join("monitor.1")).unwrap();
    monitor.write(&file, "two", true, "ok");
    assert!(lines(&path, 1)[0].contains(" two "));
    std::fs::remove_dir_all(&inner).unwrap();
    monitor.write(&file, "three", true, "ok");
    let limit = Instant::now() + PATIENCE;
    while monitor.troubles(Instant::now()).is_empty() {
        assert!(Instant::now() < limit);
        std::thread::sleep(Duration::from_millis(10));
    }
    std::fs::create_dir(&inner).unwrap();
    monitor.write(&file, "four", true, "ok");
    assert!(lines(&path, 1)[0].contains(" four "));
    monitor.end();
    assert!(read(&path).lines().count() == 1);
}

#[test]
fn the_end_writes_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let file: Arc<Path> = Arc::from(directory.path().join("monitor"));
    let monitor = Monitor::start().unwrap();
    for _ in 0..3000 {
        monitor.write(&file, "x", true, "ok");
    }
    monitor.end();
    assert_eq!(read(&file).lines().count(), 3000);
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let pipe: Arc<Path> = Arc::from(path);
    let file: Arc<Path> = Arc::from(directory.path().join("file"));
    let monitor = Monitor::start().unwrap();
    monitor.write(&pipe, "x", true, "ok");
    monitor.write(&file, "x", true, "ok");
    lines(&file, 1);
    monitor.end();
}

#[test]
fn the_identity_is_that_of_ldirectord() {
    let identity_of = |text: &str| {
        let parsed = ldirectord::parse(text.as_bytes(), "test.cf");
        let config = parsed.resolve(&Names::default()).unwrap().config;
        let service = &config.services[0];
        assert!(!matches!(service.reals[0].check, RealCheck::Off));
        identity(service, &service.reals[0])
    };
    for (text, expected) in [
        (
            "virtual=192.0.2.100:80\n    real=192.0.2.21:80 gate 5\n    service=http\n    request=\"x.html\"\n    receive=\"Test\\.Page\"\n    virtualhost=www.example.com\n    checkport=81\n",
            "negotiate http tcp 192.0.2.21 80 www.example.com 81 5 gate /x.html Test.Page",
        ),
        (
            "virtual=192.0.2.100:80\n    real=192.0.2.21:80 masq\n    checktype=connect\n",
            "connect tcp 192.0.2.21 80 1 masq / ",
        ),
        (
            "virtual=7\n    real=192.0.2.21:80 ipip \"a\", \"b\"\n    checktype=external\n    checkcommand=/bin/x\n",
            "external /bin/x fwm 192.0.2.21 80 1 ipip /a b",
        ),
        (
            "virtual6=[2001:db8::1]:80\n    real6=[2001:db8::21]:80 gate\n    checktype=3\n    service=http\n",
            "combined http tcp [2001 db8 21] 80 1 gate / ",
        ),
    ] {
        assert_eq!(identity_of(text), expected);
    }
}

// LOG-08
#[test]
fn every_outcome_has_a_word() {
    let down = Outcome::Down(Reason::new("no answer"));
    let fault = Outcome::Inconclusive(Fault::new("no such script"));
    for (standing, outcome, expected) in [
        (Availability::Up, &Outcome::Up, (true, "fine")),
        (Availability::Down, &Outcome::Up, (true, "fine")),
        (Availability::Up, &down, (false, "no answer")),
        (Availability::Up, &fault, (true, "no such script")),
        (Availability::Down, &fault, (false, "no such script")),
        (
            Availability::Maintenance,
            &Outcome::Up,
            (false, "Server in maintenance"),
        ),
    ] {
        assert_eq!(words(standing, outcome, "fine"), expected);
    }
}

// VIR-29
#[test]
fn looking_at_a_file_does_not_make_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { directory.path().join(name) };
    assert!(look_at(&at("monitor")).is_ok());
    assert!(!at("monitor").exists());
    std::fs::write(at("monitor"), "").unwrap();
    assert!(look_at(&at("monitor")).is_ok());
    let kind = |name: &str| look_at(&at(name)).unwrap_err().kind();
    assert_eq!(kind("missing/monitor"), io::ErrorKind::NotFound);
    assert_eq!(kind("monitor/x"), io::ErrorKind::NotADirectory);
    assert_eq!(kind(""), io::ErrorKind::IsADirectory);
}
