//! What people do in a world.

use super::*;

impl World {
    pub(crate) fn tracker(&self, project: &str) -> local::Local {
        open_local(&self.places, &ProjectName::new(project)).expect("the local tracker opens")
    }

    pub(super) fn on_fake(&self, project: &str) -> bool {
        self.fake.is_some() && !self.places.tracker(&ProjectName::new(project)).exists()
    }

    /// Opens an issue with a label.
    pub(crate) async fn issue(
        &self,
        project: &str,
        title: &str,
        body: &str,
        label: &str,
    ) -> IssueNumber {
        let number = if self.on_fake(project) {
            let fake = self.fake();
            let number = fake
                .model()
                .open_issue(&format!("me/{project}"), "me", title, body);
            fake.model()
                .label(&format!("me/{project}"), number, label, "me");
            fake.advance(5);
            IssueNumber(number)
        } else {
            let labels = if label.is_empty() {
                Vec::new()
            } else {
                vec![Label::new(label)]
            };
            let issue = NewIssue {
                title: title.to_owned(),
                body: body.to_owned(),
                labels,
            };
            self.tracker(project)
                .create_issue(&issue)
                .await
                .expect("it is opened")
        };
        self.poll(project).await;
        number
    }

    pub(crate) async fn label(&self, project: &str, issue: IssueNumber, label: &str) {
        self.tracker(project)
            .add_label(issue, &Label::new(label))
            .await
            .expect("it is set");
        self.poll(project).await;
    }

    pub(crate) async fn unlabel(&self, project: &str, issue: IssueNumber, label: &str) {
        self.tracker(project)
            .remove_label(issue, &Label::new(label))
            .await
            .expect("it is removed");
        self.poll(project).await;
    }

    pub(crate) async fn comment(&self, project: &str, issue: IssueNumber, body: &str) {
        self.tracker(project)
            .comment(issue, body)
            .await
            .expect("it is said");
        self.poll(project).await;
    }

    /// Says that the tracker changed, as `pointsman issue` does. Without a daemon nobody hears it.
    pub(crate) async fn poll(&self, project: &str) {
        let name = ProjectName::new(project);
        if let Some(daemon) = &self.daemon {
            daemon.send(&name, Message::Poll).await;
        } else if self.child.is_some() {
            let _unheard = self.call(&Call::Poll { project: name });
        }
    }

    pub(crate) async fn approve(&self, project: &str, issue: IssueNumber) {
        let request = Request::Approve {
            issue,
            by: "ann".to_owned(),
        };
        let name = ProjectName::new(project);
        let is_approved = |told: &Told| matches!(&told.event, Event::Approved { issue: of, .. } if told.project == project && *of == issue);
        let before = self.told().await.into_iter().filter(is_approved).count();
        // The ledger has the gates' end a moment before the engine has it.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = match &self.daemon {
                Some(daemon) => Some(control::ask(daemon, &name, request.clone()).await),
                None => self.call(&Call::Ask {
                    project: name.clone(),
                    request: request.clone(),
                }),
            };
            // An answer that got lost, or came late, does not undo it.
            if reply.as_ref().is_some_and(|reply| reply.done)
                || self.told().await.into_iter().filter(is_approved).count() > before
            {
                return;
            }
            assert!(Instant::now() < deadline, "{reply:?}\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Speaks to the control socket of the real binary; `None` when nobody listens.
    pub(crate) fn call(&self, call: &Call) -> Option<Reply> {
        let mut stream = std::os::unix::net::UnixStream::connect(self.places.control()).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        let body = serde_json::to_string(call).expect("it is plain data");
        write!(
            stream,
            "POST /call HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}
