//! The fault matrix: a program with every fault of the field, on real tmux and as a model, and what must hold whatever happens.

mod model;
mod never;
mod process;
mod property;
mod real;
mod schedule;
mod table;
mod tui;
mod walk;

#[test]
#[ignore = "not a test: the fake program, started by the others in a pane"]
fn fake_program() {
    process::run();
}
