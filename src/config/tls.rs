//! How checks speak TLS, as a configuration says it.

use super::effective::FileName;
use crate::model::{TlsName, TlsVersion};

/// Settings of the checks of `https`, `imaps`, `pops`, `ldaps` and `grpcs`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whether the server's certificate is verified.
    pub verify: bool,
    /// The authorities that are trusted; `None`: those of this host.
    pub authorities: Option<FileName>,
    /// Name in the hello and in the certificate; `None`: that of `virtualhost`.
    pub name: Option<TlsName>,
    /// Certificate of this host.
    pub certificate: Option<FileName>,
    /// Its key.
    pub key: Option<FileName>,
    /// Oldest version spoken.
    pub minimum: TlsVersion,
    /// Days before its expiry from which a certificate is warned of, 0 for never; `None`:
    /// [`TlsSettings::EXPIRY_DAYS`] when certificates are verified, otherwise never.
    pub expiry_days: Option<u32>,
}

/// A file that must be read before a configuration can be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsFile {
    /// Its absolute path.
    pub path: String,
    /// Whether it is a private key, and not certificates.
    pub is_key: bool,
}

impl TlsSettings {
    /// Days of warning where none are configured.
    pub const EXPIRY_DAYS: u32 = 14;

    /// The files that are named.
    pub(super) fn files(&self) -> impl Iterator<Item = TlsFile> {
        let named = [
            (&self.authorities, false),
            (&self.certificate, false),
            (&self.key, true),
        ];
        named.into_iter().filter_map(|(file, is_key)| {
            let path = file.as_ref()?.path.clone();
            Some(TlsFile { path, is_key })
        })
    }

    /// Days of warning; `None` for never.
    pub(super) fn warning(&self) -> Option<u32> {
        let usual = self.verify.then_some(Self::EXPIRY_DAYS);
        self.expiry_days.or(usual).filter(|days| *days > 0)
    }

    /// The directives that say what differs from the default, with their values.
    pub(super) fn directives(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        if self.verify {
            lines.push(("tlsverify", "yes".to_owned()));
        }
        let file = |file: &FileName| format!("\"{}\"", file.path);
        lines.extend(self.authorities.as_ref().map(|f| ("tlsca", file(f))));
        lines.extend(self.name.as_ref().map(|n| ("tlsname", name(n).to_owned())));
        lines.extend(self.certificate.as_ref().map(|f| ("tlscert", file(f))));
        lines.extend(self.key.as_ref().map(|f| ("tlskey", file(f))));
        if self.minimum != TlsVersion::default() {
            lines.push(("tlsmin", self.minimum.word().to_owned()));
        }
        lines.extend(self.expiry_days.map(|days| ("tlsexpiry", days.to_string())));
        lines
    }
}

/// The word for a name. None stands for an address: it is what comes of no word at all.
pub(super) fn name(name: &TlsName) -> &str {
    match name {
        TlsName::None | TlsName::Address => "none",
        TlsName::Given(name) => name,
    }
}
