//! Skills: front matter, findings, lookup.

use insta::assert_snapshot;

use super::*;

#[test]
fn a_front_matter_that_is_not_closed() {
    assert_snapshot!(skill(r"---
name: qa
description: x

## Objective
".as_bytes()), @"
    error: the front matter is not closed
     --> skills/qa.md:1:1
      |
    1 | ---
      | ^^^
      |
      = hint: end it with a line `---`
    ");
}

#[test]
fn a_front_matter_that_is_a_list() {
    assert_snapshot!(skill(r"---
- name: qa
- description: x
---
Body
".as_bytes()), @"
    error: the front matter is keys and values, and this is a list
     --> skills/qa.md:2:1
      |
    2 | - name: qa
      | ^
      |
      = hint: write `name: ...` and `description: ...`
    ");
}

#[test]
fn a_front_matter_with_a_typo_another_name_and_an_anchor() {
    assert_snapshot!(skill(r"---
name: qaa
descripton: x
license: [a]
metadata: &a
  b: c
---
Body
".as_bytes()), @"
    error: `name` is `qaa`, and the file's name says `qa`
     --> skills/qa.md:2:7
      |
    2 | name: qaa
      |       ^^^
      |
      = hint: a skill is found by its file's name: make them equal

    error: unknown key `descripton`
     --> skills/qa.md:3:1
      |
    3 | descripton: x
      | ^^^^^^^^^^ did you mean `description`?
      |
      = expected: name, description, license, compatibility, metadata, allowed-tools
      = hint: keys of other programs go below `metadata`

    error: `license` is a list, not a text
     --> skills/qa.md:4:10
      |
    4 | license: [a]
      |          ^
      |
      = expected: a text

    error: the front matter is keys and values, and this is an anchor
     --> skills/qa.md:5:11
      |
    5 | metadata: &a
      |           ^
      |
      = hint: write the value out
    ");
}

#[test]
fn a_front_matter_that_is_not_yaml() {
    assert_snapshot!(skill(r#"---
name: "qa
---
Body
"#.as_bytes()), @r#"
    error: not YAML: while scanning a quoted scalar, found unexpected end of stream
     --> skills/qa.md:2:7
      |
    2 | name: "qa
      |       ^
      |
      = expected: `key: value` on each line, from here or the line before
    "#);
}

#[test]
fn a_skill_without_a_body() {
    assert_snapshot!(skill(r"---
name: qa
description: Ünïcode
---

".as_bytes()), @"
    error: the skill says nothing
     --> skills/qa.md:6:1
      |
    6 |
      | ^
      |
      = hint: write what is wanted below the front matter
    ");
}

#[test]
fn a_control_character_in_a_skill() {
    assert_snapshot!(skill("---
name: qa
---
Press \u{1b}[A now
".as_bytes()), @"
    error: a control character, U+001B
     --> skills/qa.md:4:7
      |
    4 | Press ␛[A now
      |       ^
      |
      = hint: an agent's terminal would take it for a key
    ");
}

#[test]
fn a_skill_of_a_megabyte_is_refused_unread() {
    assert_snapshot!(skill(&vec![b'a'; 1024 * 1024]), @"
    error: the file is too large: 1024 KB, at most 64 KB
    --> skills/qa.md
    ");
}

#[test]
fn a_skill_that_is_not_utf_8_names_the_line() {
    assert_snapshot!(skill(b"---\nname: qa\n---\nGr\xfc\xdfe\n"), @"
    error: the file is not UTF-8
     --> skills/qa.md:4:3
      |
    4 | Gr
      |   ^ byte 0xfc
      |
      = hint: save it as UTF-8
    ");
}

#[test]
fn a_deep_or_endless_front_matter_costs_no_more_than_its_length() {
    let deep = format!("---\nname: {}\n---\nBody\n", "[".repeat(7000));
    assert!(skill(deep.as_bytes()).contains("`name` is a list, not a text"));
    let long = format!("---\n{}---\nBody\n", "# comment\n".repeat(1000));
    assert!(skill(long.as_bytes()).contains("the front matter is too long"));
    let deep = format!("version = {}", "[".repeat(100_000));
    assert!(workflow(&deep).contains("labels.toml:1:"));
}

#[test]
fn every_shipped_file_reads_and_its_lookup_finds_it() {
    let config = Config::shipped();
    assert_eq!(config.workflows.len(), config::shipped::WORKFLOWS.len());
    assert_eq!(config.profiles.len(), config::shipped::PROFILES.len());
    assert_eq!(config.skills.len(), config::shipped::SKILLS.len());
    assert!(config::shipped::workflow("labels.toml").is_some());
    assert!(config::shipped::profile("codex").is_some());
    assert!(config::shipped::skill("qa").is_some());
    for (folder, embedded) in [("skills", 9), ("agents", 7), ("workflows", 2)] {
        let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
            .unwrap()
            .count();
        assert_eq!(files, embedded, "a file in {folder}/ is not embedded");
    }
}

#[test]
fn every_shipped_skill_is_without_findings() {
    for skill in Config::shipped().skills.values() {
        assert_eq!(config::lint(skill), [], "{}", skill.name);
    }
}

#[test]
fn a_skill_finds_its_findings() {
    let text = "---\nname: qa\n---\n## Report\n\n1. Open it\n2. Read src/main.rs\n3. Close it\n\n## Objective\n\n```\n## Done when\n```\n";
    let skill = config::parse_skill("qa.md", text.as_bytes(), SkillSource::Operator).unwrap();
    let findings: Vec<String> = config::lint(&skill)
        .iter()
        .map(|finding| format!("{}: {}", finding.line, finding.message))
        .collect();
    assert_snapshot!(findings.join("\n"), @"
    0: no `description`
    0: no heading `Constraints`
    0: no heading `Done when`
    1: headings out of order
    5: a numbered list of steps
    6: a numbered list of steps
    4: a file's path, `src/main.rs`
    ");
}

#[test]
fn the_operator_wins_over_the_project_and_the_project_over_the_shipped() {
    let mut found = Config::shipped().skills;
    let name = SkillName::new("qa");
    let project: BTreeMap<String, String> =
        [("qa/SKILL.md".to_owned(), "Project's\r\n".to_owned())].into();
    let skill = config::lookup_skill(&name, &found, &project)
        .unwrap()
        .unwrap();
    assert_eq!(
        (skill.source, skill.body.as_str()),
        (SkillSource::Project, "Project's\r\n")
    );
    let mine = config::parse_skill("qa.md", b"Mine", SkillSource::Operator).unwrap();
    found.insert(name.clone(), mine);
    assert_eq!(
        config::lookup_skill(&name, &found, &project)
            .unwrap()
            .unwrap()
            .body,
        "Mine"
    );
    assert_eq!(
        config::lookup_skill(&SkillName::new("none"), &found, &project).unwrap(),
        None
    );
}
