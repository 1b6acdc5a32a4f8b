//! OpenLDAP's slapd, plain and over TLS.

use std::path::Path;

use directord::model::{Outcome, Side};
use tempfile::TempDir;

use crate::fixture::{Server, Story, free_port, is_down, loopback, probe, program, reason};

const ENTRIES: &str = "\
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=monitor,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: monitor
userPassword: secret

dn: ou=web,dc=example,dc=com
objectClass: organizationalUnit
ou: web

dn: ou=other,dc=example,dc=com
objectClass: referral
objectClass: extensibleObject
ou: other
ref: ldap://192.0.2.9/ou=other,dc=example,dc=com
";

/// The site's only directory, of which strangers see the root alone.
fn configure(directory: &Path) {
    let at = directory.display();
    let text = format!(
        "include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {at}/pid
TLSCertificateFile {at}/certificate.pem
TLSCertificateKeyFile {at}/key.pem
database mdb
suffix dc=example,dc=com
rootdn cn=root,dc=example,dc=com
directory {at}/data
maxsize 1048576
access to attrs=userPassword by anonymous auth
access to dn.base=\"dc=example,dc=com\" by * read
access to * by users read
"
    );
    std::fs::write(directory.join("slapd.conf"), text).unwrap();
    std::fs::write(directory.join("entries.ldif"), ENTRIES).unwrap();
    std::fs::create_dir(directory.join("data")).unwrap();
    crate::fixture::self_signed(directory);
    let loaded = program("/usr/sbin/slapadd", "slapd")
        .arg("-f")
        .arg(directory.join("slapd.conf"))
        .arg("-l")
        .arg(directory.join("entries.ldif"))
        .output()
        .unwrap();
    assert!(loaded.status.success(), "{loaded:?}");
}

fn start(scheme: &str) -> Server {
    let directory = TempDir::new().unwrap();
    configure(directory.path());
    let port = free_port();
    let [v4, v6] = loopback(port).map(|address| format!("{scheme}://{address}/"));
    let mut slapd = program("/usr/sbin/slapd", "slapd");
    slapd
        .args(["-d", "stats", "-h", &format!("{v4} {v6}"), "-f"])
        .arg(directory.path().join("slapd.conf"));
    Server::start(slapd, port, directory)
}

/// Lines of a service that looks for the entry `base`.
fn lines(service: &str, password: &str, base: &str, receive: &str) -> String {
    format!(
        "service={service}
        login=\"cn=monitor,dc=example,dc=com\"
        passwd=\"{password}\"
        request=\"{base}\"
        receive=\"{receive}\""
    )
}

const WEB: &str = "ou=web,dc=example,dc=com";

// CHK-23, CHK-41
#[test]
fn ldap() {
    let mut server = start("ldap");
    let good = lines("ldap", "secret", WEB, "^ou=web,");
    let wrong = lines("ldap", "guess", WEB, "^ou=web,");
    let other = lines("ldap", "secret", WEB, "^ou=mail,");
    let story = Story {
        good: &good,
        wrong_credentials: Some(&wrong),
        wrong_content: Some(&other),
    };
    story.tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(address, &wrong);
        assert_eq!(reason(&report), "bind refused: invalid credentials (49)");
        let report = probe(address, &other);
        assert_eq!(
            reason(&report),
            "the entry found is \"ou=web,dc=example,dc=com\", which does not match \"^ou=mail,\""
        );
        let report = probe(
            address,
            &lines("ldap", "secret", "ou=no,dc=example,dc=com", "x"),
        );
        assert_eq!(reason(&report), "search failed: no such object (32)");
        let report = probe(
            address,
            &lines("ldap", "secret", "ou=other,dc=example,dc=com", "x"),
        );
        assert!(
            reason(&report).contains("ldap://192.0.2.9/ou=other"),
            "{report:?}"
        );
        let report = probe(address, &lines("ldap", "secret", "nonsense", "x"));
        assert!(
            reason(&report).contains("invalid DN syntax (34)"),
            "{report:?}"
        );
        // Nobody in particular sees the root of the directory, and that of the server.
        for base in ["dc=example,dc=com", "/"] {
            let report = probe(address, &format!("service=ldap\nrequest=\"{base}\""));
            assert_eq!(report.outcome, Outcome::Up, "{base}: {report:?}");
        }
        let report = probe(address, &format!("service=ldap\nrequest=\"{WEB}\""));
        assert!(is_down(&report), "{report:?}");
        let report = probe(address, &good);
        let said = String::from_utf8_lossy(&report.said_by(Side::Director)).into_owned();
        assert!(said.contains("***") && !said.contains("secret"), "{said}");
    }
    let output = server.output();
    assert!(output.contains(" UNBIND"), "no goodbye");
    assert!(
        output.contains("attr=1.1") || output.contains("attrs=1.1"),
        "{output}"
    );
}

// CHK-25
#[test]
fn ldaps() {
    let mut server = start("ldaps");
    let good = lines("ldaps", "secret", WEB, "^ou=web,");
    let wrong = lines("ldaps", "guess", WEB, "^ou=web,");
    let other = lines("ldaps", "secret", WEB, "^ou=mail,");
    let story = Story {
        good: &good,
        wrong_credentials: Some(&wrong),
        wrong_content: Some(&other),
    };
    story.tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(
            address,
            &format!(
                "{}\nnegotiatetimeout=5",
                lines("ldap", "secret", WEB, "web")
            ),
        );
        assert!(is_down(&report), "plain to a TLS port: {report:?}");
    }
    let plain = start("ldap");
    for address in loopback(plain.port) {
        crate::fixture::await_port(plain.port);
        let report = probe(address, &good);
        assert!(
            reason(&report).contains("TLS handshake failed"),
            "TLS to a plain port: {report:?}"
        );
    }
}
