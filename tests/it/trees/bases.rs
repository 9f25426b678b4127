//! What a commit is held against: the tip that work starts from, and everything that was there before or is somebody else's.

use pointsman::daemon::jobs::{gates, tree};
use pointsman::domain::{
    Dispatch, Evidence, GateName, Ground, IssueNumber, Outcome, Report, ReportId, Spec, Subject,
    Verb,
};

use crate::builders::{dev, dispatch, review, ten};
use crate::support::world::World;

const BRANCH: &str = "pointsman/1-faq";

fn done(head: &str, reviewed: &[&str]) -> Report {
    let verdict = format!(
        "{{\"verdict\": \"pass\", \"summary\": \"read\", \"files_reviewed\": {reviewed:?}}}"
    );
    Report {
        id: ReportId::new("01J0000000000000000000000A"),
        dispatch: dispatch("d1d1d1", 1, "Faq", dev()).id().clone(),
        verb: Verb::Done,
        head: Some(Subject::new(head)),
        branch: None,
        spec: None,
        verdict: Some(verdict),
        note: None,
        moved: None,
        proven: true,
        at: ten(),
    }
}

/// Somebody else's commit on a branch of the remote; the project does not know of it.
fn elsewhere(world: &World, branch: &str, file: &str) -> String {
    let other = world.home().join("other");
    if !other.exists() {
        let remote = world.home().join("shop.git").display().to_string();
        let other = other.display().to_string();
        world.git("shop", &["clone", "-q", &remote, &other]);
    }
    world.git("other", &["switch", "-q", "-C", branch]);
    let commit = world.commit("other", file, "echo theirs\n");
    world.git("other", &["push", "-q", "origin", branch]);
    commit
}

async fn measured(world: &World, gate: GateName, dispatch: &Dispatch, report: &Report) -> Evidence {
    let hands = world.hands("shop").await;
    match gates::measure(&hands, dispatch, &gate, report, &Ground::default()).await {
        Outcome::Measured(evidence) => evidence,
        other => panic!("it is measured: {other:?}"),
    }
}

async fn covered(world: &World, subject: &str, reviewed: &[&str]) -> Evidence {
    let mut checked = dispatch("d1d1d1", 1, "Faq", review());
    checked.opening.subject = Some(Subject::new(subject));
    let report = done(subject, reviewed);
    measured(world, GateName::Coverage, &checked, &report).await
}

/// A dispatch whose tree was put in place, as before its brief.
async fn prepared(world: &World) -> Dispatch {
    let hands = world.hands("shop").await;
    let mut opened = dispatch("d1d1d1", 1, "Faq", dev());
    match tree::prepare(&hands, &opened).await {
        Outcome::Prepared { base, known } => (opened.base, opened.known) = (base, known),
        other => panic!("it is prepared: {other:?}"),
    }
    opened
}

/// The branch gate, on what the project's branch is now.
async fn branch(world: &World, dispatch: &Dispatch) -> Evidence {
    let mut report = done(&world.git("shop", &["rev-parse", BRANCH]), &[]);
    report.branch = Some(BRANCH.to_owned());
    measured(world, GateName::Branch, dispatch, &report).await
}

#[tokio::test]
async fn coverage_asks_for_what_the_work_changed_and_not_for_what_others_merged() {
    let world = World::new();
    world.project("shop");
    elsewhere(&world, "main", "theirs.sh");
    world.git("shop", &["fetch", "-q", "origin"]);
    world.git(
        "shop",
        &["switch", "-q", "--no-track", "-c", BRANCH, "origin/main"],
    );
    let subject = world.commit("shop", "faq.sh", "echo faq\n");
    let evidence = covered(&world, &subject, &["faq.sh"]).await;
    assert!(evidence.holds, "{}", evidence.says);
    let evidence = covered(&world, &subject, &[]).await;
    assert!(
        evidence.says.starts_with("1 of 1 changed file"),
        "{}",
        evidence.says
    );
}

#[tokio::test]
async fn a_clone_without_the_default_branch_covers_against_the_remotes() {
    let world = World::new();
    world.project("shop");
    world.git("shop", &["push", "-q", "origin", "main:dev"]);
    let (here, remote) = (world.home().join("shop"), world.home().join("shop.git"));
    std::fs::remove_dir_all(&here).unwrap();
    let (here, remote) = (here.display().to_string(), remote.display().to_string());
    world.git("", &["clone", "-q", "-b", "dev", &remote, &here]);
    world.git("shop", &["switch", "-q", "-c", BRANCH]);
    let subject = world.commit("shop", "faq.sh", "echo faq\n");
    let evidence = covered(&world, &subject, &[]).await;
    assert!(
        !evidence.holds && evidence.says.contains("faq.sh"),
        "{}",
        evidence.says
    );
}

#[tokio::test]
async fn coverage_without_a_default_branch_is_red_and_says_why() {
    let world = World::new();
    world.project("shop");
    world.git("shop", &["remote", "remove", "origin"]);
    world.git("shop", &["switch", "-q", "-c", BRANCH]);
    let subject = world.commit("shop", "faq.sh", "echo faq\n");
    world.git("shop", &["branch", "-q", "-D", "main"]);
    world.git("shop", &["switch", "-q", "--detach"]);
    let evidence = covered(&world, &subject, &["faq.sh"]).await;
    assert!(
        !evidence.holds && evidence.says.contains("default branch"),
        "{}",
        evidence.says
    );
}

#[tokio::test]
async fn with_many_tips_the_newest_commit_of_main_is_still_nobodys_work() {
    let world = World::new();
    world.project("shop");
    world.git("shop", &["remote", "remove", "origin"]);
    let root = world.git("shop", &["rev-parse", "HEAD"]);
    let tree = world.git("shop", &["rev-parse", "HEAD^{tree}"]);
    // One tip more than are remembered, each a commit of its own; `main` sorts behind all of them.
    let mut refs = String::new();
    for n in 0..600 {
        let commit = world.git(
            "shop",
            &[
                "-c",
                "user.name=A",
                "-c",
                "user.email=a@x",
                "commit-tree",
                &tree,
                "-p",
                &root,
                "-m",
                &n.to_string(),
            ],
        );
        refs += &format!("{commit} refs/tags/t{n}\n");
    }
    std::fs::write(world.home().join("shop/.git/packed-refs"), refs).unwrap();
    let mut last = root;
    while !last.starts_with("ff") && !last.starts_with("fe") && !last.starts_with("fd") {
        last = world.git(
            "shop",
            &[
                "-c",
                "user.name=A",
                "-c",
                "user.email=a@x",
                "commit-tree",
                &tree,
                "-p",
                "HEAD",
                "-m",
                &last,
            ],
        );
    }
    world.git("shop", &["reset", "-q", "--hard", &last]);
    let opened = prepared(&world).await;
    let evidence = branch(&world, &opened).await;
    assert!(
        !evidence.holds && evidence.says.starts_with("no commit on"),
        "{}",
        evidence.says
    );
}

#[tokio::test]
async fn a_branch_that_somebody_pushed_meanwhile_is_not_this_issues_work() {
    let world = World::new();
    world.project("shop");
    let opened = prepared(&world).await;
    elsewhere(&world, "feature", "theirs.sh");
    world.git("shop", &["fetch", "-q", "origin"]);
    world.commit("shop", "faq.sh", "echo faq\n");
    let evidence = branch(&world, &opened).await;
    assert!(evidence.holds, "{}", evidence.says);
    world.git("shop", &["merge", "-q", "--no-edit", "origin/feature"]);
    let evidence = branch(&world, &opened).await;
    assert!(
        !evidence.holds && evidence.says.contains("origin/feature"),
        "{}",
        evidence.says
    );
}

#[tokio::test]
async fn what_others_brought_into_main_is_no_work_and_no_fault() {
    let world = World::new();
    world.project("shop");
    let opened = prepared(&world).await;
    elsewhere(&world, "feature", "theirs.sh");
    world.git("other", &["push", "-q", "origin", "feature:main"]);
    world.git("shop", &["fetch", "-q", "origin"]);
    world.git("shop", &["merge", "-q", "origin/main"]);
    let evidence = branch(&world, &opened).await;
    assert!(
        evidence.says.starts_with("no commit on"),
        "{}",
        evidence.says
    );
    world.commit("shop", "faq.sh", "echo faq\n");
    let evidence = branch(&world, &opened).await;
    assert!(evidence.holds, "{}", evidence.says);
    assert!(
        evidence.says.starts_with("1 new commit"),
        "{}",
        evidence.says
    );
}

#[tokio::test]
async fn a_change_to_how_work_is_judged_is_named_in_the_evidence() {
    let world = World::new();
    world.project("shop");
    let opened = prepared(&world).await;
    world.commit("shop", "Makefile", "all:\n\ttrue\n");
    let evidence = branch(&world, &opened).await;
    assert!(
        evidence.holds && evidence.says.contains("judged: `Makefile`"),
        "{}",
        evidence.says
    );
}

/// The accident: a commit on the local default branch, then on with the issue's.
#[tokio::test]
async fn what_the_local_default_branch_got_meanwhile_is_work_like_any_other() {
    let world = World::new();
    world.project("shop");
    prepared(&world).await;
    world.git("shop", &["switch", "-q", "main"]);
    world.commit("shop", "Makefile", "all:\n\ttrue\n");
    world.git("shop", &["switch", "-q", BRANCH]);
    world.git("shop", &["merge", "-q", "main"]);
    let subject = world.commit("shop", "faq.sh", "echo faq\n");
    let evidence = covered(&world, &subject, &["faq.sh"]).await;
    assert!(
        !evidence.holds && evidence.says.contains("Makefile"),
        "{}",
        evidence.says
    );
    // And with the whole of it on the local default branch.
    world.git("shop", &["branch", "-q", "-f", "main", "HEAD"]);
    let evidence = covered(&world, &subject, &[]).await;
    assert!(
        evidence.says.starts_with("2 of 2 changed files"),
        "{}",
        evidence.says
    );
}

/// Without a remote the local default branch is all there is, and the agent can move it.
#[tokio::test]
async fn without_a_remote_work_is_held_against_where_the_default_branch_stood() {
    let world = World::new();
    world.project("shop");
    world.git("shop", &["remote", "remove", "origin"]);
    let opened = prepared(&world).await;
    world.commit("shop", "Makefile", "all:\n\ttrue\n");
    world.git("shop", &["branch", "-q", "-f", "main", "HEAD"]);
    let subject = world.commit("shop", "faq.sh", "echo faq\n");
    let mut checked = dispatch("d1d1d1", 1, "Faq", review());
    checked.opening.subject = Some(Subject::new(&subject));
    let ground = Ground {
        began: opened.began().cloned(),
        ..Ground::default()
    };
    let hands = world.hands("shop").await;
    let report = done(&subject, &["faq.sh"]);
    let measured = gates::measure(&hands, &checked, &GateName::Coverage, &report, &ground).await;
    assert!(
        matches!(&measured, Outcome::Measured(row) if !row.holds && row.says.contains("Makefile")),
        "{measured:?}"
    );
}

/// What a spec asks for is looked up in the commit, never in the tree.
#[tokio::test]
async fn the_searches_of_a_spec_are_run_on_the_commit() {
    let world = World::new();
    world.project("shop");
    let dispatch = prepared(&world).await;
    world.git("shop", &["switch", "-q", BRANCH]);
    world.commit("shop", "src/faq.sh", "echo faq\n");
    let tip = world.commit("shop", "src/old.sh", "echo old_login\n");
    let hands = world.hands("shop").await;
    let verified = async |searches: &str| {
        let spec = Spec {
            issue: IssueNumber(1),
            text: format!("## Verify\n\n{searches}\n"),
            digest: String::new(),
        };
        let ground = Ground {
            spec: Some(spec),
            ..Ground::default()
        };
        let report = done(&tip, &[]);
        match gates::measure(&hands, &dispatch, &GateName::Verify, &report, &ground).await {
            Outcome::Measured(evidence) => evidence,
            other => panic!("it is measured: {other:?}"),
        }
    };
    let green = verified(
        "must_contain src/faq.sh \"echo faq\"\nmust_not_contain src/ \"new_login\"\nmust_not_contain gone.sh \"x\"",
    )
    .await;
    assert_eq!(green.says, "the spec's 3 searches hold");
    assert_eq!(green.subject, Some(Subject::new(&tip)));
    std::fs::write(
        world.home().join("shop/src/faq.sh"),
        "echo never committed\n",
    )
    .expect("it is written");
    let red = verified(
        "must_contain src/faq.sh \"never committed\"\nmust_contain faq.sh \"echo faq\"\nmust_not_contain src \"old_login\"\nmust_contain src \"echo\"",
    )
    .await;
    assert!(!red.holds);
    insta::assert_snapshot!(red.says, @r#"only 1 of the 4 searches that the spec asks for below `## Verify` hold: `it is not there: must_contain src/faq.sh "never committed"`, `there is no such file: must_contain faq.sh "echo faq"`, `it is still there: must_not_contain src "old_login"`. If the spec is wrong, say so with `fail`"#);
}
