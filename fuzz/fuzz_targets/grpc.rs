//! No message of a gRPC server makes the health check panic.
#![no_main]

use directord::check::grpc::message::status;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = status(bytes);
});
