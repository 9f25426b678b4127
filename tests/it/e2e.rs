//! The whole installation on real parts: tmux, git, the tracker, the ledger and an agent with a terminal interface.

mod adopted;
mod approved;
mod called;
mod capture;
mod content;
mod crash;
mod errands;
mod faults;
mod first_hour;
mod github;
mod habits;
mod holds;
mod inbox;
mod neighbours;
mod posts;
mod pulls;
mod pushes;
mod rehearsal;
mod restored;
mod stalls;
mod status;
mod steering;
mod two_at_once;
mod verbs;
mod walk;
mod words;
