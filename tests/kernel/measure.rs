//! How long a large table takes. Run with `--release -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use directord::kernel::Ipvs;
use directord::model::{Forwarding, Operation};

use crate::lab::with_client;
use crate::suite::{destination, numbered, service, succeed};

const SERVICES: u16 = 2200;
const DESTINATIONS: u16 = 17;

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "the figures are the point")]
fn a_large_table() {
    // A fresh namespace for each round: destinations that were deleted slow down the
    // addition of others (kernel note 0021).
    for _ in 0..5 {
        with_client(|client| {
            let operations: Vec<_> = (0..SERVICES).flat_map(of_service).collect();
            let (apply, ()) = timed(|| succeed(client, operations.clone()));
            let (dump, table) = timed(|| client.dump().unwrap());
            assert_eq!(table.len(), usize::from(SERVICES));
            let wanted = table.iter().map(|(key, found)| (*key, found.to_entry()));
            let wanted = wanted.collect();
            let (sketch, drift) = timed(|| client.sketch().unwrap().differing(&wanted));
            assert!(drift.is_empty());
            let (flush, ()) = timed(|| client.flush().unwrap());
            let (again, ()) = timed(|| succeed(client, operations.clone()));
            println!(
                "{} operations: apply {apply:.3?}, dump {dump:.3?}, drift {sketch:.3?}, \
                 flush {flush:.3?}, apply again {again:.3?}",
                operations.len()
            );
        });
    }
}

fn of_service(number: u16) -> Vec<Operation> {
    let key = numbered(number);
    let add = |port| {
        let server = destination("198.51.100.1", port, Forwarding::Masquerade, 1);
        Operation::AddDestination(key, server)
    };
    let service = Operation::AddService(key, service("wrr"));
    std::iter::once(service)
        .chain((1..=DESTINATIONS).map(add))
        .collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}
