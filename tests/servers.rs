//! Every check against the real server program.
//!
//! A test starts the program on loopback, in IPv4 and IPv6, and tells its [`Story`]: up,
//! wrong credentials, wrong content, stopped (it accepts and never answers), killed,
//! started again. The check is what `ldirectord.cf` says, read by the library.
//!
//! The programs are Debian packages of `scripts/lib/packages`; one that is missing fails
//! its test.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]
#![expect(unreachable_pub, reason = "a test program exports nothing")]

#[path = "servers/apache2.rs"]
mod apache2;
#[path = "servers/dovecot.rs"]
mod dovecot;
#[path = "servers/fixture.rs"]
mod fixture;
#[path = "servers/freeradius.rs"]
mod freeradius;
#[path = "servers/grpc.rs"]
mod grpc;
#[path = "servers/kamailio.rs"]
mod kamailio;
#[path = "servers/leafnode.rs"]
mod leafnode;
#[path = "servers/mariadb.rs"]
mod mariadb;
#[path = "servers/nginx.rs"]
mod nginx;
#[path = "servers/postfix.rs"]
mod postfix;
#[path = "servers/postgresql.rs"]
mod postgresql;
#[path = "servers/redis.rs"]
mod redis;
#[path = "servers/silent.rs"]
mod silent;
#[path = "servers/slapd.rs"]
mod slapd;
#[path = "servers/squid.rs"]
mod squid;
#[path = "servers/unbound.rs"]
mod unbound;
#[path = "servers/vsftpd.rs"]
mod vsftpd;
