//! What `ldirectord` says about itself.

/// Version that the last ldirectord calls itself; scripts look for it.
pub(super) const VERSION: &str = "v1.186-ha";

/// Printed for `-v`.
pub(super) const ABOUT: &str = concat!(
    "Linux Director v1.186-ha (directord ",
    env!("CARGO_PKG_VERSION"),
    ")\n",
    "The directord authors\n",
    "A program of its own with the command line and configuration of ldirectord\n",
    "\n",
    "directord comes with ABSOLUTELY NO WARRANTY.\n",
    "This is free software, and you are welcome to redistribute it\n",
    "under the terms of the MIT or the Apache-2.0 licence.\n",
);

/// Printed when the command line makes no sense.
pub(super) const USAGE: &str = "\
Usage:
    ldirectord [-d|--debug] [--] [CONFIG] ACTION
    ldirectord [-h|-?|--help|-v|--version]

Actions:
    start | stop | restart | try-restart | reload | force-reload | status

Options:
    CONFIG          name of a configuration in /etc/ha.d or /etc/ha.d/conf, or
                    a path; ldirectord.cf when left out
    -d, --debug     stay in the foreground and log to standard error
    -h, --help      print the manual
    -v, --version   print the version
";

/// Printed for `-h`.
pub(super) const MANUAL: &str = "\
NAME
    ldirectord - checks real servers and programs Linux Virtual Server with the
    ones that work

SYNOPSIS
    ldirectord [-d|--debug] [--] [CONFIG] ACTION
    ldirectord [-h|-?|--help|-v|--version]

DESCRIPTION
    directord under the name of ldirectord takes ldirectord's command line and
    configuration files. It reads the virtual services of a configuration, enters
    them into the kernel's IPVS table, checks each real server and takes those out
    that fail.

    CONFIG is looked for in /etc/ha.d, in /etc/ha.d/conf, then as a path; the first
    regular file is taken. Without CONFIG it is ldirectord.cf. The last part of
    CONFIG names the instance (\"ldirectord\" without CONFIG); instances of
    different names run side by side.

OPTIONS
    Options stand before the first word. Letters may be joined; -- ends options.

    -d, --debug     Stay in the foreground, log more and to standard error, write
                    no pid file.
    -h, -?, --help  Print this text.
    -v, --version   Print the version.

ACTIONS
    start           Start the daemon. Returns when the table is set up. An instance
                    that is running is left alone.
    stop            Stop the daemon. Returns when it has removed its services and
                    ended; with cleanstop=no they stay. Works also when the
                    configuration has become unreadable.
    restart         Stop, then start.
    try-restart     The same, only if the instance is running.
    reload, force-reload
                    Have the daemon read its configuration again. One with an error
                    is refused here, before the daemon is asked.
    status          Say whether the instance is running, and the same of those that
                    its execute lines name.

EXIT STATUS
    0    done, or nothing to do; status: running
    1    failed; reload: not running; status: a stale pid file was found
    2    the configuration has an error
    3    status: stopped
    255  unknown option, no or unknown action

FILES
    /etc/ha.d/ldirectord.cf              the default configuration
    /var/run/ldirectord.INSTANCE.pid     process id of an instance
    /var/log/ldirectord.log              the default log; reopened for every line

SIGNALS
    TERM, INT, QUIT  orderly end, as stop asks for
    HUP              read the configuration again

SEE ALSO
    directord --help
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_text_has_the_lines_of_the_original() {
        assert_eq!(ABOUT.lines().count(), 7);
        assert!(ABOUT.starts_with(&format!("Linux Director {VERSION}")));
        assert_eq!(ABOUT.lines().nth(3), Some(""));
    }

    #[test]
    fn the_manual_names_every_action() {
        for action in super::super::arguments::Action::ALL {
            assert!(MANUAL.contains(action.word()) && USAGE.contains(action.word()));
        }
    }
}
