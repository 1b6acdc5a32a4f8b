//! Completion of the command line: a script for each shell that asks the program itself, so
//! that services and servers are those that there are.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{EnvCompleter as _, Fish, Shells, Zsh};

use super::args::{Arguments, SOCKET_VARIABLE};
use super::commands::runtime;
use super::exit::Exit;
use crate::control::{Client, DEFAULT_SOCKET};
use crate::director::status::Status;
use crate::kernel::{self, Ipvs as _};

/// Names the shell that asks for completions.
pub(super) const VARIABLE: &str = "DIRECTORD_COMPLETE";
/// How long a person who pressed a key should wait for the director.
const PATIENCE: Duration = Duration::from_millis(500);

/// The one for bash is our own: it joins words again that bash parts at colons.
const BASH: &str = r#"# Completion of directord for bash: `source <(directord completions bash)`.
_directord() {
    local words current before IFS=$' \t\n'
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:0:COMP_POINT} == *' ' ]] && words+=('')
    current=${words[-1]-}
    IFS=$'\013'
    COMPREPLY=($(_CLAP_IFS=$IFS _CLAP_COMPLETE_INDEX=$((${#words[@]} - 1)) \
        DIRECTORD_COMPLETE=bash directord -- "${words[@]}" 2>/dev/null))
    # What stands before the last colon is another word to bash, and stays as it is.
    before=${current%"${current##*:}"}
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
    [[ ${COMPREPLY-} == *[=/:] ]] && compopt -o nospace
    return 0
}
complete -o bashdefault -F _directord directord
"#;

/// Shells that can be helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    /// bash 4.4 or newer
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// The script that a shell reads once.
pub(super) fn script(shell: Shell) -> std::io::Result<String> {
    let (name, mut text) = ("directord", Vec::new());
    match shell {
        Shell::Bash => text.extend_from_slice(BASH.as_bytes()),
        Shell::Zsh => Zsh.write_registration(VARIABLE, name, name, name, &mut text)?,
        Shell::Fish => Fish.write_registration(VARIABLE, name, name, name, &mut text)?,
    }
    String::from_utf8(text).map_err(std::io::Error::other)
}

/// Answers a shell: `directord -- WORD…`, the last or the one it tells being completed.
pub(super) fn answer(shell: &OsStr, arguments: Vec<OsString>) -> ExitCode {
    let shells = Shells::builtins();
    let completer = shell.to_str().and_then(|name| shells.completer(name));
    let (Some(completer), true) = (completer, arguments.len() > 2) else {
        return Exit::Usage.into();
    };
    let mut command = Arguments::command();
    command.build();
    let words = arguments.into_iter().skip(2).collect();
    let directory = std::env::current_dir().ok();
    let mut text = Vec::new();
    let written = completer
        .write_complete(&mut command, words, directory.as_deref(), &mut text)
        .and_then(|()| std::io::stdout().write_all(&text));
    match written {
        Ok(()) => Exit::Success.into(),
        Err(_) => Exit::Failure.into(),
    }
}

/// Services of the kernel, or of the director when the kernel may not be asked.
pub(super) fn services() -> Vec<CompletionCandidate> {
    let mut names: Vec<String> = match table() {
        Some(table) => table.keys().map(ToString::to_string).collect(),
        None => director().map_or_else(Vec::new, |status| {
            let services = status.services.into_iter();
            services.map(|service| service.service).collect()
        }),
    };
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Real servers of the kernel, or of the director when the kernel may not be asked.
pub(super) fn servers() -> Vec<CompletionCandidate> {
    let mut names: Vec<String> = match table() {
        Some(table) => {
            let services = table.values();
            let servers = services.flat_map(|service| service.destinations.keys());
            servers.map(ToString::to_string).collect()
        }
        None => director().map_or_else(Vec::new, |status| {
            let servers = status
                .services
                .into_iter()
                .flat_map(|service| service.servers);
            servers.map(|server| server.server).collect()
        }),
    };
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn table() -> Option<crate::model::ObservedTable> {
    kernel::ipvs::Client::open().ok()?.dump().ok()
}

fn director() -> Option<Status> {
    let socket = std::env::var_os(SOCKET_VARIABLE);
    let client = Client::new(
        socket
            .as_deref()
            .unwrap_or(DEFAULT_SOCKET.as_ref())
            .as_ref(),
    );
    let answer = async { tokio::time::timeout(PATIENCE, client.status()).await };
    runtime().ok()?.block_on(answer).ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(words: &[&str]) -> Vec<String> {
        let mut command = Arguments::command();
        let words = words.iter().map(OsString::from).collect::<Vec<_>>();
        let index = words.len() - 1;
        let found = clap_complete::engine::complete(&mut command, words, index, None).unwrap();
        let values = found.iter().map(CompletionCandidate::get_value);
        values
            .map(|value| value.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn commands_options_and_their_values_are_completed() {
        assert!(complete(&["directord", "li"]).contains(&"list".to_owned()));
        let options = complete(&["directord", "list", "--s"]);
        for option in [
            "--service",
            "--server",
            "--state",
            "--sort",
            "--sync",
            "--stats",
        ] {
            assert!(
                options.contains(&option.to_owned()),
                "{option}: {options:?}"
            );
        }
        assert_eq!(
            complete(&["directord", "list", "--state", "qui"]),
            ["quiescent"]
        );
        assert!(complete(&["directord", "completions", ""]).contains(&"zsh".to_owned()));
    }

    #[test]
    fn every_shell_has_a_script_that_asks_the_program() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell).unwrap();
            assert!(script.contains(VARIABLE), "{script}");
            assert!(script.contains("directord"), "{script}");
        }
    }
}
