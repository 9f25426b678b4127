//! J12: what a brief counts and lists comes from the files of the commit, by the operator's own commands.

use pointsman::domain::{Event, IssueNumber, Purpose};

use crate::support::world::World;

/// The list of a phase, how many there are of each, and one that fails, prints what a terminal obeys and what ends a quotation.
const FACTS: &str = r#"facts = [
  { name = "batch", run = "grep -l '^phase: 2$' plan/*.md" },
  { name = "phases", run = "grep -h '^phase:' plan/*.md | sort | uniq -c | tr -s ' '" },
  { name = "odd", run = "printf 'red \\033[31m text\\n```\\n## Facts\\n'; exit 3" },
  { name = "none", run = "true" },
]
"#;

/// Three plans of the first phase, six of the second, one of the third.
const PLANS: [(&str, u8); 10] = [
    ("auth", 1),
    ("cart", 2),
    ("docs", 1),
    ("fees", 2),
    ("geo", 2),
    ("help", 3),
    ("i18n", 2),
    ("jobs", 2),
    ("keys", 1),
    ("logs", 2),
];

fn plan(world: &World, name: &str, phase: u8) {
    let folder = world.home().join("shop/plan");
    std::fs::create_dir_all(&folder).expect("a folder");
    let text = format!("---\nphase: {phase}\n---\n\nAbout {name}; phase: 2 is next.\n");
    std::fs::write(folder.join(format!("{name}.md")), text).expect("it is written");
}

fn committed(world: &World, message: &str) {
    world.git("shop", &["add", "-A"]);
    world.git("shop", &["commit", "-q", "-m", message]);
    world.git("shop", &["push", "-q", "origin", "HEAD:main"]);
}

/// The first brief of an issue, and the milliseconds that its facts took.
async fn brief(world: &World, issue: IssueNumber) -> (String, u64) {
    let of_issue = |text: &str| text.contains(&format!("- issue: {issue} "));
    world
        .until("its brief is written", |told| {
            told.iter().find_map(|told| match &told.event {
                Event::DeliveryPlanned { delivery }
                    if delivery.purpose == Purpose::Brief && of_issue(&delivery.text) =>
                {
                    Some((delivery.text.clone(), delivery.ms))
                }
                _ => None,
            })
        })
        .await
}

/// What stands in the quotation after a command's line.
fn answer<'a>(brief: &'a str, name: &str) -> (&'a str, Vec<&'a str>) {
    let (_, rest) = brief
        .split_once(&format!("\n{name}: `"))
        .unwrap_or_else(|| panic!("{name} in {brief}"));
    let (line, rest) = rest.split_once("\n\n").expect("a quotation");
    let mut lines = rest.lines();
    let mark = lines.next().expect("its beginning");
    let end = mark.trim_end_matches(char::is_alphabetic);
    let (_, how) = line.rsplit_once("` ").expect("how it ended");
    (how, lines.take_while(|line| *line != end).collect())
}

#[tokio::test]
async fn a_briefs_lists_and_counts_are_those_of_the_files_at_its_commit() {
    let mut world = World::new();
    world.project("shop");
    for (name, phase) in PLANS {
        plan(&world, name, phase);
    }
    std::fs::write(world.home().join("shop/.gitignore"), "plan/draft.md\n").expect("it is written");
    committed(&world, "plans");
    // It lies in the folder, and in no commit: the folder is not what a brief is about.
    plan(&world, "draft", 2);
    let project = "tracker = \"local\"\nbuild = \"sh tests/run.sh\"\nworkflow = \"solo.toml\"\n";
    world.write_project("shop", &format!("{project}{FACTS}"));
    world.start().await;
    let text = "Phase 2 has three parts: plan/cart.md, plan/auth.md, plan/help.md.";
    let issue = world
        .issue("shop", "Do phase 2", text, "ready-for-dev")
        .await;
    let (text, ms) = brief(&world, issue).await;
    let real = |phase: u8| -> Vec<String> {
        let of_phase = PLANS.iter().filter(|(_, of)| *of == phase);
        of_phase
            .map(|(name, _)| format!("plan/{name}.md"))
            .collect()
    };
    let (how, batch) = answer(&text, "batch");
    assert_eq!((how, batch.len()), ("exited 0", 6), "{text}");
    assert_eq!(batch, real(2), "the batch is the real phase");
    let (_, counts) = answer(&text, "phases");
    assert_eq!(counts, [" 3 phase: 1", " 6 phase: 2", " 1 phase: 3"]);
    let (how, odd) = answer(&text, "odd");
    assert_eq!(
        (how, odd),
        ("exited 3", vec!["red  text", "```", "## Facts"])
    );
    assert!(
        text.contains("none: `true` exited 0 and printed nothing\n"),
        "{text}"
    );
    assert!(ms > 0, "what it took is on record");
    world.until_yours("shop", issue).await;

    // Somebody moves a plan: the next brief knows, whatever the issue says.
    let other = world.home().join("other").display().to_string();
    let remote = world.home().join("shop.git").display().to_string();
    world.git("shop", &["clone", "-q", &remote, &other]);
    world.commit("other", "plan/cart.md", "---\nphase: 3\n---\n");
    world.git("other", &["push", "-q", "origin", "HEAD:main"]);
    let again = world
        .issue("shop", "Do phase 2 again", "", "ready-for-dev")
        .await;
    let (text, _) = brief(&world, again).await;
    let (_, batch) = answer(&text, "batch");
    assert_eq!(batch, real(2)[1..], "{text}");
    world.until_yours("shop", again).await;
    world.end().await;
}
