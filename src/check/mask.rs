//! Takes secrets out of what a probe tells, also where a server repeats them.
//!
//! What is sent is masked where it is written, since only the protocol knows the form a
//! secret has on the wire. A server that answers "530 no such password: …" is not to be
//! trusted with that.

use crate::model::{Fault, Outcome, Reason, Report, Secret, Side};

/// Shown for a secret.
const MASK: &str = "***";

/// Shorter ones are found everywhere by chance, and masking them would point at them.
const LENGTH_MIN: usize = 4;

/// Masks these secrets in all texts of a report.
pub(super) fn mask(report: &mut Report, secrets: &[&Secret]) {
    for secret in secrets {
        let secret = secret.expose();
        if secret.len() < LENGTH_MIN {
            continue;
        }
        for said in &mut report.dialogue {
            if said.by == Side::Server {
                said.bytes = replace(&said.bytes, secret.as_bytes(), MASK.as_bytes());
            }
        }
        report.detail = report.detail.replace(secret, MASK);
        report.outcome = match &report.outcome {
            Outcome::Down(reason) if reason.as_str().contains(secret) => {
                Outcome::Down(Reason::new(reason.as_str().replace(secret, MASK)))
            }
            Outcome::Inconclusive(fault) if fault.as_str().contains(secret) => {
                Outcome::Inconclusive(Fault::new(fault.as_str().replace(secret, MASK)))
            }
            other => other.clone(),
        };
    }
}

/// The bytes with every occurrence of `from`, which is not empty, replaced.
fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(from) {
            result.extend_from_slice(to);
            rest = after;
        } else {
            result.push(*first);
            rest = after;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Advice, Phases, Said};

    fn report(outcome: Outcome) -> Report {
        let said = |by, text: &str| Said {
            by,
            bytes: text.as_bytes().to_vec(),
        };
        Report {
            outcome,
            detail: "it is hidden".to_owned(),
            advice: Advice::default(),
            phases: Phases::default(),
            certificate: None,
            dialogue: vec![
                said(Side::Server, "hihidden hiddehidden"),
                said(Side::Director, "PASS ***"),
                said(Side::Server, "a"),
            ],
        }
    }

    #[test]
    fn what_a_server_repeats_is_masked_everywhere() {
        let secret = Secret::new("hidden");
        for outcome in [
            Outcome::Up,
            Outcome::Down(Reason::new("not hidden")),
            Outcome::Inconclusive(Fault::new("not hidden")),
        ] {
            let mut report = report(outcome);
            mask(&mut report, &[&secret, &Secret::new("a")]);
            assert_eq!(report.dialogue[0].bytes, b"hi*** hidde***");
            assert_eq!(report.dialogue[2].bytes, b"a");
            assert_eq!(report.detail, "it is ***");
            assert!(!format!("{:?}", report.outcome).contains("hidden"));
        }
    }
}
