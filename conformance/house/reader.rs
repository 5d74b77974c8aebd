//! Reads just enough Rust to tell which paths a file names outside its tests: `use` trees, inline
//! paths, `super`, and inline modules.

/// The module that a file holds: `src/codec/h264/mod.rs` → `codec`, `h264`.
pub fn module_of(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    inner.split('/').map(str::to_owned).collect()
}

/// A path as the source writes it, from the top of the crate where it says `crate` or `super`.
#[derive(Debug)]
pub struct FoundPath {
    pub segments: Vec<String>,
    pub line: usize,
}

impl FoundPath {
    /// The room that it leads to.
    pub fn target(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [first, second, ..] if first == "crate" || first == "packorigin" => Some(second),
            _ => None,
        }
    }
}

/// What one file says outside its tests.
pub struct Source {
    pub paths: Vec<FoundPath>,
    /// Modules in other files that are there under test only.
    pub tests: Vec<String>,
}

impl Source {
    pub fn read(path: &str, text: &str) -> Self {
        let mut reader = Reader {
            tokens: tokens(text),
            at: 0,
            module: module_of(path),
            inline: Vec::new(),
            depth: 0,
            source: Self { paths: Vec::new(), tests: Vec::new() },
        };
        reader.read();
        reader.source
    }
}

struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Walks the tokens of a file.
struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    module: Vec<String>,
    /// At which depth of braces the open inline modules began.
    inline: Vec<usize>,
    depth: usize,
    source: Source,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        while let Some(text) = self.peek(0) {
            match text {
                "#" if self.is_next(&["#", "[", "cfg", "(", "test", ")", "]"]) => {
                    self.at += 7;
                    self.skip_item();
                }
                "mod" if self.peek(2) == Some("{") => {
                    self.module.push(self.peek(1).unwrap_or_default().to_owned());
                    self.inline.push(self.depth);
                    self.at += 2;
                }
                "use" => {
                    self.at += 1;
                    self.read_tree(&[]);
                }
                "{" | "}" => self.step_brace(text),
                _ if is_name(text) => self.read_path(),
                _ => self.at += 1,
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<&'a str> {
        self.tokens.get(self.at + ahead).map(|token| token.text)
    }

    fn is_next(&self, wanted: &[&str]) -> bool {
        wanted.iter().enumerate().all(|(ahead, text)| self.peek(ahead) == Some(text))
    }

    fn step_brace(&mut self, brace: &str) {
        self.at += 1;
        if brace == "{" {
            self.depth += 1;
            return;
        }
        self.depth = self.depth.saturating_sub(1);
        if self.inline.last() == Some(&self.depth) {
            self.inline.pop();
            self.module.pop();
        }
    }

    /// Leaves out what stands behind `#[cfg(test)]`: an item up to its `;` or `}`, a field or
    /// variant up to its `,`.
    fn skip_item(&mut self) {
        const ITEMS: &[&str] = &[
            "pub",
            "mod",
            "use",
            "fn",
            "impl",
            "struct",
            "enum",
            "const",
            "static",
            "type",
            "trait",
            "async",
            "unsafe",
            "extern",
            "macro_rules",
        ];
        while self.peek(0) == Some("#") {
            self.skip_group();
        }
        let is_item = self.peek(0).is_some_and(|text| ITEMS.contains(&text));
        while self.peek(0).is_some_and(|text| text == "pub" || text == "(") {
            if self.peek(0) == Some("(") { self.skip_group() } else { self.at += 1 }
        }
        if self.peek(0) == Some("mod") && self.peek(2) == Some(";") {
            let name = self.peek(1).unwrap_or_default();
            self.source.tests.push(format!("{}::{name}", self.module.join("::")));
        }
        while let Some(text) = self.peek(0) {
            match text {
                ";" => return self.at += 1,
                "," if !is_item => return self.at += 1,
                "}" | ")" | "]" => return,
                "{" => return self.skip_group(),
                "(" | "[" => self.skip_group(),
                _ => self.at += 1,
            }
        }
    }

    /// Leaves out everything up to the bracket that closes the next one.
    fn skip_group(&mut self) {
        let mut depth = 0;
        while let Some(text) = self.peek(0) {
            self.at += 1;
            match text {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" if depth <= 1 => return,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
        }
    }

    /// One tree of a `use`: a path, and perhaps more trees in braces behind it.
    fn read_tree(&mut self, before: &[String]) {
        let mut segments = before.to_vec();
        let line = self.line();
        while let Some(text) = self.peek(0) {
            match text {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while self.peek(0).is_some_and(|text| text != "}") {
                        self.read_tree(&segments);
                        if self.peek(0) == Some(",") {
                            self.at += 1;
                        } else if self.peek(0) != Some("}") {
                            break;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "as" => self.at += 2,
                "*" => {
                    segments.push("*".to_owned());
                    self.at += 1;
                }
                _ if is_name(text) => {
                    segments.push(text.to_owned());
                    self.at += 1;
                }
                _ => break,
            }
        }
        self.keep(segments, line);
    }

    fn read_path(&mut self) {
        let line = self.line();
        let mut segments = Vec::new();
        while let Some(name) = self.peek(0).filter(|text| is_name(text)) {
            segments.push(name.to_owned());
            self.at += 1;
            if self.peek(0) != Some("::") {
                break;
            }
            self.at += 1;
        }
        self.keep(segments, line);
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    fn keep(&mut self, mut segments: Vec<String>, line: usize) {
        let ups = segments.iter().take_while(|segment| *segment == "super").count();
        if ups > 0 {
            let above = self.module.len().saturating_sub(ups);
            let above = self.module.iter().take(above).cloned();
            segments = std::iter::once("crate".to_owned())
                .chain(above)
                .chain(segments.into_iter().skip(ups))
                .collect();
        }
        self.source.paths.push(FoundPath { segments, line });
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Cuts Rust into names, numbers, `::` and single signs. Comments, strings, characters and
/// lifetimes are left out.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (quoted(rest, 0), false),
            '\'' => (character(rest), false),
            ':' if rest.starts_with("::") => (2, true),
            c if c.is_alphanumeric() || c == '_' => {
                let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let word = word.unwrap_or(rest.len());
                match literal(rest, word) {
                    Some(length) => (length, false),
                    None => (word, true),
                }
            }
            c => (c.len_utf8(), !c.is_whitespace()),
        };
        let (token, behind) = rest.split_at(length.min(rest.len()));
        if is_token {
            found.push(Token { text: token, line });
        }
        line += token.matches('\n').count();
        rest = behind;
    }
    found
}

/// Bytes of `b"…"`, `r#"…"#`, `br"…"`, `b'…'`, whose prefix has `word` bytes; `None` for a name.
fn literal(rest: &str, word: usize) -> Option<usize> {
    let (prefix, behind) = rest.split_at(word);
    let is_raw = matches!(prefix, "r" | "br" | "cr");
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    if is_raw && behind[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = word + hashes + 1;
        return Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()));
    }
    match behind.chars().next() {
        Some('"') if matches!(prefix, "b" | "c") => Some(quoted(rest, word)),
        Some('\'') if prefix == "b" => Some(word + character(behind)),
        _ => None,
    }
}

/// Bytes up to behind the quotation mark that closes the one at `open`.
fn quoted(rest: &str, open: usize) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip_while(|(at, _)| *at <= open) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of a character in quotes, or of a lifetime.
fn character(rest: &str) -> usize {
    let mut inner = rest.char_indices().skip(1);
    match (inner.next(), inner.next()) {
        (Some((_, '\\')), Some((at, c))) => {
            let body = at + c.len_utf8();
            rest[body..].find('\'').map_or(rest.len(), |end| body + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => {
            let name = rest[1..].find(|c: char| !c.is_alphanumeric() && c != '_');
            name.map_or(rest.len(), |at| at + 1)
        }
    }
}

/// Bytes of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}
