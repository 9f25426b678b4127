//! The rooms that touch git: work trees, gates on commits, merges. Real git, real tmux, and no daemon around them.

mod bases;
mod merges;
mod several;
mod standing;
