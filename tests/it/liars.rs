//! Agents that lie, and what each is answered. `LIES` names for every lie the story that tells it; the stories of this file are one
//! agent's day, on real git and with the real verbs, and `liars/page.snap` is the page with every answer as the agent gets it.

mod story;

use crate::tidy::rows;

/// Every lie and what shows that it comes to nothing.
const LIES: [(&str, &[&str]); 17] = [
    (
        "says done without a commit",
        &[
            "an_agent_that_lies_all_day_is_answered_each_time",
            "done_without_a_commit_is_refused_with_what_is_missing_and_then_accepted",
        ],
    ),
    (
        "commits to the wrong branch, or to the default branch",
        &["an_agent_that_lies_all_day_is_answered_each_time"],
    ),
    (
        "dates its commits as it likes",
        &["an_agent_that_lies_all_day_is_answered_each_time"],
    ),
    (
        "passes lint with a failing build",
        &["an_agent_that_lies_all_day_is_answered_each_time"],
    ),
    (
        "reports without the dispatch's secret",
        &["an_agent_that_lies_all_day_is_answered_each_time"],
    ),
    (
        "reports for somebody else's dispatch",
        &["an_agent_that_lies_all_day_is_answered_each_time"],
    ),
    (
        "passes a path to a secret as its verdict, or a link in its place",
        &[
            "an_agent_that_lies_all_day_is_answered_each_time",
            "a_link_or_a_file_in_our_folders_place_is_refused_and_nothing_is_written_behind_it",
            "a_stages_file_behind_a_link_is_not_read",
        ],
    ),
    (
        "edits the verdict after the fact",
        &["an_agent_that_lies_all_day_is_answered_each_time"],
    ),
    (
        "reviews half of the files",
        &["an_agent_that_lies_all_day_is_answered_each_time"],
    ),
    (
        "rewrites the checker's skill",
        &["an_agent_that_lies_all_day_is_answered_each_time"],
    ),
    (
        "rewrites what only a person may change",
        &[
            "a_change_of_a_protected_path_is_not_pushed_but_handed_to_a_person",
            "a_local_default_branch_that_was_moved_hides_no_protected_path",
        ],
    ),
    (
        "pushes after the build record",
        &[
            "an_agent_that_lies_all_day_is_answered_each_time",
            "approve_merges_the_pull_request_only_as_it_was_verified",
        ],
    ),
    (
        "leaves a build running that speaks for a later commit",
        &["a_build_that_outlives_its_daemon_speaks_for_its_own_commit_only"],
    ),
    (
        "moves the label itself",
        &["a_label_that_the_agents_account_moves_on_goes_back_once_when_the_work_is_not_there"],
    ),
    (
        "types into another pane",
        &[
            "a_busy_pane_and_a_pane_with_a_draft_receive_nothing",
            "only_the_right_pane_receives_the_brief",
        ],
    ),
    (
        "gives a person's word",
        &["a_person_routes_an_issue_and_an_agent_may_not"],
    ),
    (
        "opens issues to be worked on by itself",
        &[
            "an_agent_opens_issues_and_comments_once_and_without_a_label",
            "an_agents_issue_on_github_has_no_label_and_is_nobodys_request",
        ],
    ),
];

#[test]
fn every_lie_has_its_story() {
    let tests = rows::tests();
    let untold = LIES
        .iter()
        .flat_map(|(lie, stories)| stories.iter().map(move |story| (lie, story)))
        .filter(|(_, story)| !tests.contains(**story));
    assert_eq!(untold.collect::<Vec<_>>(), []);
    assert!(LIES.iter().all(|(_, stories)| !stories.is_empty()));
}
