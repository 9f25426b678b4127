//! Just enough markdown to find a spec's sections: second-level headings outside of code fences.

/// One `##` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading's text, without `##` and closing marks.
    pub heading: String,
    /// What stands below it, up to the next heading of the first or second level.
    pub body: String,
}

impl Section {
    /// Returns whether there is nothing to check: no letter or digit outside HTML comments, or a placeholder.
    pub fn is_empty(&self) -> bool {
        let said = crate::machine::text::sanitise(&self.body, self.body.len());
        let bare = said
            .trim_matches(|c: char| !c.is_alphanumeric())
            .to_lowercase();
        bare.is_empty() || matches!(bare.as_str(), "tbd" | "todo" | "to do" | "to be done")
    }
}

/// Returns the `##` sections in the order of the text; what stands before the first is left out.
pub fn sections(text: &str) -> Vec<Section> {
    let mut found: Vec<Section> = Vec::new();
    let mut fences = Fences::default();
    let mut inside = false;
    for line in text.lines() {
        let code = fences.covers(line);
        match (code, heading(line)) {
            (false, Some((2, title))) => {
                inside = true;
                found.push(Section {
                    heading: title.to_owned(),
                    body: String::new(),
                });
            }
            (false, Some((1, _))) => inside = false,
            _ => {
                if let Some(last) = found.last_mut().filter(|_| inside) {
                    last.body.push_str(line);
                    last.body.push('\n');
                }
            }
        }
    }
    found
}

/// Returns what stands below every `##` heading of that name, in any case.
pub fn section(text: &str, name: &str) -> Option<Section> {
    let mut named = sections(text)
        .into_iter()
        .filter(|section| section.heading.eq_ignore_ascii_case(name));
    let mut first = named.next()?;
    for again in named {
        first.body.push_str(&again.body);
    }
    Some(first)
}

/// Splits a line into the heading's level and its text.
fn heading(line: &str) -> Option<(usize, &str)> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let marks = line.trim_start_matches(' ');
    let level = marks.len() - marks.trim_start_matches('#').len();
    let rest = &marks[level..];
    if indent > 3 || level == 0 || level > 6 || !rest.starts_with([' ', '\t']) {
        return None;
    }
    let title = rest.trim().trim_end_matches('#').trim_end();
    Some((level, title.trim_end_matches(':')))
}

/// Follows code fences line by line.
#[derive(Debug, Default)]
pub struct Fences {
    open: Option<(char, usize)>,
}

impl Fences {
    /// Takes the next line and returns whether it is code, or a fence itself.
    pub fn covers(&mut self, line: &str) -> bool {
        let bare = line.trim_start();
        let mark = bare.chars().next().filter(|c| matches!(c, '`' | '~'));
        let length = mark.map_or(0, |mark| bare.chars().take_while(|c| *c == mark).count());
        match (self.open, mark) {
            (None, Some(mark)) if length >= 3 => {
                self.open = Some((mark, length));
                true
            }
            (None, _) => false,
            (Some((opened, least)), Some(mark)) if mark == opened && length >= least => {
                if bare.trim_end().chars().all(|c| c == mark) {
                    self.open = None;
                }
                true
            }
            (Some(_), _) => true,
        }
    }
}
