//! Files that carry their own seal: whether we wrote them, and whether somebody changed them since.

use crate::machine::text::sha256;

const FIRST: &str = "# Written by `pointsman service`, version ";
const SECOND: &str = "# Seal: ";

/// What a file on the disk is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not there.
    Absent,
    /// What is wanted.
    Same,
    /// Ours, from another version or another time.
    Ours {
        /// The version that wrote it.
        version: String,
    },
    /// Ours once, and changed since.
    Changed,
    /// Somebody else's.
    Foreign,
}

/// Puts the seal before a text.
pub(super) fn seal(body: &str) -> String {
    format!(
        "{FIRST}{}. What is to be different goes into a drop-in.\n{SECOND}{}\n\n{body}",
        env!("CARGO_PKG_VERSION"),
        sha256(body.as_bytes()),
    )
}

/// Says whose a file is.
pub(super) fn standing(text: Option<&str>) -> Standing {
    let Some(text) = text else {
        return Standing::Absent;
    };
    let mut lines = text.splitn(4, '\n');
    let (first, second, _, body) = (lines.next(), lines.next(), lines.next(), lines.next());
    let (Some(said), Some(seal)) = (
        first.and_then(|line| line.strip_prefix(FIRST)),
        second.and_then(|line| line.strip_prefix(SECOND)),
    ) else {
        return Standing::Foreign;
    };
    if sha256(body.unwrap_or_default().as_bytes()) != seal {
        return Standing::Changed;
    }
    let version = said.split(". ").next().unwrap_or_default().to_owned();
    Standing::Ours { version }
}

/// Says whose a file is that another text shall replace.
pub(super) fn against(text: Option<&str>, wanted: &str) -> Standing {
    if text == Some(wanted) {
        return Standing::Same;
    }
    standing(text)
}

/// Returns the lines that go (`-`) and come (`+`), in their order; what stays is left out.
pub(super) fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    // The longest common part of what is left, from each pair of places on.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(format!("-{}", old[i]));
            i += 1;
        } else {
            lines.push(format!("+{}", new[j]));
            j += 1;
        }
    }
    lines
}
