//! The kernel's half of the program against a real kernel.
//!
//! Needs root and a kernel with IPVS; each test works in a network namespace of its own.
//! Without them everything here is skipped, loudly. `DIRECTORD_LAB=1` says that they are
//! expected and makes their absence a failure.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "../src/kernel/suite/mod.rs"]
mod suite;

mod api {
    //! Where the shared suite finds what it tests.
    pub(crate) use directord::{kernel, model};
}

#[path = "kernel/differential.rs"]
mod differential;
#[path = "kernel/guard.rs"]
mod guard;
#[path = "kernel/lab.rs"]
mod lab;
#[path = "kernel/lease.rs"]
mod lease;
#[path = "kernel/measure.rs"]
mod measure;
#[path = "kernel/neighbour.rs"]
mod neighbour;
#[path = "kernel/notes.rs"]
mod notes;
#[path = "kernel/process.rs"]
mod process;
#[path = "kernel/segment.rs"]
mod segment;
#[path = "kernel/sync.rs"]
mod sync;
#[path = "kernel/traffic.rs"]
mod traffic;
#[path = "kernel/ways.rs"]
mod ways;
#[path = "kernel/witness.rs"]
mod witness;

macro_rules! on_the_kernel {
    ($($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                lab::with_client(|client| suite::$case(client));
            }
        )*
    };
}
suite::for_every_case!(on_the_kernel);
