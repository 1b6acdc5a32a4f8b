//! A manual page in the macros of `man(7)`.

/// A page that grows.
pub(super) struct Page(String);

impl Page {
    /// With its title line. It has no date: the same program gives the same page.
    pub(super) fn new(name: &str, section: u8, manual: &str) -> Self {
        Self(format!(
            ".TH \"{name}\" {section} \"\" \"directord\" \"{manual}\"\n"
        ))
    }

    pub(super) fn section(&mut self, title: &str) {
        self.0.push_str(&format!(".SH \"{title}\"\n"));
    }

    pub(super) fn subsection(&mut self, title: &str) {
        self.0.push_str(&format!(".SS \"{}\"\n", escaped(title)));
    }

    /// Text that is escaped already.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.0.push_str(&format!(".PP\n{}\n", guarded(text)));
    }

    /// A term and what it means, escaped already.
    pub(super) fn term(&mut self, term: &str, text: &str) {
        self.0
            .push_str(&format!(".TP\n{term}\n{}\n", guarded(text)));
    }

    pub(super) fn terms(&mut self, terms: &[(&str, &str)]) {
        for (term, text) in terms {
            self.term(&format!("\\fB{}\\fR", escaped(term)), text);
        }
    }

    /// Lines as they are.
    pub(super) fn example(&mut self, text: &str) {
        self.0.push_str(".PP\n.nf\n.RS 4\n");
        for line in text.lines() {
            self.0.push_str(&guarded(&escaped(line)));
            self.0.push('\n');
        }
        self.0.push_str(".RE\n.fi\n");
    }

    /// Lines of the formatter, but not its preamble, which the page has once.
    pub(super) fn raw(&mut self, text: &str) {
        let preamble = |line: &&str| !line.starts_with(".ie ") && !line.starts_with(".el ");
        for line in text.lines().filter(preamble) {
            // The string that the preamble would have defined.
            self.0.push_str(&line.replace("\\*(Aq", "\\(aq"));
            self.0.push('\n');
        }
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

/// Text in which nothing is taken for a command of the formatter.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\n', " ")
}

/// A line that begins with what would be a command.
fn guarded(text: &str) -> String {
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text.to_owned()
    }
}

#[test]
fn nothing_is_taken_for_a_command() {
    assert_eq!(guarded(&escaped(".so a-b\\c")), "\\&.so a\\-b\\ec");
}
