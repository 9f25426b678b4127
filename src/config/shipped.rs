//! What is embedded in the binary: files of the same form as the operator's, read by the same code.

/// An embedded file: its name as the operator would write it, and its text.
pub type Embedded = (&'static str, &'static str);

/// The workflows, the default first.
pub const WORKFLOWS: [Embedded; 3] = [
    ("labels.toml", include_str!("../../labels.toml")),
    ("solo.toml", include_str!("../../workflows/solo.toml")),
    ("content.toml", include_str!("../../workflows/content.toml")),
];

/// The agent profiles.
pub const PROFILES: [Embedded; 7] = [
    ("aider.toml", include_str!("../../agents/aider.toml")),
    (
        "claude-code.toml",
        include_str!("../../agents/claude-code.toml"),
    ),
    ("codex.toml", include_str!("../../agents/codex.toml")),
    ("demo.toml", include_str!("../../agents/demo.toml")),
    ("gemini.toml", include_str!("../../agents/gemini.toml")),
    ("opencode.toml", include_str!("../../agents/opencode.toml")),
    ("shell.toml", include_str!("../../agents/shell.toml")),
];

/// The skills.
pub const SKILLS: [Embedded; 9] = [
    (
        "content-review.md",
        include_str!("../../skills/content-review.md"),
    ),
    ("dev.md", include_str!("../../skills/dev.md")),
    ("draft.md", include_str!("../../skills/draft.md")),
    ("prep.md", include_str!("../../skills/prep.md")),
    ("qa.md", include_str!("../../skills/qa.md")),
    ("research.md", include_str!("../../skills/research.md")),
    ("review.md", include_str!("../../skills/review.md")),
    ("scout.md", include_str!("../../skills/scout.md")),
    ("solo-dev.md", include_str!("../../skills/solo-dev.md")),
];

/// Returns the text of the embedded workflow of that name, for `labels eject`.
pub fn workflow(name: &str) -> Option<&'static str> {
    text(&WORKFLOWS, name)
}

/// Returns the text of the embedded agent profile of that name (`codex`), for `agent eject`.
pub fn profile(name: &str) -> Option<&'static str> {
    text(&PROFILES, &format!("{name}.toml"))
}

/// Returns the text of the embedded skill of that name (`qa`), for `skill show` and `skill new`.
pub fn skill(name: &str) -> Option<&'static str> {
    text(&SKILLS, &format!("{name}.md"))
}

fn text(files: &[Embedded], wanted: &str) -> Option<&'static str> {
    files
        .iter()
        .find(|(name, _)| *name == wanted)
        .map(|(_, text)| *text)
}
