//! A workflow as a picture: Mermaid.

use std::fmt::Write as _;

use crate::domain::{Advance, Next, Workflow};

/// Draws a workflow as a Mermaid flowchart: solid = evidence holds, dotted = failing verdict.
pub fn graph(workflow: &Workflow) -> String {
    let mut text = "flowchart LR\n".to_owned();
    let mut line = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "    {line}").expect("a String takes every text");
    };
    for (index, stage) in workflow.stages.iter().enumerate() {
        line(format_args!(
            "s{index}[\"{}<br/>{}: {}\"]",
            escape(stage.label.as_str()),
            escape(&stage.role),
            escape(stage.skill.as_str())
        ));
    }
    line(format_args!("done([done])"));
    for (index, stage) in workflow.stages.iter().enumerate() {
        let to = match &stage.next {
            Next::Done => "done".to_owned(),
            Next::Stage(label) => workflow
                .position(label)
                .map_or_else(|| "done".to_owned(), |to| format!("s{to}")),
        };
        let mut needs: Vec<&str> = stage
            .needs
            .iter()
            .map(crate::domain::GateName::as_str)
            .collect();
        if stage.advance == Advance::Human {
            needs.push("a person");
        }
        line(format_args!(
            "s{index} -->|\"{}\"| {to}",
            escape(&needs.join(", "))
        ));
        if let Some(to) = stage
            .back
            .as_ref()
            .and_then(|label| workflow.position(label))
        {
            line(format_args!(
                "s{index} -.->|\"at most {} rounds\"| s{to}",
                workflow.limits.rounds
            ));
        }
    }
    text
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '"' => escaped.push_str("#quot;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            '#' => escaped.push_str("#35;"),
            letter => escaped.push(letter),
        }
    }
    if escaped.is_empty() {
        " ".to_owned()
    } else {
        escaped
    }
}
