//! The command line of ldirectord, parsed as Perl's option parser does. Pure.

use std::ffi::OsString;
use std::path::PathBuf;

/// Configuration read when only an action is given.
const DEFAULT_CONFIGURATION: &str = "ldirectord.cf";

/// Instance name that goes with it; without the `.cf`, unlike named ones.
const DEFAULT_INSTANCE: &str = "ldirectord";

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Start,
    Stop,
    Restart,
    TryRestart,
    Reload,
    ForceReload,
    Status,
}

impl Action {
    pub(super) const ALL: [Self; 7] = [
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::TryRestart,
        Self::Reload,
        Self::ForceReload,
        Self::Status,
    ];

    /// The word on the command line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::TryRestart => "try-restart",
            Self::Reload => "reload",
            Self::ForceReload => "force-reload",
            Self::Status => "status",
        }
    }
}

/// A complete command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invocation {
    /// `-d`: foreground, verbose, no pid file.
    pub(super) debug: bool,
    /// The configuration as it was named.
    pub(super) configuration: PathBuf,
    /// Name of the instance in pid file and log.
    pub(super) instance: String,
    pub(super) action: Action,
    /// All words after the options, the ignored ones included.
    pub(super) words: Vec<OsString>,
    /// Whether the configuration was named.
    pub(super) named: bool,
}

/// What the arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Help,
    Version,
    /// Nonsense, with what to say about it before the usage text.
    Usage(Vec<String>),
    Run(Invocation),
}

#[derive(Debug, Default)]
struct Flags {
    debug: bool,
    help: bool,
    version: bool,
    complaints: Vec<String>,
}

impl Flags {
    /// Sets the flag of a name; names longer than a letter fit in any case.
    fn set(&mut self, name: &str) -> bool {
        let folded = if name.len() > 1 {
            name.to_ascii_lowercase()
        } else {
            name.to_owned()
        };
        let flag = match folded.as_str() {
            "d" | "debug" => &mut self.debug,
            "h" | "?" | "help" => &mut self.help,
            "v" | "version" => &mut self.version,
            _ => return false,
        };
        *flag = true;
        true
    }

    fn long(&mut self, text: &str) {
        let (name, value) = match text.split_once('=') {
            Some((name, _)) => (name, true),
            None => (text, false),
        };
        if !self.set(name) {
            self.complaints.push(format!("Unknown option: {name}"));
        } else if value {
            self.complaints
                .push(format!("Option {name} does not take an argument"));
        }
    }

    /// A word that begins with `-` or `+`; `true` ends the options. Short options
    /// bundle, and a dash within a bundle begins a long one.
    fn word(&mut self, word: &str) -> bool {
        if let Some(long) = word.strip_prefix('+') {
            self.long(long);
            return false;
        }
        let mut rest = word.strip_prefix('-').unwrap_or(word);
        while let Some(letter) = rest.chars().next() {
            if letter == '-' {
                let long = &rest[1..];
                if !long.is_empty() {
                    self.long(long);
                }
                return long.is_empty();
            }
            let (short, after) = rest.split_at(letter.len_utf8());
            if !self.set(short) {
                self.complaints.push(format!("Unknown option: {short}"));
            }
            rest = after;
        }
        false
    }
}

/// Parses the arguments without the program's name.
pub(super) fn parse(arguments: &[OsString]) -> Request {
    let mut flags = Flags::default();
    let mut at = 0;
    while let Some(argument) = arguments.get(at) {
        let text = argument.to_string_lossy();
        if text.len() < 2 || !text.starts_with(['-', '+']) {
            break;
        }
        at += 1;
        if flags.word(&text) {
            break;
        }
    }
    if !flags.complaints.is_empty() {
        return Request::Usage(flags.complaints);
    }
    if flags.help {
        return Request::Help;
    }
    if flags.version {
        return Request::Version;
    }
    match invocation(flags.debug, &arguments[at..]) {
        Some(invocation) => Request::Run(invocation),
        None => Request::Usage(Vec::new()),
    }
}

fn invocation(debug: bool, words: &[OsString]) -> Option<Invocation> {
    let (configuration, action) = match words {
        [] => return None,
        [action] => (None, action),
        [configuration, action, ..] => (Some(configuration), action),
    };
    let action = Action::ALL
        .into_iter()
        .find(|known| *action == *known.word())?;
    let instance = match configuration {
        None => DEFAULT_INSTANCE.to_owned(),
        Some(path) => {
            let path = path.to_string_lossy();
            let last = path.rsplit('/').next().unwrap_or_default();
            last.to_owned()
        }
    };
    Some(Invocation {
        debug,
        configuration: configuration
            .map_or_else(|| PathBuf::from(DEFAULT_CONFIGURATION), PathBuf::from),
        instance,
        action,
        words: words.to_vec(),
        named: configuration.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Request {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        parse(&arguments)
    }

    fn run(line: &str) -> Invocation {
        match request(line) {
            Request::Run(invocation) => invocation,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn complaints(line: &str) -> Vec<String> {
        match request(line) {
            Request::Usage(complaints) => complaints,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn one_word_is_the_action_on_the_default_configuration() {
        let invocation = run("status");
        assert_eq!(invocation.configuration, PathBuf::from("ldirectord.cf"));
        assert_eq!(invocation.instance, "ldirectord");
        assert_eq!(invocation.action, Action::Status);
        assert!(!invocation.named);
    }

    #[test]
    fn two_words_are_configuration_and_action() {
        let invocation = run("/etc/ha.d/x.cf start");
        assert_eq!(invocation.configuration, PathBuf::from("/etc/ha.d/x.cf"));
        assert_eq!(invocation.instance, "x.cf");
        assert_eq!(run("ldirectord.cf stop").instance, "ldirectord.cf");
    }

    #[test]
    fn words_after_the_action_are_ignored() {
        let invocation = run("x.cf status junk");
        assert_eq!(invocation.action, Action::Status);
        assert_eq!(invocation.words.len(), 3);
    }

    #[test]
    fn options_end_at_the_first_word() {
        assert!(complaints("x.cf -d status").is_empty());
        assert!(run("-d x.cf status").debug);
        assert!(!run("x.cf status -d").debug);
    }

    #[test]
    fn two_dashes_end_the_options() {
        assert_eq!(run("-- x.cf status").instance, "x.cf");
        assert_eq!(run("-d -- status").action, Action::Status);
        assert!(complaints("-- -v").is_empty());
    }

    #[test]
    fn unknown_options_are_all_named() {
        assert_eq!(complaints("--bogus"), ["Unknown option: bogus"]);
        assert_eq!(
            complaints("--bogus=3 x.cf status"),
            ["Unknown option: bogus"]
        );
        let three = [
            "Unknown option: x",
            "Unknown option: V",
            "Unknown option: deb",
        ];
        assert_eq!(complaints("-dxV --deb"), three);
        assert_eq!(
            complaints("-d=1 -v"),
            ["Unknown option: =", "Unknown option: 1"]
        );
        assert_eq!(complaints("---v"), ["Unknown option: -v"]);
    }

    #[test]
    fn flags_take_no_value() {
        let complaint = ["Option debug does not take an argument"];
        assert_eq!(complaints("--debug=1 -v"), complaint);
        assert_eq!(complaints("--debug= -v"), complaint);
    }

    #[test]
    fn short_options_bundle_and_long_ones_ignore_case() {
        assert_eq!(request("-dv"), Request::Version);
        assert_eq!(request("-d-v"), Request::Version);
        assert_eq!(request("--DEBUG --Version"), Request::Version);
        assert_eq!(request("+d -v"), Request::Version);
        assert!(run("-dd start").debug);
    }

    #[test]
    fn help_has_three_names_and_goes_before_version() {
        for line in ["-h", "-?", "--help", "-vh", "--? status"] {
            assert_eq!(request(line), Request::Help, "{line}");
        }
    }

    #[test]
    fn missing_and_unknown_actions_are_usage_errors() {
        assert_eq!(parse(&[]), Request::Usage(Vec::new()));
        for line in ["foo", "-", "x.cf Status", "x.cf foo", "status x.cf", ""] {
            assert!(complaints(line).is_empty(), "{line}");
        }
    }
}
