//! tests
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod local_tracker;
