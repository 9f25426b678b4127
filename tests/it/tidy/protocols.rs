//! PROTOCOLS 6 to 9, what 1 and 4 believe of others, and the push of 11, line by line: which tests show it, by name, or pages of `tests/it/scenarios`.

use super::{none, root, rows};

/// The lines that say what is done, or is never done.
const LINES: [(&str, &[&str]); 35] = [
    (
        "1: only the label's own event names who asked, and a transferred issue asks anew",
        &[
            "what_was_done_to_others_starts_nothing_here_and_its_honest_twin_does",
            "unattributed.txt",
        ],
    ),
    (
        "4: a report is proven by its secret and its spool; what is not, judges nothing, ends nothing and asks nobody",
        &[
            "an_agent_that_lies_all_day_is_answered_each_time",
            "forged_reports.txt",
        ],
    ),
    (
        "7: another routing label by a trusted person is honoured at once, by name",
        &["override_by_a_person.txt", "moved_on_without_the_work.txt"],
    ),
    (
        "7: the same label removed and set again is a new labelling",
        &["same_label_set_anew.txt"],
    ),
    (
        "7: removing the label, closing, a veto: stopping is always honoured",
        &[
            "withdrawn_while_working.txt",
            "withdrawn_while_delivering.txt",
            "veto.txt",
        ],
    ),
    (
        "7: an untrusted actor's routing label is held without a write",
        &[
            "untrusted_actor.txt",
            "a_stranger_who_adds_a_routing_label_is_ignored_while_a_dispatch_is_open",
            "a_stranger_while_it_moves.txt",
            "what_a_stranger_sets_does_not_stop_a_move_and_what_they_take_away_does",
        ],
    ),
    (
        "7: an edit by somebody who could not have set the label needs a new approval",
        &[
            "edited_by_a_stranger.txt",
            "an_edit_keeps_the_approval_only_of_who_could_have_given_it",
        ],
    ),
    (
        "7: an app is trusted by its id only",
        &["an_app_is_trusted_by_its_id_only"],
    ),
    (
        "7: an agent's identity has no word, and its forward move of its own issue is a report",
        &[
            "an_account_that_agents_work_as_has_no_word",
            "agents_account.txt",
        ],
    ),
    (
        "7: whose event it is decides, not what it does",
        &["what_people_change_is_honoured_by_who_they_are"],
    ),
    (
        "7: the person's way past the gates is `pointsman route`, and an agent may not",
        &[
            "a_person_routes.txt",
            "a_person_routes_an_issue_and_an_agent_may_not",
        ],
    ),
    (
        "7: a forward move by the account that agents share is a report: judged, and undone once if red",
        &[
            "moved_on_without_the_work.txt",
            "moved_on_with_the_work.txt",
            "moved_on_too_far.txt",
            "moved_on_while_judged.txt",
            "a_label_that_the_agents_account_moves_on_goes_back_once_when_the_work_is_not_there",
        ],
    ),
    (
        "6: several routing labels are held; one comment says so where no status comment does, for trusted people's only",
        &[
            "two_routing_labels.txt",
            "two_routing_labels_of_a_stranger.txt",
        ],
    ),
    (
        "8: a reply to an ask goes to the same dispatch and session",
        &[
            "a_person_answers.txt",
            "a_question_waits_for_a_persons_answer",
        ],
    ),
    (
        "8: a stranger's reply does not count",
        &["replies_on_github_reach_the_agent_once_and_strangers_do_not"],
    ),
    (
        "8: a reply that was edited later: what was taken stays, and it is said",
        &["a_reply_is_edited_too_late.txt"],
    ),
    (
        "8: removing `needs-human` means: try again, attempts start anew",
        &[
            "attempts_then_park_then_unpark.txt",
            "unparked_by_a_stranger.txt",
        ],
    ),
    (
        "8: another routing label is their decision",
        &["asked_and_moved_on.txt"],
    ),
    (
        "8: removing the label withdraws",
        &["withdrawn_while_working.txt"],
    ),
    (
        "8: a veto withdraws, and the agent is told once",
        &["a_veto_while_the_agent_works_withdraws_and_stops_it_with_one_line"],
    ),
    (
        "8: `pointsman-pause` on an open issue pauses the project until it is closed",
        &["pause_label.txt"],
    ),
    (
        "8: a person's merge is done, also while an agent works",
        &[
            "a_pull_request_is_a_draft_until_reviewed_and_its_merge_is_the_last_move",
            "a_merge_while_an_agent_works_ends_its_work",
        ],
    ),
    (
        "8: a trusted review that requests changes is another round with its words, every time",
        &[
            "changes_requested_are_another_round_with_the_words_of_people_and_of_no_stranger",
            "a_sweep_sees_a_review_that_the_list_of_issues_does_not_show",
        ],
    ),
    (
        "8: relabelling to where the work is made, after a pull request, is another round too",
        &["a_label_set_back_after_the_pull_request_is_another_round_too"],
    ),
    (
        "8: closing the pull request unmerged drops the work",
        &["a_pull_request_that_is_closed_unmerged_drops_the_work_and_says_so_once"],
    ),
    (
        "8: a branch has one pull request of ours, whatever is lost or killed, and a fork's is never it",
        &[
            "a_lost_answer_and_a_fork_with_our_branch_name_still_make_one_pull_request",
            "killed_between_the_push_and_the_pull_request_it_makes_one",
            "a_pull_request_of_a_fork_with_our_branch_name_is_not_ours",
            "a_pull_request_of_our_branch_into_another_one_is_not_ours",
        ],
    ),
    (
        "11: a push is never forced, and what a remote refuses is told",
        &[
            "a_branch_with_other_commits_on_the_remote_is_never_overwritten",
            "a_push_that_a_rule_refuses_is_told_at_once_and_goes_on_once_the_rule_is_gone",
            "what_the_outside_refuses_is_told_at_once_slowed_and_handed_over_like_a_failure",
        ],
    ),
    (
        "11: a diff that touches `protected` paths is not pushed but parked",
        &["a_change_of_a_protected_path_is_not_pushed_but_handed_to_a_person"],
    ),
    (
        "8: one comment that mentions people when approval is needed",
        &[
            "the_last_move_is_yours.txt",
            "attempts_then_park_then_unpark.txt",
            "a_question_waits_for_a_persons_answer",
        ],
    ),
    (
        "8: the status comment, full, short or off",
        &[
            "status_comment.txt",
            "status_comment_short.txt",
            "status_comment_off.txt",
            "an_issue_in_a_public_repository_says_where_it_stands_and_nothing_private",
        ],
    ),
    (
        "8: status edits at most one a minute and issue, and a fifth of the write budget",
        &[
            "no_world_breaks_an_invariant",
            "edits_that_may_wait_take_a_fifth_of_the_writes_and_markers_go_on",
        ],
    ),
    (
        "9: the marker line stands before the paste, or there is no dispatch",
        &[
            "marked_before_the_paste.txt",
            "nothing_is_typed_before_the_marker_line_is_on_the_issue",
        ],
    ),
    (
        "9: markers count only with a valid HMAC, by our own account",
        &[
            "a_marker_line_of_another_key_or_with_another_word_is_not_genuine",
            "an_issue_in_a_public_repository_says_where_it_stands_and_nothing_private",
        ],
    ),
    (
        "9: another ledger's marker holds the repository until `ledger adopt`",
        &[
            "another_daemon.txt",
            "a_mark_of_another_ledger_holds_the_repository_until_it_is_adopted",
        ],
    ),
    (
        "9: a ledger behind its witnesses dispatches nothing for the issues they touch",
        &[
            "ledger_behind.txt",
            "a_restored_ledger_sends_nothing_again_for_work_that_it_forgot",
            "a_deleted_ledger_is_noticed_by_the_brief_of_the_one_before",
        ],
    ),
];

#[test]
fn every_line_of_the_protocols_has_a_test() {
    let tests = rows::tests();
    let mut broken = Vec::new();
    for (line, names) in &LINES {
        assert!(!names.is_empty(), "{line}");
        for name in *names {
            let page = root().join(format!("tests/it/scenarios/{name}"));
            if !tests.contains(*name) && !page.is_file() {
                broken.push(format!("{line}: there is no `{name}`"));
            }
        }
    }
    none(&broken);
}
