//! Finding claims in prose. Code fences are skipped: they quote commands and their output.
//!
//! A path counts when it is sure to be one: with a line number, with a folder and an extension, or in backticks with an
//! extension that files have. A quoted text counts as a snippet when it directly follows a place, or is a whole line.

use super::{ANCHORS_MAX, Anchor, Anchors, PATH_BYTES_MAX, SNIPPET_BYTES_MAX};
use crate::domain::IssueNumber;
use crate::machine::text::markdown::Fences;

/// Extensions that make a name without a folder a path, if it is in backticks.
const EXTENSIONS: [&str; 62] = [
    "adoc", "astro", "bash", "bat", "c", "cc", "cfg", "clj", "conf", "cpp", "cs", "css", "csv",
    "dart", "ex", "exs", "go", "gradle", "graphql", "h", "hpp", "hs", "html", "ini", "ipynb",
    "java", "js", "json", "jsonc", "jsx", "kt", "kts", "lock", "lua", "md", "mdx", "mjs", "ml",
    "mod", "nix", "php", "proto", "ps1", "py", "rb", "rs", "rst", "scala", "scss", "sh", "sql",
    "svelte", "svg", "swift", "toml", "ts", "tsx", "txt", "vue", "xml", "yaml", "yml",
];
/// File names that have no extension.
const BARE_NAMES: [&str; 9] = [
    "Makefile",
    "Dockerfile",
    "Justfile",
    "justfile",
    "LICENSE",
    "README",
    "Gemfile",
    "Rakefile",
    "Jenkinsfile",
];
/// Claims that are collected before those are left out which a `new:` further down makes needless.
const COLLECTED_MAX: usize = 4 * ANCHORS_MAX;
/// The longest line that is read: what is longer was not written by a person.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// The shortest quoted text that is worth a look.
const SNIPPET_CHARS_MIN: usize = 4;

/// Returns the claims of a text, each once, in order.
pub fn parse(text: &str) -> Anchors {
    let mut anchors = Anchors::default();
    let mut fences = Fences::default();
    for line in text.lines() {
        if !fences.covers(line) && line.len() <= LINE_BYTES_MAX {
            read_line(line, &mut anchors);
        }
    }
    let new: Vec<String> = anchors
        .found
        .iter()
        .filter_map(|anchor| match anchor {
            Anchor::New(path) => Some(path.clone()),
            _ => None,
        })
        .collect();
    anchors
        .found
        .retain(|anchor| !matches!(anchor, Anchor::Place { path, .. } if new.contains(path)));
    let over = anchors.found.len().saturating_sub(ANCHORS_MAX);
    anchors.over += over;
    anchors.found.truncate(ANCHORS_MAX);
    anchors
}

fn add(anchors: &mut Anchors, anchor: Anchor) {
    if anchors.found.contains(&anchor) {
        return;
    }
    if anchors.found.len() < COLLECTED_MAX {
        anchors.found.push(anchor);
    } else {
        anchors.over += 1;
    }
}

fn refuse(anchors: &mut Anchors, path: &str) {
    let known = anchors.refused.iter().any(|known| known == path);
    if !known && anchors.refused.len() < ANCHORS_MAX {
        anchors.refused.push(path.to_owned());
    }
}

fn read_line(line: &str, anchors: &mut Anchors) {
    let body = without_bullet(line);
    if let Some(declared) = declaration(body) {
        for word in declared {
            let path = word.trim_matches(|c: char| matches!(c, '`' | '"' | '\'' | ',' | ';'));
            match path_of(path) {
                Path::Inside(path) if looks_like_file(&path, true) => {
                    add(anchors, Anchor::New(path));
                }
                Path::Outside => refuse(anchors, path),
                Path::Inside(_) | Path::None => {}
            }
        }
        return;
    }
    if let Some(text) = whole_quote(body) {
        add(anchors, Anchor::Snippet(text));
        return;
    }
    let mut rest = body;
    let mut branch_next = false;
    while let Some((token, quoted, after)) = next_token(rest) {
        rest = after;
        if let Some((place, after)) = place(token, quoted, rest, anchors) {
            add(anchors, place);
            rest = after;
        } else if let Some(anchor) = reference(token, branch_next && quoted) {
            add(anchors, anchor);
        }
        branch_next = token.eq_ignore_ascii_case("branch");
    }
}

fn without_bullet(line: &str) -> &str {
    let bare = line.trim();
    let bare = bare.trim_start_matches(|c: char| c.is_ascii_digit());
    let bare = if bare.len() == line.trim().len() {
        bare
    } else {
        bare.strip_prefix(['.', ')'])
            .map_or(line.trim(), str::trim_start)
    };
    bare.trim_start_matches(['-', '*', '+', '>'])
        .trim_start_matches("[ ]")
        .trim_start_matches("[x]")
        .trim()
}

/// Returns the words after `new:` up to a remark, when the line declares files.
fn declaration(body: &str) -> Option<impl Iterator<Item = &str>> {
    let body = body.trim_start_matches(['`', '*']);
    let head = body.get(..4)?;
    let rest = head
        .eq_ignore_ascii_case("new:")
        .then(|| body[4..].trim_start_matches(['*', '`']))?;
    Some(
        rest.split_whitespace()
            .take_while(|word| !matches!(*word, "-" | "–" | "—" | "(")),
    )
}

fn whole_quote(body: &str) -> Option<String> {
    let body = body.trim_end_matches(['.', ',', ';']);
    let inner = body
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .or_else(|| {
            body.strip_prefix('\u{201c}')
                .and_then(|rest| rest.strip_suffix('\u{201d}'))
        })?;
    (!inner.contains('"'))
        .then(|| snippet(inner))
        .flatten()
        .filter(|text| text.len() >= 8)
}

fn snippet(text: &str) -> Option<String> {
    let text = text.trim();
    (text.chars().count() >= SNIPPET_CHARS_MIN && text.len() <= SNIPPET_BYTES_MAX)
        .then(|| text.to_owned())
}

/// Takes the next word, or the next text in backticks as one, and what follows it.
fn next_token(text: &str) -> Option<(&str, bool, &str)> {
    let text = text.trim_start_matches(|c: char| {
        c.is_whitespace() || matches!(c, '(' | '[' | ']' | ')' | ',' | ';' | '*' | '"' | '\'')
    });
    if text.is_empty() {
        return None;
    }
    if let Some(inner) = text.strip_prefix('`') {
        return match inner.find('`') {
            Some(end) => Some((&inner[..end], true, &inner[end + 1..])),
            None => Some(("", false, inner)),
        };
    }
    let end = text
        .find(|c: char| {
            c.is_whitespace() || matches!(c, '`' | '(' | ')' | ']' | ',' | ';' | '"' | '\'')
        })
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end.max(text.chars().next().map_or(1, char::len_utf8)));
    Some((
        word.trim_end_matches(['.', ':', '!', '?', '*']),
        false,
        rest,
    ))
}

/// Reads a place and the text quoted directly after it.
fn place<'a>(
    token: &str,
    quoted: bool,
    rest: &'a str,
    anchors: &mut Anchors,
) -> Option<(Anchor, &'a str)> {
    let (name, lines) = with_lines(token);
    let sure = quoted || lines.is_some();
    let path = match path_of(name) {
        Path::Inside(path) => path,
        Path::Outside => {
            if looks_like_file(name, sure) {
                refuse(anchors, name);
            }
            return None;
        }
        Path::None => return None,
    };
    let counts = if lines.is_some() {
        path.contains('/') || looks_like_file(&path, true)
    } else {
        looks_like_file(&path, sure)
    };
    if !counts {
        return None;
    }
    let (snippet, rest) = quote_after(rest);
    Some((
        Anchor::Place {
            path,
            lines,
            snippet,
        },
        rest,
    ))
}

/// Splits `path:line`, `path:from-to`, and `path:line:column` as compilers print it.
fn with_lines(token: &str) -> (&str, Option<(u32, u32)>) {
    let Some((name, numbers)) = token.rsplit_once(':') else {
        return (token, None);
    };
    let Some(lines) = numbers_of(numbers) else {
        return (token, None);
    };
    let column = lines.0 == lines.1;
    let inner = name.rsplit_once(':').filter(|_| column);
    match inner.and_then(|(path, line)| numbers_of(line).map(|line| (path, line))) {
        Some((path, line)) => (path, Some(line)),
        None => (name, Some(lines)),
    }
}

/// Reads `7`, `7-9` or `L7-L9`.
fn numbers_of(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| text.trim_start_matches('L').parse::<u32>().ok();
    let (from, to) = match text.split_once(['-', '\u{2013}']) {
        Some((from, to)) => (number(from)?, number(to)?),
        None => (number(text)?, number(text)?),
    };
    (from > 0 && to > 0).then(|| (from.min(to), from.max(to)))
}

enum Path {
    Inside(String),
    Outside,
    None,
}

/// Tells a path inside the tree from one that leaves it and from what is no path.
fn path_of(token: &str) -> Path {
    let token = token.strip_prefix("./").unwrap_or(token);
    let plain = !token.is_empty()
        && token.len() <= PATH_BYTES_MAX
        && !token.contains("://")
        && !token.starts_with('-')
        && token
            .chars()
            .all(|c| c.is_alphanumeric() || "._-/+@~[]{}()$#=%".contains(c));
    if !plain {
        return Path::None;
    }
    if token.starts_with('/') || token.starts_with('~') || token.split('/').any(|part| part == "..")
    {
        return Path::Outside;
    }
    if token.contains("//") || token.contains("/./") {
        return Path::None;
    }
    Path::Inside(token.to_owned())
}

/// Tells a file or folder from other words; `sure` if backticks, a line number or a declaration say that it is one.
fn looks_like_file(path: &str, sure: bool) -> bool {
    if let Some(folder) = path.strip_suffix('/') {
        return sure && !folder.is_empty();
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    if BARE_NAMES.contains(&name) {
        return sure;
    }
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    let plausible = (1..=10).contains(&extension.len())
        && extension.chars().all(|c| c.is_ascii_alphanumeric())
        && extension.chars().any(|c| c.is_ascii_alphabetic());
    if path.contains('/') {
        let host = path.split('/').next().unwrap_or_default();
        return plausible && (sure || !looks_like_host(host));
    }
    sure && plausible && !stem.is_empty() && EXTENSIONS.contains(&extension)
}

/// `example.com/page.html` is an address without its scheme.
fn looks_like_host(first: &str) -> bool {
    ["com", "org", "net", "io", "dev", "de"]
        .iter()
        .any(|end| first.strip_suffix(end).is_some_and(|s| s.ends_with('.')))
}

/// Takes a text in quotes or backticks that directly follows.
fn quote_after(rest: &str) -> (Option<String>, &str) {
    let start = rest.trim_start_matches(|c: char| {
        c.is_whitespace() || matches!(c, ':' | '-' | '\u{2013}' | '\u{2014}' | '=')
    });
    for (open, close) in [('"', '"'), ('`', '`'), ('\u{201c}', '\u{201d}')] {
        let Some(inner) = start.strip_prefix(open) else {
            continue;
        };
        let Some(end) = inner.find(close) else {
            return (None, rest);
        };
        let is_place = open == '`' && {
            let (name, lines) = with_lines(&inner[..end]);
            lines.is_some()
                || matches!(path_of(name), Path::Inside(path) if looks_like_file(&path, true))
        };
        if is_place {
            return (None, rest);
        }
        return (snippet(&inner[..end]), &inner[end + close.len_utf8()..]);
    }
    (None, rest)
}

/// Reads an issue, a branch or a commit.
fn reference(token: &str, named_branch: bool) -> Option<Anchor> {
    if let Some(digits) = token.strip_prefix('#') {
        let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
        return Some(Anchor::Issue(IssueNumber(number)));
    }
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= PATH_BYTES_MAX
            && !name.starts_with(['-', '/'])
            && !name.contains("..")
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-/+".contains(c))
    };
    let ours = token
        .strip_prefix("pointsman/")
        .or_else(|| token.strip_prefix("refs/heads/"));
    if (named_branch || ours.is_some()) && is_name(token) {
        let name = token.strip_prefix("refs/heads/").unwrap_or(token);
        return Some(Anchor::Branch(name.to_owned()));
    }
    let hex = (7..=40).contains(&token.len())
        && token
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let mixed =
        token.bytes().any(|b| b.is_ascii_digit()) && token.bytes().any(|b| b.is_ascii_lowercase());
    (hex && mixed).then(|| Anchor::Commit(token.to_owned()))
}
