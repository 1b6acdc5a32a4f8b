//! Privileges, modules, buffers and other writers.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use directord::kernel::ipvs::{Client, Options};
use directord::kernel::worker::Handle;
use directord::kernel::{Class, Ipvs};
use directord::model::{Forwarding, Operation, Table};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use crate::lab::{alone, in_namespace, run, with_client};
use crate::suite::{destination, numbered, service, succeed, table, tcp};

/// Tells the child of a test that it is the child.
const CHILD: &str = "DIRECTORD_TEST_CHILD";

#[test]
fn without_the_capability_opening_is_denied_with_help() {
    if std::env::var_os(CHILD).is_some() {
        let error = Client::open().unwrap_err();
        assert_eq!(error.class(), Class::Denied);
        assert!(error.help().unwrap().contains("CAP_NET_ADMIN"));
        // The file needs no privilege.
        directord::kernel::proc::read_table().unwrap();
        return;
    }
    in_namespace(|| {
        let status = Command::new("setpriv")
            .args(["--bounding-set", "-net_admin"])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "process::without_the_capability_opening_is_denied_with_help",
            ])
            .env(CHILD, "1")
            .status()
            .unwrap();
        assert!(status.success());
    });
}

/// Five hundred refusals and a hundred additions between them.
fn mostly_refused() -> Vec<Operation> {
    (0..600)
        .map(|number| {
            if number % 6 == 0 {
                Operation::AddService(numbered(number), service("rr"))
            } else {
                Operation::SetService(numbered(number), service("rr"))
            }
        })
        .collect()
}

fn open_with(receive_buffer: usize, batch: Option<usize>) -> Client {
    let options = Options {
        receive_buffer,
        batch: batch.and_then(NonZeroUsize::new),
        ..Options::default()
    };
    Client::open_with(&options).unwrap()
}

#[test]
fn a_small_receive_buffer_makes_smaller_sends_and_loses_nothing() {
    in_namespace(|| {
        let mut client = open_with(1, None);
        let failures = client.apply(&mostly_refused()).unwrap();
        let refused: Vec<_> = failures.iter().map(|failure| failure.index).collect();
        let expected: Vec<_> = (0..600).filter(|number| number % 6 != 0).collect();
        assert_eq!(refused, expected);
        assert_eq!(table(&mut client).len(), 100);
    });
}

#[test]
fn answers_that_were_lost_are_reported_and_the_operations_were_carried_out() {
    in_namespace(|| {
        let mut client = open_with(1, Some(400));
        let error = client.apply(&mostly_refused()).unwrap_err();
        assert_eq!(error.class(), Class::Lost);
        assert_eq!(table(&mut client).len(), 100);
    });
}

#[test]
fn a_full_batch_of_refusals_fits_the_receive_buffer() {
    with_client(|client| {
        let refused = (0..5000).map(|number| Operation::DeleteService(numbered(number)));
        let failures = client.apply(&refused.collect::<Vec<_>>()).unwrap();
        assert_eq!(failures.len(), 5000);
        let gone = destination("198.51.100.1", 80, Forwarding::Masquerade, 1);
        let refused: Vec<_> = vec![Operation::AddDestination(tcp("2001:db8::1", 80), gone); 5000];
        assert_eq!(client.apply(&refused).unwrap().len(), 5000);
    });
}

#[test]
fn a_dump_beside_a_writer_never_shows_half_a_service() {
    with_client(|client| {
        let servers: Vec<_> = (1..=17)
            .map(|port| destination("198.51.100.1", port, Forwarding::Masquerade, 1))
            .collect();
        let stable: BTreeSet<_> = (0..100).map(numbered).collect();
        let operations = stable.iter().flat_map(|key| {
            let destinations = servers.iter();
            std::iter::once(Operation::AddService(*key, service("rr")))
                .chain(destinations.map(|server| Operation::AddDestination(*key, *server)))
        });
        succeed(client, operations.collect());
        let namespace = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
        let writer = Writer::start(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).unwrap();
        });
        for _ in 0..10 {
            let found = table(client);
            for (key, entry) in found.iter().filter(|(key, _)| stable.contains(key)) {
                assert_eq!(entry.destinations.len(), 17, "{key}");
            }
        }
        writer.stop();
        let found: BTreeSet<_> = table(client).keys().copied().collect();
        assert_eq!(found, stable);
    });
}

#[test]
fn a_dump_beside_a_writer_in_another_namespace_is_complete() {
    with_client(|client| {
        let stable: BTreeSet<_> = (0..1500).map(numbered).collect();
        let adds = stable
            .iter()
            .map(|key| Operation::AddService(*key, service("rr")));
        succeed(client, adds.collect());
        let writer = Writer::start(|| unshare(CloneFlags::CLONE_NEWNET).unwrap());
        for _ in 0..10 {
            let found: BTreeSet<_> = table(client).keys().copied().collect();
            assert_eq!(found, stable);
        }
        writer.stop();
    });
}

/// A thread that adds and deletes three hundred services until it is stopped.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Writer {
    /// Starts the thread, which first enters its namespace.
    fn start(enter: impl FnOnce() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            enter();
            let mut client = Client::open().unwrap();
            let keys = || (4000..4300).map(numbered);
            let adds: Vec<_> = keys()
                .map(|key| Operation::AddService(key, service("rr")))
                .collect();
            let deletes: Vec<_> = keys().map(Operation::DeleteService).collect();
            while !stopped.load(Ordering::Relaxed) {
                assert_eq!(client.apply(&adds).unwrap(), []);
                assert_eq!(client.apply(&deletes).unwrap(), []);
            }
        });
        Self { stop, thread }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

#[test]
fn a_worker_serves_an_asynchronous_caller() {
    in_namespace(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        // The thread of the worker inherits the namespace of the one that starts it.
        let handle = Handle::start(Box::new(Client::open().unwrap())).unwrap();
        runtime.block_on(async {
            let add = Operation::AddService(numbered(1), service("rr"));
            assert_eq!(handle.apply(vec![add]).await.1, Ok(vec![]));
            let observed = handle.dump().await.unwrap();
            let entries = observed.iter().map(|(key, found)| (*key, found.to_entry()));
            let wanted = Arc::new(entries.collect::<Table>());
            assert!(handle.drift(Arc::clone(&wanted)).await.unwrap().is_empty());
            run("ipvsadm", &["-C"]);
            let drift = handle.drift(wanted).await.unwrap();
            assert_eq!(drift, [numbered(1)].into());
        });
    });
}

/// Unloads IPVS and everything that hangs on it. The namespaces of earlier tests go
/// away in the background and hold it for a moment.
fn unload_module() {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let modules = std::fs::read_to_string("/proc/modules").unwrap();
        let mut names: Vec<_> = modules
            .lines()
            .filter_map(|line| line.split(' ').next())
            .filter(|name| name.starts_with("ip_vs"))
            .collect();
        names.sort_by_key(|name| *name == "ip_vs");
        if names.is_empty() {
            return;
        }
        let _ = Command::new("rmmod").args(names).output();
        assert!(Instant::now() < deadline, "ip_vs is still there: {modules}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_client_survives_the_module_being_unloaded_and_loaded_again() {
    alone(|| {
        let mut client = Client::open().unwrap();
        unload_module();
        // The question loads it again, under another id.
        assert_eq!(client.info().unwrap().version, (1, 2, 1));
        succeed(
            &mut client,
            vec![Operation::AddService(numbered(1), service("rr"))],
        );
        client.flush().unwrap();
        unload_module();
        let delete = Operation::DeleteService(numbered(1));
        let error = client.apply(std::slice::from_ref(&delete)).unwrap_err();
        assert_eq!(error.class(), Class::Lost);
        let failures = client.apply(&[delete]).unwrap();
        assert_eq!(failures[0].error.errno(), Some(Errno::ESRCH));
    });
}
