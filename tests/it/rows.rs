//! Rows of `tests/ROWS.md` that no other story shows: what a newcomer does, what the documents say, what a fleet keeps apart.

mod fleet;
mod newcomer;
mod readme;
mod records;

use crate::support::world::World;

/// The process in a window, by the server's own word.
fn pane_pid(world: &World, window: &str) -> String {
    world.tmux(&["list-panes", "-t", window, "-F", "#{pane_pid}"])
}
