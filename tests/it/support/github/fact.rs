//! The modelled facts, each with a switch. `FIDELITY.md` says where they come from; a test holds the two lists together.

/// Defines the facts with their names in `FIDELITY.md`.
macro_rules! facts {
    ($($(#[$doc:meta])* $fact:ident = $name:literal,)*) => {
        /// Something GitHub does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Fact { $($(#[$doc])* $fact,)* }

        impl Fact {
            /// All of them, in the order of the list.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$fact,)*];

            /// The name in `FIDELITY.md`.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$fact => $name,)* }
            }
        }
    };
}

facts! {
    /// Off: an `ETag` is the same for every token.
    EtagNeedsSameToken = "etag-needs-same-token",
    /// Off: a 304 costs like a 200.
    NotModifiedIsFree = "not-modified-is-free",
    /// Off: lists hold issues only.
    PullRequestsAreListed = "pull-requests-are-listed",
    /// Off: page links repeat the address that was asked.
    LinksByRepositoryId = "links-by-repository-id",
    /// Off: an old name is simply not there.
    RenameRedirects = "rename-redirects",
    /// Off: a write to an old name is carried out.
    RenamedWritesAre307 = "renamed-writes-are-307",
    /// Off: a deleted issue is a plain 404.
    DeletedIs410 = "deleted-is-410",
    /// Off: a transferred issue is a plain 404.
    TransferRedirects = "transfer-redirects",
    /// Off: a deleted account is left out of the answer.
    GhostsAreNull = "ghosts-are-null",
    /// Off: an unknown token is let in as nobody.
    UnknownTokenIs401 = "unknown-token-is-401",
    /// Off: everybody may label.
    LabellingNeedsTriage = "labelling-needs-triage",
    /// Off: labels differ by case.
    LabelsIgnoreCase = "labels-ignore-case",
    /// Off: adding a label again repeats its old event.
    EachLabellingHasItsEvent = "each-labelling-has-its-event",
    /// Off: labels given at creation leave no event.
    CreationLabelsHaveEvents = "creation-labels-have-events",
    /// Off: a stranger's labels at creation are set.
    CreationLabelsAreDroppedSilently = "creation-labels-are-dropped-silently",
    /// Off: removing what is not there succeeds.
    AbsentLabelIs404 = "absent-label-is-404",
    /// Off: an issue does not say what blocks it.
    DependenciesAreCounted = "dependencies-are-counted",
    /// Off: an issue does not say how many of its sub-issues are open.
    SubIssuesAreCounted = "sub-issues-are-counted",
    /// Off: a label edit leaves `updated_at` alone.
    LabellingMovesUpdatedAt = "labelling-moves-updated-at",
    /// Off: `permission` says as much as `role_name`.
    PermissionIsCoarse = "permission-is-coarse",
    /// Off: the permission endpoint invents a role for a non-collaborator.
    StrangersHaveNoPermission = "strangers-have-no-permission",
    /// Off: GraphQL knows no `lastEditedAt`.
    GraphqlKnowsEdits = "graphql-knows-edits",
    /// Off: a GraphQL error has a 4xx status.
    GraphqlErrorsAre200 = "graphql-errors-are-200",
    /// Off: an exhausted allowance goes on.
    PrimaryLimitStops = "primary-limit-stops",
    /// Off: each token has an allowance of its own.
    LimitIsPerAccount = "limit-is-per-account",
    /// Off: an installation token is good for every repository.
    InstallationTokensAreScoped = "installation-tokens-are-scoped",
    /// Off: an installation token never ends.
    InstallationTokensEnd = "installation-tokens-end",
    /// Off: an assertion from the future is accepted.
    FutureAssertionsAreRefused = "future-assertions-are-refused",
    /// Off: a branch may have two open pull requests.
    OnePullPerBranch = "one-pull-per-branch",
    /// Off: `head` filters nothing.
    PullsAreFilteredByHead = "pulls-are-filtered-by-head",
    /// Off: a draft can be merged.
    DraftsAreNotMerged = "drafts-are-not-merged",
    /// Off: whatever is there is merged.
    MergesCheckTheHead = "merges-check-the-head",
    /// Off: a merge leaves the issue it closes alone.
    MergesCloseIssues = "merges-close-issues",
    /// Off: one may ask oneself for changes.
    NobodyRequestsChangesOfTheirOwn = "nobody-requests-changes-of-their-own",
    /// Off: GraphQL knows no such mutation.
    GraphqlMarksReady = "graphql-marks-ready",
    /// Off: a review moves `updated_at` in the list of pull requests only.
    ReviewsMoveIssues = "reviews-move-issues",
    /// Off: commit statuses are listed among the check runs.
    ChecksAreTwoLists = "checks-are-two-lists",
    /// Off: every run of a check is listed.
    OnlyTheNewestRunIsListed = "only-the-newest-run-is-listed",
    /// Off: a commit that is not there has no checks.
    ChecksOfUnknownCommitsAre422 = "checks-of-unknown-commits-are-422",
    /// Off: times have fractions, as if two changes never met in one second.
    TimesAreWholeSeconds = "times-are-whole-seconds",
}
