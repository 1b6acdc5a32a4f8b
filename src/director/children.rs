//! Child instances: each `execute=NAME` is another configuration, run by an instance of its
//! own that starts, reloads and stops with this one.

use crate::config::Config;

use super::commands::Command;

/// What commands about child instances have in common: they run one after the other.
pub(super) const CONCERN: &str = "children";

fn instance(name: &str, action: &str) -> Command {
    Command {
        program: "/proc/self/exe".to_owned(),
        arguments: vec!["ldirectord".to_owned(), name.to_owned(), action.to_owned()],
        confined: false,
    }
}

/// The child instances that a configuration asks for.
pub(super) fn names(config: &Config) -> Vec<String> {
    let children = &config.globals.execute;
    children.iter().map(|child| child.path.clone()).collect()
}

/// Starts a child instance; nothing happens when it runs.
pub(super) fn start(name: &str) -> Command {
    instance(name, "start")
}

/// Stops a child instance.
pub(super) fn stop(name: &str) -> Command {
    instance(name, "stop")
}

/// What a reload means for the children: vanished ones stop, the others reload, and start in
/// case they did not run.
pub(super) fn reload(before: &[String], after: &[String]) -> Vec<Command> {
    let gone = before.iter().filter(|name| !after.contains(name));
    let stops = gone.map(|name| stop(name));
    let others = after.iter().flat_map(|name| {
        let reload = before.contains(name).then(|| instance(name, "reload"));
        reload.into_iter().chain([start(name)])
    });
    stops.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_stops_vanished_children_and_starts_or_reloads_the_others() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let actions: Vec<String> = reload(&names(&["a", "b"]), &names(&["b", "c"]))
            .into_iter()
            .map(|command| command.arguments[1..].join(" "))
            .collect();
        assert_eq!(actions, ["a stop", "b reload", "b start", "c start"]);
    }
}
