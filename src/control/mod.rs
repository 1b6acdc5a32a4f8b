//! The control socket: status and commands.
