//! `directord plan`: what `run` would change in the kernel.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::listing::Attributes;
use crate::model::{
    Destination, DestinationKey, Entry, Forwarding, Operation, Scheduler, Service, Table,
};

/// Changes by service, `+` added, `~` changed, `-` removed, and a count.
pub(super) fn text(operations: &[Operation], before: &Table) -> String {
    let mut services: BTreeMap<_, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        services
            .entry(*operation.service())
            .or_default()
            .push(operation);
    }
    let mut out = String::new();
    for (key, changes) in services {
        let sign = match changes.first() {
            Some(Operation::AddService(..)) => '+',
            Some(Operation::DeleteService(_)) => '-',
            _ => '~',
        };
        line(
            &mut out,
            format_args!("{sign} {key}{}", attributes(&changes, before.get(&key))),
        );
        for change in changes {
            let known = |server: &DestinationKey| before.get(&key)?.destinations.get(server);
            match change {
                Operation::AddDestination(_, to) => {
                    line(&mut out, format_args!("    + {} {}", to.key, describe(to)));
                }
                Operation::SetDestination(_, to) => {
                    let from = known(&to.key).map_or_else(String::new, describe);
                    line(
                        &mut out,
                        format_args!("    ~ {} {from} -> {}", to.key, describe(to)),
                    );
                }
                Operation::DeleteDestination(_, server) => {
                    let from = known(server).map_or_else(String::new, describe);
                    line(&mut out, format_args!("    - {server} {from}"));
                }
                Operation::AddService(..)
                | Operation::SetService(..)
                | Operation::DeleteService(_) => {}
            }
        }
    }
    let count = operations.len();
    let noun = if count == 1 { "change" } else { "changes" };
    line(&mut out, format_args!("{count} {noun}"));
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a string does not fail");
}

/// What a service is or becomes, after what it was.
fn attributes(changes: &[&Operation], before: Option<&Entry>) -> String {
    let to = changes.iter().rev().find_map(|change| match change {
        Operation::AddService(_, to) | Operation::SetService(_, to) => Some(to),
        _ => None,
    });
    match (to, before) {
        (Some(to), Some(from)) => format!("{} ->{}", Attributes(&from.service), Attributes(to)),
        (Some(to), None) => Attributes(to).to_string(),
        (None, _) => String::new(),
    }
}

fn describe(destination: &Destination) -> String {
    let mut text = format!(
        "{} weight {}",
        destination.forwarding.word(),
        destination.weight
    );
    if destination.upper_threshold > 0 {
        text.push_str(&format!(
            " thresholds {}-{}",
            destination.lower_threshold, destination.upper_threshold
        ));
    }
    if let Forwarding::Tunnel(tunnel) = destination.forwarding
        && tunnel != crate::model::Tunnel::Ipip
    {
        text.push_str(&format!(" {tunnel:?}"));
    }
    text
}

/// The same as a JSON list of operations in the order in which they would be made.
pub(super) fn json(operations: &[Operation]) -> serde_json::Value {
    let operations = operations.iter().map(|operation| {
        let (action, destination) = match operation {
            Operation::AddService(..) => ("add-service", None),
            Operation::SetService(..) => ("edit-service", None),
            Operation::DeleteService(_) => ("delete-service", None),
            Operation::AddDestination(_, d) => ("add-server", Some((d.key, Some(d)))),
            Operation::SetDestination(_, d) => ("edit-server", Some((d.key, Some(d)))),
            Operation::DeleteDestination(_, key) => ("delete-server", Some((*key, None))),
        };
        let mut value = json!({ "action": action, "service": operation.service().to_string() });
        if let Operation::AddService(_, to) | Operation::SetService(_, to) = operation {
            describe_service(&mut value, to);
        }
        if let Some((key, destination)) = destination {
            value["server"] = json!(key.to_string());
            if let Some(destination) = destination {
                value["forwarding"] = json!(destination.forwarding.word());
                value["weight"] = json!(destination.weight);
                value["upper_threshold"] = json!(destination.upper_threshold);
                value["lower_threshold"] = json!(destination.lower_threshold);
            }
        }
        value
    });
    json!({ "operations": operations.collect::<Vec<_>>() })
}

fn describe_service(value: &mut serde_json::Value, service: &Service) {
    let scheduler = service.scheduler.as_ref();
    value["scheduler"] = json!(scheduler.map(Scheduler::name));
    value["flags"] = json!(service.flags.names(scheduler));
    let persistence = service.persistence.as_ref();
    value["persistence_timeout"] = json!(persistence.map(|p| p.timeout));
    value["persistence_netmask"] = json!(persistence.map(|p| p.netmask.to_string()));
    value["persistence_engine"] = json!(service.engine);
    value["one_packet"] = json!(service.one_packet);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Protocol, SchedulerFlags, ServiceKey};

    #[test]
    fn a_plan_reads_as_a_difference() {
        let key = ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: "192.0.2.100".parse().unwrap(),
            port: 80,
        };
        let server = |last: u8, weight| {
            let address = [192, 0, 2, last].into();
            Destination::new(
                DestinationKey { address, port: 80 },
                Forwarding::DirectRoute,
                weight,
            )
        };
        let held = [server(21, 1), server(22, 1)].map(|d| (d.key, d)).into();
        let entry = Entry {
            service: Service::new(Scheduler::wrr()),
            destinations: held,
        };
        let changed = Service {
            flags: SchedulerFlags(1),
            ..Service::new("sh".parse().unwrap())
        };
        let operations = [
            Operation::SetService(key, changed),
            Operation::AddDestination(key, server(23, 2)),
            Operation::SetDestination(key, server(21, 0)),
            Operation::DeleteDestination(key, server(22, 1).key),
        ];
        assert_eq!(
            text(&operations, &Table::from([(key, entry)])),
            "~ tcp:192.0.2.100:80 wrr -> sh (sh-fallback)\n    + 192.0.2.23:80 gate weight 2\n    \
             ~ 192.0.2.21:80 gate weight 1 -> gate weight 0\n    \
             - 192.0.2.22:80 gate weight 1\n4 changes\n"
        );
        let value = json(&operations);
        assert_eq!(value["operations"][0]["scheduler"], "sh");
        assert_eq!(value["operations"][0]["flags"][0], "sh-fallback");
        assert_eq!(value["operations"][1]["action"], "add-server");
        assert_eq!(value["operations"][3]["server"], "192.0.2.22:80");
    }
}
