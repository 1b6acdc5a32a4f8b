//! Words of our own that do not go together, or not with what is checked.

use super::section::Section;
use crate::config::effective::{CheckSettings, ServiceType};
use crate::config::source::{Context, Span};
use crate::model::{HttpMethod, HttpVersion};

/// Reports what would be in vain.
pub(super) fn note(cx: &mut Context<'_>, section: &Section, settings: &CheckSettings) {
    let options = &section.options;
    let method = options
        .http_method
        .filter(|(method, _)| method.takes_body());
    let method = method.map(|(_, span)| ("httpmethod", span));
    let http = options.http.used.iter().copied().chain(method);
    let is_http = settings.service.is_http();
    let mut is_wrong = false;
    for (word, span) in http {
        is_wrong |= is_alien(
            cx,
            settings,
            (word, span),
            is_http,
            "http, https or http_proxy",
        );
    }
    let is_tls = settings.service.is_tls();
    for used in options.tls.used.iter().copied() {
        let services = "https, imaps, pops, ldaps or grpcs";
        is_alien(cx, settings, used, is_tls, services);
    }
    if !is_wrong {
        note_http(cx, section, settings);
    }
}

/// Whether a word is of no use with what is checked; an error if so.
fn is_alien(
    cx: &mut Context<'_>,
    settings: &CheckSettings,
    (word, span): (&str, Span),
    fits: bool,
    services: &str,
) -> bool {
    if !fits {
        let service = settings.service.name();
        let message = format!("{word} goes with the services {services}, not with {service}");
        cx.error(span, message)
            .help("remove the line, or name one of these with service=");
    } else if !settings.kind.negotiates() {
        let message = format!("{word} has no effect with checktype={}", settings.kind);
        cx.error(span, message)
            .help("remove the line, or write checktype=negotiate");
    }
    !(fits && settings.kind.negotiates())
}

/// Words of HTTP that need or exclude each other.
fn note_http(cx: &mut Context<'_>, section: &Section, settings: &CheckSettings) {
    let http = &settings.http;
    let mut refuse = |word: &str, holds: bool, message: &str, help: &str| {
        if let Some(span) = section.options.http.place(word)
            && holds
        {
            cx.error(span, message).help(help);
        }
    };
    let method = settings.http_method;
    refuse(
        "requestbody",
        http.body.is_some() && !method.takes_body(),
        "a request has a body only with httpmethod POST, PUT or OPTIONS",
        "write httpmethod=POST, or remove the line",
    );
    refuse(
        "json",
        !http.json.is_empty() && method == HttpMethod::Head,
        "an answer to HEAD has no body: json will never match",
        "write httpmethod=GET, or remove the line",
    );
    let mut own = section
        .reals
        .iter()
        .filter_map(|r| r.options.exchange.as_deref());
    let has_receive = settings.receive.is_some() || own.any(|(_, receive)| !receive.is_empty());
    refuse(
        "invert",
        http.invert && !has_receive,
        "invert needs a receive that the answer must not match",
        "add receive=\"TEXT\", or remove the line",
    );
    refuse(
        "httpauth",
        http.basic && settings.login.is_none(),
        "httpauth=basic needs a login",
        "add login=\"NAME\" and passwd=\"PASSWORD\"",
    );
    refuse(
        "httpauth",
        http.basic
            && settings
                .login
                .as_ref()
                .is_some_and(|login| login.contains(':')),
        "a login with a colon cannot be sent by httpauth=basic",
        "choose another login",
    );
    refuse(
        "httpversion",
        http.version == HttpVersion::V2 && settings.service == ServiceType::HTTP_PROXY,
        "proxies are asked by HTTP/1.1 only",
        "remove the line",
    );
}
