//! `cl_status`: what Heartbeat's status command says of a pair. Pure.
//!
//! Exit codes as in its source, not as in its manual: 0 good, 1 the normal bad case (a node is
//! dead, the cluster is stopped), 11 nonsense on the command line, 13 anything else.

use super::Answer;
use crate::director::pair::status::{LinkStatus, PairStatus};

const GOOD: u8 = 0;
const BAD: u8 = 1;
const USAGE: u8 = 11;
const OTHER: u8 = 13;

const HELP: &str = "\
Usage: cl_status SUB-COMMAND [OPTIONS] [PARAMETERS]

Sub-commands:
  hbstatus [-v]                     whether the cluster runs on this host
  listnodes [-p|-n] [-v]            the nodes: -p only ping nodes, -n only others
  nodestatus NODE                   active, ping or dead
  nodetype NODE                     normal or ping
  listhblinks [-v] NODE             the links
  hblinkstatus NODE LINK            up or dead
  rscstatus                         none, local, foreign, all or transition
  hbparameter -p NAME               keepalive, deadtime, initdead, auto_failback, hbversion
  clientstatus NODE CLIENT [MS]     always offline: the pair needs no clients

-m: in words for people. directord's own: directord failover status
";

/// The words of a command line: sub-command, options, parameters.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a letter of its own on the command line"
)]
struct Words<'a> {
    command: &'a str,
    human: bool,
    verbose: bool,
    ping: bool,
    normal: bool,
    parameter: Option<&'a str>,
    rest: Vec<&'a str>,
}

/// Sub-commands with the options they take.
const COMMANDS: [(&str, &str); 9] = [
    ("hbstatus", "mv"),
    ("listnodes", "mpnv"),
    ("nodestatus", "m"),
    ("nodetype", "m"),
    ("listhblinks", "mv"),
    ("hblinkstatus", "m"),
    ("rscstatus", "m"),
    ("hbparameter", "mP"),
    ("clientstatus", "m"),
];

/// Reads a command line; options stand anywhere behind the sub-command.
fn parse(words: &[String]) -> Result<Words<'_>, Answer> {
    let first = words.first().map(String::as_str);
    let Some(command) = first.filter(|word| *word != "-h" || words.len() > 1) else {
        return Err(Answer::new(GOOD, HELP));
    };
    let Some((_, options)) = COMMANDS.iter().find(|(name, _)| *name == command) else {
        let text = format!("cl_status: {}: invalid sub-command.\n", plain(command));
        return Err(Answer::complaint(USAGE, text));
    };
    let mut parsed = Words {
        command,
        human: false,
        verbose: false,
        ping: false,
        normal: false,
        parameter: None,
        rest: Vec::new(),
    };
    let mut words = words[1..].iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|l| !l.is_empty()) else {
            parsed.rest.push(word);
            continue;
        };
        // `-p NAME` and `-pNAME`.
        if let Some(value) = letters.strip_prefix('p').filter(|_| options.contains('P')) {
            let separate = value.is_empty();
            parsed.parameter = if separate {
                words.next().map(String::as_str)
            } else {
                Some(value)
            };
            continue;
        }
        for letter in letters.chars() {
            match letter {
                'm' => parsed.human = true,
                'v' if options.contains('v') => parsed.verbose = true,
                'p' if options.contains('p') => parsed.ping = true,
                'n' if options.contains('n') => parsed.normal = true,
                _ => {
                    let text = format!(
                        "cl_status: invalid option -{}\n",
                        plain(&letter.to_string())
                    );
                    return Err(Answer::complaint(USAGE, text));
                }
            }
        }
    }
    Ok(parsed)
}

/// Everything that can be answered without asking the director: help and nonsense.
pub(super) fn without_cluster(words: &[String]) -> Option<Answer> {
    parse(words).err()
}

/// The answer to a command line; `cluster` is the pair, or why there is none.
pub(super) fn answer(words: &[String], cluster: Result<&PairStatus, &str>) -> Answer {
    let words = match parse(words) {
        Ok(words) => words,
        Err(answer) => return answer,
    };
    let pair = match cluster {
        Ok(pair) => pair,
        Err(reason) if words.command == "hbstatus" => {
            let mut out = "Heartbeat is stopped on this machine.\n".to_owned();
            if words.verbose {
                out.push_str(&format!("({})\n", plain(reason)));
            }
            return Answer::new(BAD, out);
        }
        Err(reason) => {
            let reason = plain(reason);
            let text =
                format!("cl_status: Cannot signon with heartbeat\ncl_status: REASON: {reason}\n");
            return Answer::complaint(BAD, text);
        }
    };
    let cluster = Cluster(pair);
    match words.command {
        "hbstatus" => cluster.hbstatus(&words),
        "listnodes" => Answer::new(GOOD, cluster.nodes_text(&words)),
        "nodestatus" => cluster.nodestatus(&words),
        "nodetype" => cluster.nodetype(&words),
        "listhblinks" => cluster.listhblinks(&words),
        "hblinkstatus" => cluster.hblinkstatus(&words),
        "rscstatus" => cluster.rscstatus(&words),
        "hbparameter" => cluster.hbparameter(&words),
        _ if words.rest.len() < 2 => not_enough(),
        _ => Answer::new(BAD, "offline\n"),
    }
}

fn not_enough() -> Answer {
    Answer::complaint(USAGE, "Not enough parameters.\n")
}

fn wrong_node() -> Answer {
    Answer::complaint(USAGE, "Error. May be due to incorrect node name\n")
}

struct Cluster<'a>(&'a PairStatus);

/// A node as Heartbeat sees it.
struct Node<'a> {
    name: &'a str,
    status: &'static str,
    is_ping: bool,
}

impl Node<'_> {
    fn kind(&self) -> &'static str {
        if self.is_ping { "ping" } else { "normal" }
    }
}

impl<'a> Cluster<'a> {
    /// This node, its peer, and what its tracks ping.
    fn nodes(&self) -> Vec<Node<'a>> {
        let pair = self.0;
        let normal = |name: &'a str, alive| Node {
            name,
            status: if alive { "active" } else { "dead" },
            is_ping: false,
        };
        let mut nodes = vec![
            normal(&pair.node, true),
            normal(&pair.peer.name, pair.peer.alive),
        ];
        let tracks = pair.instances.iter().flat_map(|one| &one.tracks);
        for track in tracks.filter(|track| track.kind == "ping") {
            if nodes.iter().all(|node| node.name != track.target) {
                nodes.push(Node {
                    name: &track.target,
                    status: if track.state.starts_with("down") {
                        "dead"
                    } else {
                        "ping"
                    },
                    is_ping: true,
                });
            }
        }
        nodes
    }

    fn node(&self, name: &str) -> Option<Node<'a>> {
        // Heartbeat folds the case of node names.
        let mut nodes = self.nodes().into_iter();
        nodes.find(|node| node.name.eq_ignore_ascii_case(name))
    }

    fn hbstatus(&self, words: &Words<'_>) -> Answer {
        if !words.verbose {
            return Answer::new(GOOD, "Heartbeat is running on this machine.\n");
        }
        let version = env!("CARGO_PKG_VERSION");
        let mut out = format!("version:\tdirectord {version}\nmanaged by:\tdirectord.yaml\n");
        out.push_str(&self.nodes_text(words));
        Answer::new(GOOD, out)
    }

    fn nodes_text(&self, words: &Words<'_>) -> String {
        let mut out = String::new();
        if words.human {
            // As the original says it.
            out.push_str("The nodes are as follow:\n");
        }
        let every = words.ping == words.normal;
        for node in self.nodes() {
            if !every && words.ping != node.is_ping {
                continue;
            }
            let name = plain(node.name);
            if words.verbose {
                let (status, kind) = (node.status, node.kind());
                out.push_str(&format!("\n{name}\t{status}\t(nodetype: {kind})\n"));
                out.push_str(&self.links_text(&node, true));
            } else {
                out.push_str(&format!("{name}\n"));
            }
        }
        out
    }

    fn nodestatus(&self, words: &Words<'_>) -> Answer {
        let Some(name) = words.rest.first() else {
            return not_enough();
        };
        let Some(node) = self.node(name) else {
            return wrong_node();
        };
        let status = node.status;
        let code = if status == "dead" { BAD } else { GOOD };
        let human = format!("The cluster node {} is {status}\n", plain(name));
        Answer::new(code, words.say(human, status))
    }

    fn nodetype(&self, words: &Words<'_>) -> Answer {
        let Some(name) = words.rest.first() else {
            return not_enough();
        };
        let Some(node) = self.node(name) else {
            return wrong_node();
        };
        let human = format!("The node {}'s type: {}\n", plain(name), node.kind());
        Answer::new(GOOD, words.say(human, node.kind()))
    }

    fn links_text(&self, node: &Node<'_>, verbose: bool) -> String {
        let line = |name: &str, status: &str| {
            let name = plain(name);
            if verbose {
                format!("\t{name}\t{status}\n")
            } else {
                format!("\t{name}\n")
            }
        };
        if node.is_ping {
            let status = if node.status == "ping" { "up" } else { "dead" };
            return line(node.name, status);
        }
        let links = self.0.links.iter();
        links
            .map(|link| line(&link.name, link_status(link)))
            .collect()
    }

    fn listhblinks(&self, words: &Words<'_>) -> Answer {
        let Some(name) = words.rest.first() else {
            return not_enough();
        };
        let Some(node) = self.node(name) else {
            return Answer::complaint(
                OTHER,
                "cl_status: Cannot start heartbeat link interface walk.\n",
            );
        };
        let mut out = String::new();
        if words.human {
            out.push_str("\tthis node has the following heartbeat links:\n");
        }
        out.push_str(&self.links_text(&node, words.verbose));
        Answer::new(GOOD, out)
    }

    fn hblinkstatus(&self, words: &Words<'_>) -> Answer {
        let [name, wanted, ..] = words.rest.as_slice() else {
            return not_enough();
        };
        let node = self.node(name);
        let status = node.and_then(|node| {
            if node.is_ping {
                let status = if node.status == "ping" { "up" } else { "dead" };
                return (node.name == *wanted).then_some(status);
            }
            let mut links = self.0.links.iter();
            links.find(|link| link.name == *wanted).map(link_status)
        });
        let Some(status) = status else {
            return Answer::complaint(OTHER, "cl_status: Cannot get heartbeat link status\n");
        };
        let code = if status == "up" { GOOD } else { BAD };
        let human = format!(
            "The node {}'s heartbeat link {} is {status}\n",
            plain(name),
            plain(wanted)
        );
        Answer::new(code, words.say(human, status))
    }

    /// What this node holds: all, nothing, or what prefers it or the other.
    fn rscstatus(&self, words: &Words<'_>) -> Answer {
        let pair = self.0;
        let held: Vec<_> = pair
            .instances
            .iter()
            .filter(|one| one.state == "active")
            .collect();
        let is_moving = |state: &str| {
            matches!(
                state,
                "init" | "wait" | "probe" | "acquire" | "release" | "blocked"
            )
        };
        let moves = pair.instances.iter().any(|one| is_moving(&one.state));
        let is_own =
            |preferred: &Option<String>| preferred.as_ref().is_none_or(|n| *n == pair.node);
        let status = if moves {
            "transition"
        } else if held.is_empty() {
            "none"
        } else if held.len() == pair.instances.len() {
            "all"
        } else if held.iter().any(|one| is_own(&one.preferred)) {
            "local"
        } else {
            "foreign"
        };
        let human = format!("This node is holding {status} resources.\n");
        Answer::new(GOOD, words.say(human, status))
    }

    fn hbparameter(&self, words: &Words<'_>) -> Answer {
        let Some(name) = words.parameter else {
            return Answer::complaint(USAGE, "cl_status: parameter name required\n");
        };
        let timing = &self.0.timing;
        let milliseconds = |seconds: f64| format!("{:.0}ms", seconds * 1000.0);
        let value = match name {
            "keepalive" => milliseconds(timing.advert_interval),
            "deadtime" => milliseconds(timing.dead_after),
            "initdead" => milliseconds(timing.start_wait),
            "auto_failback" if timing.preempt_delay.is_some() => "on".to_owned(),
            "auto_failback" => "off".to_owned(),
            "hbversion" => concat!("directord ", env!("CARGO_PKG_VERSION")).to_owned(),
            _ => {
                let text = format!("cl_status: Cannot get parameter {}'s value\n", plain(name));
                return Answer::complaint(BAD, text);
            }
        };
        let human = format!("Heartbeat parameter {name}'s value: {value}\n");
        Answer::new(GOOD, words.say(human, &value))
    }
}

impl Words<'_> {
    fn say(&self, human: String, word: &str) -> String {
        if self.human {
            human
        } else {
            format!("{word}\n")
        }
    }
}

/// A link is up that the peer is heard on.
fn link_status(link: &LinkStatus) -> &'static str {
    if matches!(link.state.as_str(), "up" | "only in") {
        "up"
    } else {
        "dead"
    }
}

fn plain(text: &str) -> String {
    super::super::failover::plain(text)
}

#[cfg(test)]
mod tests {
    use super::super::super::failover::sample;
    use super::*;

    fn ask(line: &str, pair: &PairStatus) -> (u8, String) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let Answer { out, err, code } = answer(&words, Ok(pair));
        assert!(out.is_empty() || err.is_empty(), "{line}");
        (code, out + &err)
    }

    #[test]
    fn a_whole_pair_in_heartbeats_words() {
        let pair = sample::active();
        for (line, out) in [
            ("hbstatus", "Heartbeat is running on this machine.\n"),
            ("listnodes", "loadb1\nloadb2\n192.0.2.1\n"),
            ("listnodes -n", "loadb1\nloadb2\n"),
            ("listnodes -p", "192.0.2.1\n"),
            ("listnodes -p -n", "loadb1\nloadb2\n192.0.2.1\n"),
            ("nodestatus loadb1", "active\n"),
            ("nodestatus LOADB2", "active\n"),
            ("nodestatus 192.0.2.1", "ping\n"),
            (
                "nodestatus -m loadb2",
                "The cluster node loadb2 is active\n",
            ),
            (
                "nodestatus loadb2 -m",
                "The cluster node loadb2 is active\n",
            ),
            ("nodetype loadb2", "normal\n"),
            ("nodetype 192.0.2.1", "ping\n"),
            ("listhblinks loadb2", "\tlan\n\tprivate\n"),
            ("listhblinks -v loadb2", "\tlan\tup\n\tprivate\tup\n"),
            ("hblinkstatus loadb2 lan", "up\n"),
            (
                "hblinkstatus -m loadb2 lan",
                "The node loadb2's heartbeat link lan is up\n",
            ),
            ("rscstatus", "all\n"),
            ("rscstatus -m", "This node is holding all resources.\n"),
            ("hbparameter -p keepalive", "200ms\n"),
            ("hbparameter -pdeadtime", "1000ms\n"),
            ("hbparameter -p auto_failback", "off\n"),
        ] {
            assert_eq!(ask(line, &pair), (0, out.to_owned()), "{line}");
        }
        let verbose = ask("listnodes -v", &pair).1;
        assert!(
            verbose.starts_with("\nloadb1\tactive\t(nodetype: normal)\n\tlan\tup\n"),
            "{verbose}"
        );
        assert!(verbose.ends_with("\n192.0.2.1\tping\t(nodetype: ping)\n\t192.0.2.1\tup\n"));
    }

    #[test]
    fn what_is_dead_ends_with_1() {
        let mut pair = sample::standby();
        pair.peer.alive = false;
        pair.links[0].state = "down".to_owned();
        pair.instances[0].tracks[0].state = "down: no answer".to_owned();
        for (line, out) in [
            ("nodestatus loadb2", "dead\n"),
            ("nodestatus 192.0.2.1", "dead\n"),
            ("hblinkstatus loadb2 lan", "dead\n"),
            ("hblinkstatus 192.0.2.1 192.0.2.1", "dead\n"),
            ("clientstatus loadb1 ipfail", "offline\n"),
        ] {
            assert_eq!(ask(line, &pair), (1, out.to_owned()), "{line}");
        }
    }

    #[test]
    fn resources_are_none_local_foreign_all_or_in_transition() {
        let rscstatus = |states: [&str; 2]| {
            let mut pair = sample::standby();
            let mut mail = pair.instances[0].clone();
            mail.name = "mail".to_owned();
            mail.preferred = Some("loadb2".to_owned());
            pair.instances[0].preferred = Some("loadb1".to_owned());
            pair.instances.push(mail);
            for (instance, state) in pair.instances.iter_mut().zip(states) {
                instance.state = state.to_owned();
            }
            ask("rscstatus", &pair).1.trim_end().to_owned()
        };
        assert_eq!(rscstatus(["standby", "standby"]), "none");
        assert_eq!(rscstatus(["active", "standby"]), "local");
        assert_eq!(rscstatus(["fault", "active"]), "foreign");
        assert_eq!(rscstatus(["active", "active"]), "all");
        assert_eq!(rscstatus(["release", "active"]), "transition");
    }

    #[test]
    fn without_a_cluster_there_is_one_answer() {
        let ask = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            answer(&words, Err("nobody\nlistens"))
        };
        let stopped = Answer::new(1, "Heartbeat is stopped on this machine.\n");
        assert_eq!(ask("hbstatus"), stopped);
        assert!(ask("hbstatus -v").out.ends_with("(nobody?listens)\n"));
        for line in ["listnodes", "nodestatus loadb1", "rscstatus"] {
            let answer = ask(line);
            assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{line}");
            assert!(answer.err.contains("Cannot signon with heartbeat"));
        }
    }

    #[test]
    fn nonsense_is_told_from_failure() {
        let pair = sample::active();
        for line in [
            "frobnicate",
            "listnodes -x",
            "nodestatus -p loadb1",
            "nodestatus",
            "nodestatus nobody",
            "nodetype nobody",
            "hblinkstatus loadb2",
            "hbparameter",
            "hbparameter -p",
            "clientstatus loadb1",
        ] {
            assert_eq!(ask(line, &pair).0, 11, "{line}");
        }
        for line in [
            "hblinkstatus loadb2 eth9",
            "hblinkstatus nobody lan",
            "listhblinks nobody",
        ] {
            assert_eq!(ask(line, &pair).0, 13, "{line}");
        }
        assert_eq!(ask("hbparameter -p respawn", &pair).0, 1);
        for line in ["", "-h"] {
            let (code, out) = ask(line, &pair);
            assert_eq!(code, 0);
            assert!(out.starts_with("Usage: cl_status "));
        }
    }
}
