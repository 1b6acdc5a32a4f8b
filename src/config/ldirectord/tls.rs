//! Directives of TLS checks, which ldirectord does not have.

use std::net::IpAddr;
use std::sync::Arc;

use super::options::set;
use super::value::Value;
use crate::config::effective::{FileName, Line};
use crate::config::names::Names;
use crate::config::source::{Context, Span, quoted};
use crate::config::tls::TlsSettings;
use crate::model::{Identity, Pem, Tls, TlsName, TlsVersion, Trust};

/// Most days of warning: ten years.
const EXPIRY_MAX: u32 = 3650;

/// What was set, and by which words.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsOptions {
    pub(super) settings: TlsSettings,
    pub(super) used: Vec<(&'static str, Span)>,
}

impl TlsOptions {
    /// Takes a directive; `false` when it is none of these.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, value: &Value<'_>) -> bool {
        let settings = &mut self.settings;
        let name = match value.name {
            "tlsverify" => {
                settings.verify = value.yes_no(cx).unwrap_or(settings.verify);
                "tlsverify"
            }
            "tlsca" => {
                set(&mut settings.authorities, read_path(cx, value));
                "tlsca"
            }
            "tlsname" => {
                set(&mut settings.name, read_name(cx, value));
                "tlsname"
            }
            "tlscert" => {
                set(&mut settings.certificate, read_path(cx, value));
                "tlscert"
            }
            "tlskey" => {
                set(&mut settings.key, read_path(cx, value));
                "tlskey"
            }
            "tlsmin" => {
                settings.minimum = read_version(cx, value).unwrap_or(settings.minimum);
                "tlsmin"
            }
            "tlsexpiry" => {
                let message = "invalid number of days";
                set(
                    &mut settings.expiry_days,
                    value.number(cx, message, 0..=EXPIRY_MAX),
                );
                "tlsexpiry"
            }
            _ => return false,
        };
        self.used.push((name, value.whole));
        true
    }

    /// How TLS is spoken; what cannot be is reported where it was written.
    pub(super) fn client(
        &self,
        cx: &mut Context<'_>,
        names: &Names,
        virtual_host: Option<&str>,
    ) -> Arc<Tls> {
        let settings = &self.settings;
        self.note_pairs(cx);
        let mut pem = |name: &str, file: &Option<FileName>| -> Option<Pem> {
            match names.file(&file.as_ref()?.path) {
                Ok(pem) => Some(pem.clone()),
                Err(why) => {
                    let path = quoted(&file.as_ref()?.path);
                    let message = format!("{name}: {path} cannot be used: {why}");
                    cx.error(self.place(name), message)
                        .help("name a PEM file that this program can read; keys only by it");
                    None
                }
            }
        };
        let authorities = pem("tlsca", &settings.authorities);
        let certificates = pem("tlscert", &settings.certificate);
        let key = pem("tlskey", &settings.key);
        Arc::new(Tls {
            trust: match authorities {
                _ if !settings.verify => Trust::Any,
                None => Trust::System,
                Some(file) => Trust::File(file),
            },
            name: match &settings.name {
                Some(name) => name.clone(),
                None => virtual_host.map_or(TlsName::Address, name_of_host),
            },
            identity: certificates
                .zip(key)
                .map(|(certificates, key)| Identity { certificates, key }),
            minimum: settings.minimum,
            expiry_days: settings.warning(),
        })
    }

    /// Words that only count with others.
    fn note_pairs(&self, cx: &mut Context<'_>) {
        let settings = &self.settings;
        if settings.authorities.is_some() && !settings.verify {
            cx.error(self.place("tlsca"), "tlsca counts only with tlsverify=yes")
                .help("add tlsverify=yes, or remove the line");
        }
        for (name, file, other, partner) in [
            ("tlscert", &settings.certificate, "tlskey", &settings.key),
            ("tlskey", &settings.key, "tlscert", &settings.certificate),
        ] {
            if file.is_some() && partner.is_none() {
                cx.error(self.place(name), format!("{name} counts only with {other}"))
                    .help(format!("add {other}=FILE, or remove the line"));
            }
        }
    }

    /// Where a word was last used.
    fn place(&self, name: &str) -> Span {
        let mut used = self.used.iter().rev();
        used.find(|(known, _)| *known == name)
            .map_or_else(Span::default, |(_, span)| *span)
    }
}

fn read_path(cx: &mut Context<'_>, value: &Value<'_>) -> Option<FileName> {
    let path = value.optional_quotes(cx, "no file specified")?;
    if !path.starts_with('/') {
        cx.error(value.span, format!("{} is no absolute path", quoted(&path)))
            .help(format!("write {}=/etc/…", value.name));
        return None;
    }
    Some(FileName {
        path,
        line: Line(value.span.line),
    })
}

fn read_name(cx: &mut Context<'_>, value: &Value<'_>) -> Option<TlsName> {
    let text = value.optional_quotes(cx, "no name specified")?;
    if text == "none" {
        return Some(TlsName::None);
    }
    if is_name(&text) || text.parse::<IpAddr>().is_ok() {
        return Some(TlsName::Given(text));
    }
    cx.error(value.span, format!("{} is no server name", quoted(&text)))
        .help("write a host name without port, an address without brackets, or none");
    None
}

fn read_version(cx: &mut Context<'_>, value: &Value<'_>) -> Option<TlsVersion> {
    let (word, (start, end)) = value.first_run(|b| b.is_ascii_alphanumeric() || b == b'.');
    let known = [TlsVersion::V12, TlsVersion::V13];
    let read = known.into_iter().find(|known| known.word() == word);
    if read.is_some() {
        value.note_loose(cx, start, end);
    } else {
        cx.error(value.or_whole(), "tlsmin must be 1.2 or 1.3")
            .help("write tlsmin=1.3; nothing older than 1.2 is spoken");
    }
    read
}

/// The name in a `Host` header, if it is one that a hello can carry.
fn name_of_host(host: &str) -> TlsName {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    if is_name(name) {
        TlsName::Given(name.to_owned())
    } else {
        TlsName::Address
    }
}

/// Whether a text is a host name (RFC 1123 §2.1, with underscores).
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let last = text.rsplit('.').next().unwrap_or(text);
    text.len() <= 253 && text.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit())
}
