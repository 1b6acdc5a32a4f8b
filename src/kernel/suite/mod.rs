//! What every implementation of [`Ipvs`] must do, written once: the fake runs it among
//! its unit tests, `tests/kernel.rs` runs it against a real kernel. Whoever includes this
//! file provides a module `api` with the library's `kernel` and `model`.

mod daemons;
mod general;
mod refusals;
mod sketch;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use nix::errno::Errno;

use super::api::kernel::{Class, Ipvs};
use super::api::model::{
    Checksum, Destination, DestinationKey, Entry, Family, Forwarding, Netmask, Operation,
    Persistence, Protocol, SchedulerFlags, Service, ServiceKey, SyncDaemon, SyncRole, Table,
    Timeouts, Tunnel,
};

/// Calls a macro with the names of all cases.
macro_rules! for_every_case {
    ($run:ident) => {
        $run! {
            services_read_back_as_written
            destinations_read_back_as_written
            ports_are_not_byte_swapped
            an_edited_service_keeps_nothing_that_was_not_repeated
            an_edited_destination_keeps_nothing_that_was_not_repeated
            the_name_none_is_no_scheduler
            a_destination_is_its_address_and_port
            a_tunnel_may_cross_families_until_it_is_deleted
            direct_routing_keeps_the_port_it_was_given
            local_addresses_keep_the_forwarding_method
            services_are_refused_as_linux_refuses_them
            destinations_are_refused_as_linux_refuses_them
            a_missing_service_is_reported_before_anything_about_its_destination
            a_refusal_in_the_middle_of_five_thousand_is_mapped_to_its_operation
            a_dump_of_three_thousand_services_is_complete
            an_absent_service_is_told_from_one_without_destinations
            flush_removes_every_service
            zero_wants_an_existing_service
            time_outs_of_zero_are_kept
            sync_daemons_start_with_the_defaults_filled_in
            sync_daemons_start_with_every_option
            sync_daemons_are_refused_as_linux_refuses_them
            a_sync_daemon_and_mixed_families_exclude_each_other
            a_sync_daemon_stopped_right_after_its_start_does_not_hang
            the_sketch_of_an_unchanged_table_shows_no_difference
            the_sketch_shows_which_services_changed
        }
    };
}
pub(crate) use for_every_case;

pub(crate) use daemons::*;
pub(crate) use general::*;
pub(crate) use refusals::*;
pub(crate) use sketch::*;
pub(crate) use tables::*;

/// The table without statistics.
pub(crate) fn table(ipvs: &mut dyn Ipvs) -> Table {
    let observed = ipvs.dump().unwrap();
    observed
        .iter()
        .map(|(key, service)| (*key, service.to_entry()))
        .collect()
}

#[expect(clippy::needless_pass_by_value, reason = "cases read better")]
pub(crate) fn succeed(ipvs: &mut dyn Ipvs, operations: Vec<Operation>) {
    assert_eq!(ipvs.apply(&operations).unwrap(), []);
}

#[expect(clippy::needless_pass_by_value, reason = "cases read better")]
fn refuse(ipvs: &mut dyn Ipvs, operation: Operation, errno: Errno) {
    let failures = ipvs.apply(std::slice::from_ref(&operation)).unwrap();
    let [failure] = failures.as_slice() else {
        panic!("{operation:?} was accepted");
    };
    assert_eq!(failure.error.errno(), Some(errno), "{operation:?}");
}

fn address_key(protocol: Protocol, address: &str, port: u16) -> ServiceKey {
    ServiceKey::Address {
        protocol,
        address: ip(address),
        port,
    }
}

pub(crate) fn tcp(address: &str, port: u16) -> ServiceKey {
    address_key(Protocol::Tcp, address, port)
}

pub(crate) fn udp(address: &str, port: u16) -> ServiceKey {
    address_key(Protocol::Udp, address, port)
}

pub(crate) fn mark(family: Family, mark: u32) -> ServiceKey {
    ServiceKey::Mark { family, mark }
}

/// One of many services.
pub(crate) fn numbered(number: u16) -> ServiceKey {
    tcp("192.0.2.1", 1000 + number)
}

pub(crate) fn service(scheduler: &str) -> Service {
    Service::new(scheduler.parse().unwrap())
}

fn persistent(scheduler: &str, timeout: u32, netmask: Netmask) -> Service {
    Service {
        persistence: Some(Persistence { timeout, netmask }),
        ..service(scheduler)
    }
}

fn v4_mask(mask: &str) -> Netmask {
    Netmask::V4(mask.parse().unwrap())
}

pub(crate) fn destination(
    address: &str,
    port: u16,
    forwarding: Forwarding,
    weight: u32,
) -> Destination {
    let key = DestinationKey {
        address: ip(address),
        port,
    };
    Destination::new(key, forwarding, weight)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
