//! Screens of the real programs, kept by `tests/agentlab/capture.py`: what the shipped profiles make of each.
//!
//! `fixtures/screens/<profile>-<version>/<state>-<size>.txt`; the state is what the program was made to do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pointsman::config::Config;
use pointsman::domain::{Profile, ProfileName, ScreenClaim, screen_pattern};
use pointsman::terminal::{Capture, Composer, Recogniser};
use regex::Regex;

/// What a profile says of a capture, by title and screen alone: files and servers are not in it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) is_title_busy: bool,
    pub(super) is_title_asking: bool,
    pub(super) claim: Option<ScreenClaim>,
    pub(super) composer: Composer,
}

/// A profile's patterns, made once.
pub(super) struct Reader {
    recogniser: Recogniser,
    title_busy: Option<Regex>,
    title_asks: Option<Regex>,
}

impl Reader {
    pub(super) fn new(profile: &Profile) -> Self {
        let compiled = |pattern: &Option<String>| {
            let pattern = pattern.as_ref()?;
            Some(screen_pattern(pattern).unwrap())
        };
        Self {
            recogniser: Recogniser::new(profile).unwrap(),
            title_busy: compiled(&profile.signals.title_busy),
            title_asks: compiled(&profile.signals.title_asks),
        }
    }

    pub(super) fn read(&self, text: &str) -> Read {
        let (head, screen) = text.split_once("\n\n").unwrap();
        let title = head.lines().find_map(|line| line.strip_prefix("title: "));
        let says = |pattern: &Option<Regex>| {
            pattern
                .as_ref()
                .is_some_and(|pattern| pattern.is_match(title.unwrap_or_default()))
        };
        let reading = self.recogniser.read(&Capture::parse(screen.split('\n')));
        Read {
            is_title_busy: says(&self.title_busy),
            is_title_asking: says(&self.title_asks),
            claim: reading.dialog.or(reading.rule).map(|(_, claim)| claim),
            composer: reading.composer,
        }
    }
}

/// One kept screen, read by the shipped profile of its program.
pub(super) struct Kept {
    /// The folder: `<profile>-<version>`.
    pub(super) of: String,
    pub(super) profile: ProfileName,
    /// The file, without its ending.
    pub(super) stem: String,
    pub(super) text: String,
    pub(super) read: Read,
}

/// Reads every screen below a folder of `fixtures`; each has to be of a version that its profile is for.
pub(super) fn kept(below: &str) -> Vec<Kept> {
    let profiles = Config::shipped().profiles;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures");
    let mut kept = Vec::new();
    for folder in folders(&root.join(below)) {
        let of = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (profile, version) = of.rsplit_once('-').unwrap();
        let profile = &profiles[&ProfileName::new(profile)];
        let range = semver::VersionReq::parse(&profile.versions).unwrap();
        let version = semver::Version::parse(version).unwrap();
        assert!(range.matches(&version), "{of}: the profile is for {range}");
        let reader = Reader::new(profile);
        kept.extend(folders(&folder).into_iter().map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            Kept {
                of: of.clone(),
                profile: profile.name.clone(),
                stem: file.file_stem().unwrap().to_string_lossy().into_owned(),
                read: reader.read(&text),
                text,
            }
        }));
    }
    kept
}

/// What has to be true of a state; the rest is the program's.
fn holds(state: &str, read: &Read) -> bool {
    let is_free = read.claim.is_none() && !read.is_title_busy && !read.is_title_asking;
    match state {
        "idle-fresh" | "idle-quoted-dialogs" => is_free && read.composer == Composer::Empty,
        "draft" => is_free && read.composer == Composer::Draft("a draft of mine".to_owned()),
        // Not every program's words for it are told from an answer: OpenCode's own server tells it.
        "error" => {
            (is_free || read.claim == Some(ScreenClaim::Error)) && read.composer == Composer::Empty
        }
        "busy-stream" | "busy-wait" => read.claim == Some(ScreenClaim::Busy) || read.is_title_busy,
        // Refused for its key or its account: at the first screen, in a dialog, or under a turn.
        "login-none" | "login-said" | "login-401" | "login-403" => {
            read.claim == Some(ScreenClaim::Login)
        }
        "refused-400" | "refused-404" => {
            read.claim == Some(ScreenClaim::Refused) && read.composer == Composer::Empty
        }
        "idle-after-errors" => is_free && read.composer == Composer::Empty,
        "permission" => read.claim == Some(ScreenClaim::Permission),
        "question" => read.claim == Some(ScreenClaim::Question),
        "dialog-trust" | "dialog-model" => read.claim == Some(ScreenClaim::Dialog),
        other => panic!("no rule for the state `{other}`"),
    }
}

pub(super) fn folders(at: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(at)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

#[test]
fn every_kept_screen_means_what_the_program_was_made_to_do() {
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for screen in kept("screens") {
        let (state, _) = screen.stem.rsplit_once('-').unwrap();
        if !holds(state, &screen.read) {
            wrong.push(format!("{}/{}: {:?}", screen.of, screen.stem, screen.read));
        }
        *seen.entry(screen.profile.to_string()).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.values().all(|count| *count >= 5), "{seen:?}");
    assert!(
        ["claude-code", "codex", "gemini", "opencode"]
            .iter()
            .all(|name| seen.contains_key(*name)),
        "{seen:?}"
    );
}

#[test]
fn a_sidebar_beside_the_composer_is_no_draft_and_hides_none() {
    let profile = &Config::shipped().profiles[&ProfileName::new("opencode")];
    let recogniser = Recogniser::new(profile).unwrap();
    let far = " ".repeat(120);
    let composer = |typed: &str| {
        let screen = format!(
            "  ┃\n  ┃{typed}\n  ┃{far}~/shop:pointsman/1-greet\n  ┃  Build · Model{far}name\n  ╹▀▀▀"
        );
        recogniser
            .read(&Capture::parse(screen.split('\n')))
            .composer
    };
    assert_eq!(composer(""), Composer::Empty);
    assert_eq!(composer(&format!("{far}~/notes/today")), Composer::Empty);
    let draft = Composer::Draft("mine".to_owned());
    assert_eq!(composer("  mine"), draft);
    assert_eq!(composer(&format!("  mine{far}~/notes/today")), draft);
    assert_ne!(
        composer("        x"),
        Composer::Empty,
        "a draft may begin with blanks"
    );
}
