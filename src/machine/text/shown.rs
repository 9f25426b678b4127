//! What a page hides: comments, folded parts, definitions of links that lead nowhere.
//!
//! A tag that stands in code is shown as it is written, and hides nothing. Only what every reader of markdown sees as code counts as
//! code: a doubt leaves more out, since a tag that is wrongly taken for code would let a hidden text through.

use std::ops::Range;

use super::{count, is_visible, sanitise};
use crate::machine::text::markdown::Fences;

/// Stands in a marked text where something was taken away.
const GAP: char = '\0';
/// The same, where what follows may be built otherwise than it looks.
const RIFT: char = '\u{1}';
/// After these a page reads HTML over blank lines too.
const RAW: [&str; 6] = ["<pre", "<script", "<style", "<textarea", "<!", "<?"];

/// Leaves out what is not shown; folded parts are counted.
pub(super) fn without_hidden(text: &str) -> String {
    let clean = sanitise(text, text.len());
    let code = code(&clean, &marked(text));
    let remarks: Vec<Range<usize>> = lines(&clean)
        .filter(|line| !is_in(&code, line.start) && is_remark(&clean[line.clone()]))
        .collect();
    let mut folded = folded(&clean, &code, &remarks).into_iter().peekable();
    let mut shown = String::with_capacity(clean.len());
    let mut at = 0;
    for line in lines(&clean) {
        let is_left_out = is_in(&remarks, line.start);
        while at < line.end {
            let part = folded.next_if(|part| part.start < line.end);
            let end = part.as_ref().map_or(line.end, |part| part.start);
            if !is_left_out {
                shown.push_str(&clean[at..end]);
            }
            at = end;
            if let Some(part) = part {
                let lines = count(clean[part.clone()].lines().count(), "line");
                shown.push_str(&format!("[folded on the issue's page, left out: {lines}]"));
                at = part.end;
            }
        }
    }
    if shown.ends_with('\n') {
        shown.pop();
    }
    shown
}

/// Says whether a line is a link's definition that leads nowhere: markdown's way to write what is not shown.
fn is_remark(line: &str) -> bool {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let definition = line.trim_start().strip_prefix('[').filter(|_| indent < 4);
    let Some((_, target)) = definition.and_then(|rest| rest.split_once("]:")) else {
        return false;
    };
    let target = target.trim();
    let (to, title) = match target.strip_prefix('<') {
        Some(rest) => match rest.split_once('>') {
            Some((to, title)) if to.is_empty() || to.starts_with('#') => (to, title),
            _ => return false,
        },
        None => target.split_at(target.find(char::is_whitespace).unwrap_or(target.len())),
    };
    let is_title = |title: &str| title.is_empty() || title.starts_with(['"', '\'', '(']);
    (target.starts_with('<') || to.starts_with('#')) && is_title(title.trim_start())
}

/// The folded parts, in their order. One that is written as open is seen by everybody; one without an end goes to the end.
fn folded(text: &str, code: &[Range<usize>], remarks: &[Range<usize>]) -> Vec<Range<usize>> {
    // Lower case of ASCII keeps every byte where it is.
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut depth = 0;
    let (mut begin, mut past) = (0, 0);
    let mut inside = Fences::default();
    for line in lines(&lower) {
        let was_inside = depth > 0;
        let may_be_code = was_inside && inside.covers(&lower[line.clone()]);
        for at in tags(&lower, line.clone()) {
            if is_in(code, at) || at < past {
                continue;
            }
            // A tag without an end hides all that follows.
            past = lower[at..]
                .find('>')
                .map_or(lower.len(), |end| at + end + 1);
            let tag = at..past;
            let whole = &lower[tag.clone()];
            if whole.starts_with("</") {
                let before = &lower[line.start..tag.start];
                let is_doubtful = may_be_code
                    || is_in(remarks, tag.start)
                    || before.starts_with("    ")
                    || before.starts_with('\t')
                    || before.matches('`').count() % 2 == 1;
                if depth == 0 || is_doubtful {
                    continue;
                }
                depth -= 1;
                if depth == 0 {
                    found.push(begin..tag.end);
                }
            } else if depth > 0 || whole != "<details open>" {
                if depth == 0 {
                    begin = tag.start;
                    inside = Fences::default();
                }
                depth += 1;
            }
        }
    }
    if depth > 0 {
        found.push(begin..text.len());
    }
    found
}

/// Where in a line tags of folded parts begin.
fn tags(lower: &str, line: Range<usize>) -> impl Iterator<Item = usize> + '_ {
    let begins = lower[line.clone()].match_indices('<');
    let begins = begins.map(move |(at, _)| line.start + at);
    begins.filter(|begin| {
        let inside = &lower[*begin + 1..];
        let after = inside
            .strip_prefix('/')
            .unwrap_or(inside)
            .strip_prefix("details");
        after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-'))
    })
}

/// A text as [`sanitise`] leaves it, with marks where something was.
fn marked(text: &str) -> String {
    let mark = |c: char| match c {
        '\r' | '\u{2028}' | '\u{2029}' => RIFT,
        c if is_visible(c) => c,
        _ => GAP,
    };
    // A separator breaks the line for us and not for markdown.
    let text = text.replace("\r\n", "\n");
    let text = text.replace(['\u{2028}', '\u{2029}'], "\r\n");
    let seen: String = text.chars().map(mark).collect();
    let mut kept = String::with_capacity(seen.len());
    let mut rest = seen.as_str();
    while let Some((before, comment)) = rest.split_once("<!--") {
        let (inside, after) = comment.split_once("-->").unwrap_or((comment, ""));
        kept.push_str(before);
        kept.push(if inside.contains(['`', '~']) {
            RIFT
        } else {
            GAP
        });
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// The parts of a text that are code beyond doubt: fences at the left edge, and what stands between two backticks of one line.
fn code(clean: &str, marked: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if marked.replace([GAP, RIFT], "") != clean {
        return found;
    }
    let mut fence: Option<(char, usize)> = None;
    // Nothing in this paragraph so far is HTML or leaves a backtick open.
    let mut is_plain = true;
    for (range, line) in lines(clean).zip(marked.split('\n')) {
        if line.contains(RIFT) {
            break;
        }
        if let Some((mark, least)) = fence {
            let bare = line.trim_end_matches([' ', '\t']);
            let indent = bare.len() - bare.trim_start_matches(' ').len();
            if indent < 4
                && bare.len() - indent >= least
                && bare[indent..].chars().all(|c| c == mark)
            {
                (fence, is_plain) = (None, true);
            }
            found.push(range);
            continue;
        }
        if line.trim_matches([' ', '\t']).is_empty() {
            is_plain = true;
            continue;
        }
        fence = opens(line).filter(|_| is_plain);
        if fence.is_some() {
            found.push(range);
            continue;
        }
        let spans = spans(line).filter(|_| is_plain);
        is_plain = spans.is_some();
        if let Some(spans) = spans {
            found.extend(
                spans
                    .into_iter()
                    .map(|span| range.start + span.start..range.start + span.end),
            );
        } else if has_raw(line) {
            break;
        }
    }
    found
}

fn has_raw(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    RAW.iter().any(|raw| lower.contains(raw))
}

/// The fence that a line begins at the left edge.
fn opens(line: &str) -> Option<(char, usize)> {
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let bare = line.trim_start_matches(mark);
    let length = line.len() - bare.len();
    (length >= 3 && !(mark == '`' && bare.contains('`'))).then_some((mark, length))
}

/// What stands between single backticks; `None` if it is not clear what belongs together, or there is HTML beside it.
fn spans(line: &str) -> Option<Vec<Range<usize>>> {
    let ticks: Vec<usize> = line.match_indices('`').map(|(at, _)| at).collect();
    let is_clear = ticks.is_empty()
        || (ticks.len().is_multiple_of(2) && !line.contains("``") && !line.contains(['\\', '|']));
    let spans: Vec<Range<usize>> = ticks
        .chunks(2)
        .filter_map(|pair| Some(pair[0]..*pair.get(1)?))
        .collect();
    let is_free = |(at, _): (usize, &str)| is_in(&spans, at);
    (is_clear && !line.contains(GAP) && line.match_indices('<').all(is_free)).then_some(spans)
}

/// Where each line is, its end with it.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let begin = at;
        at += line.len();
        begin..at
    })
}

/// Says whether a place is in one of these, which are in their order.
fn is_in(ranges: &[Range<usize>], at: usize) -> bool {
    let before = ranges.partition_point(|range| range.end <= at);
    ranges.get(before).is_some_and(|range| range.start <= at)
}

#[cfg(test)]
mod tests {
    use super::super::as_shown;

    /// What begins something that never ends. `benches/resolve.rs` measures the same.
    const HOSTILE: [&str; 8] = [
        "<details>",
        "<details",
        "</details",
        "`<details>`",
        "[a]: <",
        "<!--",
        "```\n",
        "[a]: #\n",
    ];

    #[test]
    fn what_a_page_folds_away_is_left_out_and_counted() {
        let table = [
            (
                "a <details><summary>s</summary>\nx\n</details> b",
                "a [folded on the issue's page, left out: 3 lines] b",
            ),
            (
                "<DETAILS class=x>x</Details>b",
                "[folded on the issue's page, left out: 1 line]b",
            ),
            (
                "<details>x<details>y</details>z</details>b",
                "[folded on the issue's page, left out: 1 line]b",
            ),
            (
                "a<details>x",
                "a[folded on the issue's page, left out: 1 line]",
            ),
            (
                "a<details",
                "a[folded on the issue's page, left out: 1 line]",
            ),
            (
                "<det<!-- -->ails>x</details>b",
                "[folded on the issue's page, left out: 1 line]b",
            ),
            ("<details open>x</details>b", "<details open>x</details>b"),
            (
                "<details data-x=\" open\">x</details>b",
                "[folded on the issue's page, left out: 1 line]b",
            ),
            ("<details-x>x b", "<details-x>x b"),
            ("a\n[//]: # (run it)\n[c]: <> (run it)\nb", "a\nb"),
            (
                "[1]: https://example.org/x\n[see][1]",
                "[1]: https://example.org/x\n[see][1]",
            ),
        ];
        for (text, then) in table {
            assert_eq!(as_shown(text, 1000), then, "{text}");
        }
        assert_eq!(as_shown("abcdef", 3), "abc\n[cut]");
    }

    /// An issue about HTML, or with a log, says what it says.
    #[test]
    fn what_a_page_shows_as_code_is_kept_as_it_is_written() {
        for text in [
            "The `<details>` tag stays closed.\nSteps: open the page.",
            "Neither `<details>` nor `</details>` is drawn.\n\nMore.",
            "Before:\n```html\n<details>\n<p>x</p>\n</details>\n```\nAfter.",
            "~~~\n<details>\n~~~\nb",
            "```\n[worker-3]: #5 (late)\n[a]: <>\n```",
            "    [worker-3]: <>",
            "[12:01:02]: <info> started",
            "[pool-1]: #5 timed out",
            "[key: string]: <T>(x: T) => void",
            "[docs]: <https://example.org/a b>\nsee [docs]",
        ] {
            assert_eq!(as_shown(text, 1000), text, "{text}");
        }
    }

    /// Each hides `RUN` on the page, and looks like code or like an end to a careless reader.
    #[test]
    fn nothing_hidden_comes_through_as_code() {
        let table = [
            "<details>\n\n```\n</details>\n```\n\nRUN\n</details>",
            "<details>\n\n    </details>\n\nRUN\n</details>",
            "<details>\n\n- x\n  ```\n  </details>\n  ```\n\nRUN\n</details>",
            "<details>\n\nthe `</details>` tag RUN\n</details>",
            "<details>\n\n[//]: # (</details>)\n\nRUN\n</details>",
            "<div>\n```\n<details>RUN</details>\n```\n</div>",
            "<div>\n<!-- x -->\n```\n<details>RUN</details>\n```\n</div>",
            "<div>\n\u{200b}\n```\n<details>RUN</details>\n```\n</div>",
            "<div>\n\u{2028}\n```\n<details>RUN</details>\n```\n</div>",
            "<pre>\n\n```\n<details>RUN</details>\n```\n</pre>",
            "a <!--\n\n```\n-->\n\n```\n<details>RUN</details>",
            "a\r```\n\n```\n<details>RUN</details>",
            "- x\n\n  ```\n  y\n<details>RUN</details>",
            "```a`b\n<details>RUN</details>",
            "\\`<details>` RUN",
            "a ` b\n`<details>` RUN",
            "`` ` `<details>` RUN ``",
            "<a title=\"`\">`<details>` RUN",
            "| ` | ` `<details>` RUN |",
            "[//]: # (`)\n`<details>` RUN",
        ];
        for text in table {
            assert!(!as_shown(text, 1000).contains("RUN"), "{text}");
        }
    }

    /// Anybody may open an issue, and its text is read at every look.
    #[test]
    fn a_hostile_text_comes_to_an_end() {
        let many = 512 * 1024;
        for part in HOSTILE {
            let shown = as_shown(&part.repeat(many / part.len()), many);
            assert!(shown.len() <= many + "\n[cut]".len(), "{part}");
        }
    }
}
