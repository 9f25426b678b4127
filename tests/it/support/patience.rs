//! How long a test waits for what must come. A limit is there to end a test that is lost, never to measure: two cores, many tests at
//! once, and a machine that stands still for half a minute now and then.
#![allow(dead_code, reason = "a bench shares it and waits for less")]
#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

use std::time::{Duration, Instant};

/// The one limit of them all.
pub(crate) const PATIENCE: Duration = Duration::from_mins(6);
/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Looks until it is there.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The same for a test that has no runtime.
pub(crate) fn until_blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(LOOK);
    }
}
