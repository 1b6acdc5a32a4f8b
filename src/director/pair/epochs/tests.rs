use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::Uid;
use proptest::prelude::*;

use super::*;

fn epochs(entries: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let entries = entries.iter();
    entries
        .map(|(name, epoch)| ((*name).to_owned(), *epoch))
        .collect()
}

/// Stores an epoch and returns when it is on the disk, which a busy machine may have late.
async fn durable(store: &mut Store, instance: &str, epoch: u64) {
    match store.store(instance, epoch).await {
        Stored::Durable => {}
        Stored::Late => {
            let done = store
                .writer
                .written(store.writer.submit(store.known.clone()));
            timeout(Duration::from_secs(30), done)
                .await
                .unwrap()
                .unwrap();
            store.loaded = None;
        }
        Stored::Failed(reason) => panic!("{reason}"),
    }
}

#[tokio::test]
async fn an_epoch_is_durable_when_it_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/epochs");
    let mut store = Store::open(&path).unwrap();
    assert_eq!((store.highest("web"), store.problem()), (0, None));
    durable(&mut store, "web", 7).await;
    durable(&mut store, "\"mail\"\n", u64::MAX).await;
    assert_eq!(store.problem(), None);
    let again = Store::open(&path).unwrap();
    assert_eq!(again.highest("web"), 7);
    assert_eq!(again.highest("\"mail\"\n"), u64::MAX);
    assert_eq!(again.highest("ftp"), 0);
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
    let state = path.parent().unwrap().metadata().unwrap();
    assert_eq!(state.mode() & 0o777, 0o700);
}

#[tokio::test]
async fn an_epoch_never_goes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("epochs");
    let mut store = Store::open(&path).unwrap();
    durable(&mut store, "web", 9).await;
    durable(&mut store, "web", 3).await;
    assert_eq!(store.highest("web"), 9);
    assert_eq!(load(&path).unwrap(), epochs(&[("web", 9)]));
}

#[test]
fn the_text_of_the_file() {
    let text = text::print(&epochs(&[("web", 17), ("mail", 2)]));
    let expected = "directord epochs 1\n2 \"mail\"\n17 \"web\"\nsha256 919f85e1d30083c33286d589b152d9ac84e9b876b8f2541d84fb0904df15f0fc\n";
    assert_eq!(text, expected);
}

#[test]
fn every_cut_and_every_changed_byte_is_seen() {
    let known = epochs(&[("web", 17), ("mail", 2)]);
    let text = text::print(&known).into_bytes();
    assert_eq!(text::parse(&text), Ok(known));
    for length in 0..text.len() {
        assert!(text::parse(&text[..length]).is_err(), "cut at {length}");
    }
    for at in 0..text.len() {
        let mut changed = text.clone();
        changed[at] ^= 1;
        assert!(text::parse(&changed).is_err(), "changed at {at}");
    }
    let twice = [text.as_slice(), text.as_slice()].concat();
    assert!(text::parse(&twice).is_err());
}

proptest! {
    #[test]
    fn what_is_printed_is_read(known in prop::collection::btree_map(".{1,12}", any::<u64>(), 0..16)) {
        prop_assert_eq!(text::parse(text::print(&known).as_bytes()), Ok(known));
    }

    #[test]
    fn no_bytes_bring_the_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = text::parse(&bytes);
    }
}

#[tokio::test]
async fn a_damaged_file_is_a_problem_until_it_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("epochs");
    for damage in ["", "directord epochs 1\n17 \"web\"\n", "garbage\0"] {
        fs::write(&path, damage).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let mut store = Store::open(&path).unwrap();
        assert_eq!(store.highest("web"), 0);
        let problem = store.problem().unwrap();
        assert!(
            problem.ends_with("the epochs of before are not known"),
            "{problem}"
        );
        durable(&mut store, "web", 4).await;
        assert_eq!(store.problem(), None);
        assert_eq!(Store::open(&path).unwrap().highest("web"), 4);
    }
}

#[tokio::test]
async fn what_others_may_have_written_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("epochs");
    durable(&mut Store::open(&path).unwrap(), "web", 4).await;
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(store.highest("web"), 0);
    assert!(store.problem().unwrap().contains("(mode 0666)"));
}

#[tokio::test]
async fn epochs_are_not_written_through_traps() {
    for trap in private::tests::traps() {
        let mut store = Store::open(&trap.target()).unwrap();
        if !trap.immovable {
            durable(&mut store, "web", 4).await;
        }
        let stored = store.store("web", 4).await;
        trap.assert_untouched();
        // What lies where the file beside it is made is removed at the start; a directory
        // is not.
        if trap.immovable {
            assert!(
                matches!(stored, Stored::Failed(_)),
                "{}: {stored:?}",
                trap.name
            );
        } else {
            trap.assert_private();
        }
    }
}

/// A store whose disk answers when it is told to.
fn slow() -> (
    Store,
    mpsc::Sender<()>,
    mpsc::Receiver<BTreeMap<String, u64>>,
) {
    let (go, wait) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let write = move |_: &Path, epochs: &BTreeMap<String, u64>| {
        tell.send(epochs.clone()).unwrap();
        let _ = wait.recv();
        Ok(())
    };
    let store = Store {
        known: BTreeMap::new(),
        writer: Writer::start(PathBuf::from("/nonexistent/epochs"), "the epochs", write).unwrap(),
        loaded: None,
    };
    (store, go, told)
}

#[tokio::test]
async fn a_disk_that_hangs_is_not_waited_for_and_gets_the_newest_later() {
    let (mut store, go, told) = slow();
    let start = Instant::now();
    for epoch in 1..=3 {
        assert_eq!(store.store("web", epoch).await, Stored::Late);
    }
    let waited = start.elapsed();
    assert!(
        waited >= LONGEST_WAIT * 3 && waited < LONGEST_WAIT * 6,
        "{waited:?}"
    );
    assert!(store.problem().unwrap().ends_with("not written yet"));
    assert_eq!(told.recv().unwrap(), epochs(&[("web", 1)]));
    go.send(()).unwrap();
    // The second was overtaken while the disk hung.
    assert_eq!(told.recv().unwrap(), epochs(&[("web", 3)]));
    go.send(()).unwrap();
    go.send(()).unwrap();
    durable(&mut store, "web", 4).await;
    assert_eq!(store.problem(), None);
}

#[tokio::test]
async fn the_loop_goes_on_while_the_disk_hangs() {
    let (mut store, _go, _told) = slow();
    let mut turns = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let stored = store.store("web", 1);
    tokio::pin!(stored);
    loop {
        tokio::select! {
            _ = &mut stored => break,
            _ = tick.tick() => turns += 1,
        }
    }
    assert!(turns >= 10, "{turns}");
}

#[test]
fn an_abandoned_call_stores_all_the_same() {
    let (mut store, go, told) = slow();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::select! {
            biased;
            _ = store.store("web", 5) => panic!("the disk hangs"),
            () = std::future::ready(()) => {}
        }
    });
    assert_eq!(told.recv().unwrap(), epochs(&[("web", 5)]));
    go.send(()).unwrap();
}

/// Runs on a thread with a mount namespace of its own.
fn with_mounts(test: impl FnOnce() + Send + 'static) {
    if !Uid::effective().is_root() {
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        let line = format!("SKIPPED, NOT TESTED: {name}: needs root\n");
        io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let body = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(&["--make-rprivate", "/"]);
        test();
    });
    if let Err(panic) = body.join() {
        std::panic::resume_unwind(panic);
    }
}

fn mount(arguments: &[&str]) {
    let mounted = Command::new("mount").args(arguments).status().unwrap();
    assert!(mounted.success(), "{arguments:?}");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_disk_that_is_full_read_only_or_gone_stops_nothing() {
    with_mounts(|| {
        let directory = tempfile::tempdir().unwrap();
        let disk = directory.path().join("disk");
        fs::create_dir(&disk).unwrap();
        let place = disk.to_str().unwrap();
        mount(&["-t", "tmpfs", "-o", "size=16k,mode=700", "none", place]);
        let path = disk.join("state/epochs");
        let mut store = Store::open(&path).unwrap();
        block_on(durable(&mut store, "web", 1));

        // Full: nothing is cut off.
        let filling = fs::write(disk.join("filling"), vec![1; 64 * 1024]);
        assert!(filling.is_err());
        let stored = block_on(store.store("web", 2));
        assert!(
            matches!(&stored, Stored::Failed(why) if why.contains("No space left")),
            "{stored:?}"
        );
        assert!(store.problem().unwrap().contains("No space left"));
        assert_eq!(load(&path).unwrap(), epochs(&[("web", 1)]));
        fs::remove_file(disk.join("filling")).unwrap();

        // Read-only.
        mount(&["-o", "remount,ro", place]);
        let stored = block_on(store.store("web", 3));
        assert!(
            matches!(&stored, Stored::Failed(why) if why.contains("Read-only")),
            "{stored:?}"
        );
        assert_eq!(load(&path).unwrap(), epochs(&[("web", 1)]));
        mount(&["-o", "remount,rw", place]);

        // Gone, and made again.
        fs::remove_dir_all(disk.join("state")).unwrap();
        block_on(durable(&mut store, "web", 4));
        assert_eq!(load(&path).unwrap(), epochs(&[("web", 4)]));
        assert_eq!(store.problem(), None);
        assert!(
            Command::new("umount")
                .arg(place)
                .status()
                .unwrap()
                .success()
        );
    });
}

#[test]
fn what_failed_is_tried_again_without_being_asked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("no/state/epochs");
    let mut store = Store::open(&path).unwrap();
    assert!(matches!(block_on(store.store("web", 6)), Stored::Failed(_)));
    fs::create_dir(directory.path().join("no")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(15);
    while store.problem().is_some() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(load(&path).unwrap(), epochs(&[("web", 6)]));
}

const CHILD: &str = "DIRECTORD_TEST_EPOCHS";

/// Not a test of its own: what [`a_process_killed_at_any_moment_leaves_a_whole_file`] kills.
#[test]
fn child_that_writes_for_ever() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    for epoch in 1.. {
        let known = epochs(&[("mail", epoch), ("web", epoch)]);
        write(&path, &known).unwrap();
    }
}

#[test]
fn a_process_killed_at_any_moment_leaves_a_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("epochs");
    let name = "director::pair::epochs::tests::child_that_writes_for_ever";
    let mut last = 0;
    for round in 0..30 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(40_000 + 1_733 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        match load(&path) {
            Ok(known) => {
                assert_eq!(known["web"], known["mail"]);
                last = last.max(known["web"]);
            }
            Err(Unread::Missing) if last == 0 => {}
            Err(unread) => panic!("{unread}"),
        }
    }
    assert!(last > 0, "no child wrote anything");
}

#[test]
fn incarnations_differ() {
    let drawn: std::collections::BTreeSet<u128> =
        (0..100).map(|_| incarnation().unwrap()).collect();
    assert_eq!(drawn.len(), 100);
    assert!(drawn.iter().all(|number| *number > u128::from(u32::MAX)));
}
