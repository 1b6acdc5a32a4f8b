//! The files of `ldirectord.cf.examples`.

use super::*;
use crate::config::print::to_ldirectord_cf;

/// Name and text of an example.
macro_rules! example {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/ldirectord.cf.examples/",
                $name
            )),
        )
    };
}

pub(super) const EXAMPLES: [(&str, &str); 17] = [
    example!("external-check.cf"),
    example!("fallback-command.cf"),
    example!("fallback-global.cf"),
    example!("fallback-per-service.cf"),
    example!("firewall-mark.cf"),
    example!("gate.cf"),
    example!("https-virtualhost.cf"),
    example!("ipip.cf"),
    example!("ipv6.cf"),
    example!("maintenance.cf"),
    example!("many-services.cf"),
    example!("masq.cf"),
    example!("per-server-request.cf"),
    example!("persistence.cf"),
    example!("shared-servers.cf"),
    example!("udp-one-packet.cf"),
    example!("ultramonkey.cf"),
];

#[test]
fn every_example_is_accepted_without_a_warning_and_needs_no_names() {
    for (name, text) in EXAMPLES {
        let parsed = parse(text.as_bytes(), name);
        assert!(parsed.names().is_empty(), "{name}");
        match parsed.resolve(&Names::default()) {
            Ok(accepted) => assert!(
                accepted.warnings.is_empty(),
                "{}",
                render(&accepted.warnings, false)
            ),
            Err(Rejected(all)) => panic!("{}", render(&all, false)),
        }
    }
}

#[test]
fn every_example_reads_back_from_its_canonical_text() {
    for (name, text) in EXAMPLES {
        let first = config(text);
        assert!(!first.services.is_empty(), "{name}");
        let printed = to_ldirectord_cf(&first);
        assert_eq!(config(&printed), first, "{name}:\n{printed}");
        assert_eq!(to_ldirectord_cf(&config(&printed)), printed, "{name}");
    }
}

#[test]
fn the_examples_stay_inside_the_documentation_ranges() {
    for (name, text) in EXAMPLES {
        for service in config(text).services {
            let addresses = service
                .reals
                .iter()
                .map(|real| real.destination.key.address);
            for address in addresses {
                let allowed = match address {
                    IpAddr::V4(address) => address.octets()[..3] == [192, 0, 2],
                    IpAddr::V6(address) => address.segments()[..2] == [0x2001, 0xdb8],
                };
                assert!(allowed, "{name}: {address}");
            }
        }
    }
}

#[test]
fn the_ultra_monkey_example_means_what_its_guide_says() {
    let text = EXAMPLES
        .iter()
        .find(|(name, _)| *name == "ultramonkey.cf")
        .unwrap()
        .1;
    let config = config(text);
    let service = &config.services[0];
    assert_eq!(service.key.to_string(), "tcp:192.0.2.100:80");
    assert_eq!(service.service.scheduler.as_ref().unwrap().name(), "rr");
    assert!(service.quiescent && !config.globals.autoreload);
    assert_eq!(service.check.request, "/ldirector.html");
    assert_eq!(service.check.check_timeout.as_secs(), 10);
    assert_eq!(service.check.negotiate_timeout.as_secs(), 10);
    assert_eq!(service.check.interval.as_secs(), 2);
    let fallback = service.fallback.as_ref().unwrap();
    assert_eq!(fallback.destination.key.to_string(), "127.0.0.1:80");
    let reals: Vec<String> = service
        .reals
        .iter()
        .map(|real| real.destination.key.to_string())
        .collect();
    assert_eq!(reals, ["192.0.2.21:80", "192.0.2.22:80"]);
}
