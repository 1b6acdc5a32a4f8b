//! `service=http` against the Apache HTTP server.

use std::os::unix::fs::PermissionsExt;

use super::fixture::{Server, Story, free_port, loopback, probe, program, reason, self_signed};

fn start() -> Server {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let port = free_port();
    let modules = "/usr/lib/apache2/modules";
    let configuration = format!(
        "ServerRoot {path}
ServerName www.example.com
Listen 127.0.0.1:{port}
Listen [::1]:{port}
PidFile {path}/pid
DefaultRuntimeDir {path}
Mutex sem
ErrorLog /dev/stderr
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule alias_module {modules}/mod_alias.so
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
MinSpareThreads 1
MaxSpareThreads 8
DocumentRoot {path}/html
Redirect /moved /index.html
<Location /closed>
  Require all denied
</Location>
",
        path = path.display()
    );
    std::fs::create_dir(path.join("html")).unwrap();
    std::fs::write(path.join("html/index.html"), "<h1>Test Page</h1>\n").unwrap();
    std::fs::write(path.join("apache2.conf"), configuration).unwrap();
    // Its workers are another user.
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = program("/usr/sbin/apache2", "apache2");
    command
        .arg("-DFOREGROUND")
        .arg("-f")
        .arg(path.join("apache2.conf"));
    Server::start(command, port, directory)
}

// CHK-12
#[test]
fn pages_are_fetched() {
    let mut server = start();
    Story {
        good: "service=http\nrequest=\"/\"\nreceive=\"Test Page\"",
        wrong_credentials: None,
        wrong_content: Some("service=http\nrequest=\"/\"\nreceive=\"Other Page\""),
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        for (request, expected) in [
            ("moved", ""),
            ("gone", "HTTP status 404 Not Found"),
            ("closed", "HTTP status 403 Forbidden"),
        ] {
            let lines = format!("service=http\nrequest=\"{request}\"\nreceive=\"Test Page\"");
            assert_eq!(reason(&probe(address, &lines)), expected, "{request}");
        }
    }
}

/// A server for HTTPS in both versions, which asks for the certificate it knows itself.
fn start_tls() -> Server {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let port = free_port();
    let modules = "/usr/lib/apache2/modules";
    let configuration = format!(
        "ServerRoot {path}
ServerName server.example.com
Listen 127.0.0.1:{port}
Listen [::1]:{port}
PidFile {path}/pid
DefaultRuntimeDir {path}
Mutex sem
ErrorLog /dev/stderr
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule http2_module {modules}/mod_http2.so
LoadModule ssl_module {modules}/mod_ssl.so
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
MinSpareThreads 1
MaxSpareThreads 8
DocumentRoot {path}/html
Protocols h2 http/1.1
SSLEngine on
SSLSessionCache none
SSLCertificateFile {path}/certificate.pem
SSLCertificateKeyFile {path}/key.pem
SSLCACertificateFile {path}/certificate.pem
SSLVerifyClient require
SSLVerifyDepth 1
",
        path = path.display()
    );
    self_signed(path);
    std::fs::set_permissions(path.join("key.pem"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::create_dir(path.join("html")).unwrap();
    std::fs::write(path.join("html/index.html"), "<h1>Test Page</h1>\n").unwrap();
    std::fs::write(path.join("apache2.conf"), configuration).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = program("/usr/sbin/apache2", "apache2");
    command
        .arg("-DFOREGROUND")
        .arg("-f")
        .arg(path.join("apache2.conf"));
    Server::start(command, port, directory)
}

#[test]
fn client_certificates_are_shown_in_both_versions() {
    let mut server = start_tls();
    let path = server.directory.path().display().to_string();
    let verified = format!(
        "service=https\nrequest=\"/\"\nreceive=\"Test Page\"\nvirtualhost=server.example.com\ntlsverify=yes\ntlsca={path}/certificate.pem"
    );
    let known = format!("{verified}\ntlscert={path}/certificate.pem\ntlskey={path}/key.pem");
    let http2 = format!("{known}\nhttpversion=2");
    Story {
        good: &http2,
        wrong_credentials: Some(&verified),
        wrong_content: Some(&http2.replace("Test Page", "Other Page")),
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        assert_eq!(reason(&probe(address, &known)), "");
        let report = probe(address, &verified);
        assert!(reason(&report).contains("alert"), "{report:?}");
    }
}
