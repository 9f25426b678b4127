//! What the modelled daemon writes: what agents ask for on the tracker, and the answers to their reports.

use jiff::SignedDuration;
use pointsman::domain::{Answer, IssueNumber, Outcome, Post, Posting};
use pointsman::machine::text::mark;

use super::laws::Law;
use super::panes::{Doing, Job, Plan};
use super::world::World;

impl World {
    /// Writes what an agent asked for; an issue that is not looked for is opened a second time.
    pub(super) fn write(&mut self, post: &Post, on: Option<IssueNumber>, again: bool) -> Outcome {
        let now = self.now;
        match &post.what {
            Posting::Comment { body } => {
                let on = on.expect("what has no issue is not asked to comment");
                let body = format!("{body}\n{}", mark(&format!("comment {}", post.id)));
                self.tracker.comment_once(on, &body, now);
                Outcome::Posted { issue: None }
            }
            Posting::Issue { title, .. } => {
                if let (Some(number), true) = (self.opened.get(&post.id), again) {
                    return Outcome::Posted {
                        issue: Some(*number),
                    };
                }
                let number = 1 + self
                    .tracker
                    .issues
                    .keys()
                    .map(|one| one.0)
                    .max()
                    .unwrap_or(0);
                self.tracker.add(number, title, now);
                if self
                    .opened
                    .insert(post.id.clone(), IssueNumber(number))
                    .is_some()
                {
                    let how = format!("{} opened an issue twice", post.id);
                    self.breaks(Law::TypedOnce, how);
                }
                Outcome::Posted {
                    issue: Some(IssueNumber(number)),
                }
            }
        }
    }

    /// Writes an answer; an agent that is told what is missing goes on.
    pub(super) fn answer(&mut self, answer: &Answer) {
        let post = self
            .posts
            .iter_mut()
            .find(|(post, _)| post.id == answer.report);
        if let Some((_, told)) = post {
            *told = Some(answer.clone());
            return;
        }
        let Some(spooled) = self
            .spool
            .iter_mut()
            .find(|spooled| spooled.report.id == answer.report)
        else {
            return;
        };
        spooled.answer = Some(answer.clone());
        let dispatch = spooled.report.dispatch.clone();
        if !self.lively || answer.accepted || !answer.text.starts_with("not accepted") {
            return;
        }
        let plan = self.draw_plan();
        let until = self.now + SignedDuration::from_secs(60);
        let about = self
            .panes
            .values_mut()
            .find(|pane| pane.about.as_ref() == Some(&dispatch) && pane.is_open());
        if let Some(pane) = about
            && plan != Plan::Idler
        {
            pane.doing = Doing::Busy;
            pane.job = Some(Job {
                dispatch,
                plan,
                until,
            });
        }
    }
}
