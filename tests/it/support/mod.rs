//! What the tests share.

pub(crate) mod github;
pub(crate) mod home;
pub(crate) mod patience;
pub(crate) mod relay;
pub(crate) mod tmux;
pub(crate) mod world;
