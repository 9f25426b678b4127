//! Paths that are not an agent's to change: whose they are, and what is said when work changes them all the same (DESIGN 8).

use globset::{GlobBuilder, GlobSetBuilder};

use crate::domain::Reserved;
use crate::machine::text::one_line;

/// Files that one sentence names.
const FILES_NAMED_MAX: usize = 10;

/// Returns the changed files that somebody has to decide on, by who that is. Upper and lower case are one: on some file systems they
/// are.
pub fn touched(reserved: &[Reserved], files: &[String]) -> Vec<Reserved> {
    let of_scope = |scope: &Reserved| {
        let mut set = GlobSetBuilder::new();
        for glob in &scope.paths {
            // The configuration was checked when it was read.
            if let Ok(glob) = GlobBuilder::new(glob).case_insensitive(true).build() {
                set.add(glob);
            }
        }
        let set = set.build().expect("globs that parse alone make a set");
        let covered = |file: &&String| set.is_match(file.as_str());
        Reserved {
            paths: files.iter().filter(covered).cloned().collect(),
            who: scope.who.clone(),
        }
    };
    let touched = reserved.iter().map(of_scope);
    touched.filter(|scope| !scope.paths.is_empty()).collect()
}

/// Says why the work is handed to a person, to whom, and what they can do.
pub fn why(touched: &[Reserved]) -> String {
    let mut people: Vec<String> = Vec::new();
    for login in touched.iter().flat_map(|scope| &scope.who) {
        let login = format!("@{login}");
        if !people.contains(&login) {
            people.push(login);
        }
    }
    // The first clause is what a comment says outside of its quote: there a name calls its owner.
    let called = match people.as_slice() {
        [] => String::new(),
        people => format!("this takes the word of {}: ", people.join(", ")),
    };
    let changes: Vec<String> = touched.iter().map(clause).collect();
    format!(
        "{called}nothing was pushed: the work changes {}. It is on the branch as the agent left it: take those changes out before it is tried again, push them to the default branch if they are yours, or push the branch yourself and set the next label",
        changes.join("; and ")
    )
}

fn clause(scope: &Reserved) -> String {
    let named: Vec<String> = scope
        .paths
        .iter()
        .take(FILES_NAMED_MAX)
        .map(|file| format!("`{}`", one_line(file, 200).replace('`', "'")))
        .collect();
    let more = match scope.paths.len().saturating_sub(FILES_NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let files = format!("{}{more}", named.join(", "));
    if scope.who.is_empty() {
        format!("{files}, which only a person may (`protected` in the project's file)")
    } else {
        let who = scope.who.join(" or ");
        format!("{files}, which {who} decides on (`authority` in the project's file)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(paths: &[&str], who: &[&str]) -> Reserved {
        let own = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Reserved {
            paths: own(paths),
            who: own(who),
        }
    }

    #[test]
    fn what_is_not_an_agents_is_named_with_whose_it_is() {
        let reserved = [
            scope(&[".github/**"], &[]),
            scope(&["db/**", "*.sql"], &["ann", "bob"]),
            scope(&["billing/**"], &["ann"]),
        ];
        let files = ["src/a.rs", "DB/1.sql", "billing/x.rs", ".github/ci.yml"].map(str::to_owned);
        let found = touched(&reserved, &files);
        assert_eq!(
            found,
            [
                scope(&[".github/ci.yml"], &[]),
                scope(&["DB/1.sql"], &["ann", "bob"]),
                scope(&["billing/x.rs"], &["ann"]),
            ]
        );
        assert_eq!(
            why(&found),
            "this takes the word of @ann, @bob: nothing was pushed: the work changes `.github/ci.yml`, which only a person may (`protected` in the project's file); and `DB/1.sql`, which ann or bob decides on (`authority` in the project's file); and `billing/x.rs`, which ann decides on (`authority` in the project's file). It is on the branch as the agent left it: take those changes out before it is tried again, push them to the default branch if they are yours, or push the branch yourself and set the next label"
        );
        assert!(touched(&reserved, &files[..1]).is_empty());
    }

    #[test]
    fn what_is_nobodys_in_particular_calls_nobody_by_name() {
        let files = (0..12).map(|at| format!("x/{at}")).collect::<Vec<_>>();
        let said = why(&touched(&[scope(&["x/**"], &[])], &files));
        assert!(said.starts_with("nothing was pushed: the work changes `x/0`, `x/1`, "));
        assert!(
            said.contains("`x/9` and 2 more, which only a person may"),
            "{said}"
        );
    }
}
