//! What a skill could do better. A finding never stops a skill: it is advice for its author.

use crate::domain::Skill;

/// Words of a body before it is too long to be kept in mind.
const WORDS_MAX: usize = 900;
/// Numbered lines in a row that make a recipe.
const STEPS_MIN: usize = 3;
/// Findings of one kind before the rest is left out.
const FINDINGS_MAX: usize = 20;

/// The headings of a skill, in their order.
pub const HEADINGS: [&str; 4] = ["Objective", "Constraints", "Done when", "Report"];

/// Something a skill's author may want to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line of the body, from 1; 0 = the whole skill.
    pub line: usize,
    /// What it is.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

/// Returns what a skill could do better.
pub fn lint(skill: &Skill) -> Vec<Finding> {
    let mut findings = Vec::new();
    if skill.description.is_empty() {
        findings.push(Finding {
            line: 0,
            message: "no `description`".to_owned(),
            hint: "add one to the front matter: lists show it",
        });
    }
    headings(skill, &mut findings);
    let words = skill.body.split_whitespace().count();
    if words > WORDS_MAX {
        findings.push(Finding {
            line: 0,
            message: format!("{words} words, more than {WORDS_MAX}"),
            hint: "say what is wanted, not how to do it",
        });
    }
    let lines: Vec<(usize, &str)> = outside_fences(&skill.body);
    steps(&lines, &mut findings);
    paths(&lines, &mut findings);
    findings
}

fn headings(skill: &Skill, findings: &mut Vec<Finding>) {
    let lines = outside_fences(&skill.body);
    let title = |line: &str| {
        line.strip_prefix('#')
            .map(|rest| rest.trim_start_matches('#').trim().to_lowercase())
    };
    let places: Vec<Option<usize>> = HEADINGS
        .iter()
        .map(|heading| {
            lines
                .iter()
                .find(|(_, line)| title(line) == Some(heading.to_lowercase()))
                .map(|(number, _)| *number)
        })
        .collect();
    for (heading, place) in HEADINGS.iter().zip(&places) {
        if place.is_none() {
            findings.push(Finding {
                line: 0,
                message: format!("no heading `{heading}`"),
                hint: "Objective, Constraints, Done when, Report",
            });
        }
    }
    let there: Vec<usize> = places.into_iter().flatten().collect();
    if !there.is_sorted() {
        let line = there
            .windows(2)
            .find(|pair| pair[0] > pair[1])
            .map_or(0, |pair| pair[1]);
        let message = "headings out of order".to_owned();
        findings.push(Finding {
            line,
            message,
            hint: "Objective, Constraints, Done when, Report",
        });
    }
}

/// Returns the lines that are no code block's, numbered from 1.
fn outside_fences(body: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in body.lines().enumerate() {
        let fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        if fence {
            fenced = !fenced;
        } else if !fenced {
            lines.push((index + 1, line));
        }
    }
    lines
}

fn steps(lines: &[(usize, &str)], findings: &mut Vec<Finding>) {
    let numbered = |line: &str| {
        let digits = line
            .trim_start()
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let rest = &line.trim_start()[digits..];
        digits > 0 && (rest.starts_with(". ") || rest.starts_with(") "))
    };
    let mut run = 0;
    for (number, line) in lines {
        if numbered(line) {
            run += 1;
        } else if !line.trim().is_empty() && !line.starts_with(' ') {
            run = 0;
        }
        if run == STEPS_MIN {
            let message = "a numbered list of steps".to_owned();
            findings.push(Finding {
                line: *number,
                message,
                hint: "say what must hold; the agent finds the steps",
            });
        }
    }
}

fn paths(lines: &[(usize, &str)], findings: &mut Vec<Finding>) {
    let words = lines
        .iter()
        .flat_map(|(number, line)| line.split_whitespace().map(|word| (*number, word)));
    for (number, word) in words.filter(|(_, word)| is_path(word)).take(FINDINGS_MAX) {
        let message = format!("a file's path, `{}`", clean(word));
        findings.push(Finding {
            line: number,
            message,
            hint: "it goes stale; the facts block names what is true now",
        });
    }
}

fn clean(word: &str) -> &str {
    word.trim_matches(|letter: char| {
        !(letter.is_alphanumeric() || matches!(letter, '/' | '.' | '_' | '~' | '{' | '}'))
    })
    .trim_end_matches('.')
}

/// A path has a folder and an extension, and is neither an address nor our own folder.
fn is_path(word: &str) -> bool {
    let word = clean(word).split(':').next().unwrap_or_default();
    if word.contains("://") || word.starts_with(".pointsman") || word.contains('{') {
        return false;
    }
    let Some((folder, file)) = word.rsplit_once('/') else {
        return false;
    };
    let extension = file.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && (1..=5).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    extension && folder.split('/').all(|part| !part.contains(' '))
}
