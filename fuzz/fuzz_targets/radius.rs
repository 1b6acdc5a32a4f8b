//! No answer of a RADIUS server makes the check panic: neither as it comes, nor with a true
//! authenticator.
#![no_main]

use directord::check::datagram::Query;
use directord::check::dialogue::Turn;
use directord::check::radius::Access;
use directord::model::{Login, RadiusProbe, Secret};
use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};

const SECRET: &str = "testing-secret";

/// A response with these attributes, made by someone who knows the secret.
fn sealed(code: u8, attributes: &[u8]) -> Vec<u8> {
    let attributes = &attributes[..attributes.len().min(4096 - 20)];
    let length = 20 + attributes.len() as u16;
    let head = [&[code, 7][..], &length.to_be_bytes()].concat();
    let text = [&head[..], &[7; 16], attributes, SECRET.as_bytes()].concat();
    [&head[..], &Md5::digest(text), attributes].concat()
}

fuzz_target!(|bytes: &[u8]| {
    let probe = RadiusProbe {
        login: Login {
            name: "monitor".to_owned(),
            password: Secret::new("right"),
        },
        secret: Secret::new(SECRET),
    };
    // The identifier and the authenticator of the seeds' request.
    let mut access = Access::new(&probe, [7; 17]).expect("short names");
    access.judge(bytes);
    if let Some((&code, attributes)) = bytes.split_first()
        && let Turn::Over(verdict) = access.judge(&sealed(code, attributes))
    {
        assert_eq!(verdict.result.is_ok(), code == 2);
    }
    assert!(access.doubt().is_none_or(|doubt| doubt.len() < 4096));
});
