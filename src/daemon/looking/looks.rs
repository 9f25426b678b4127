//! Looks that may hang, each with an end of its own: a disk that is gone, a server that stands still. Nobody waits for another's.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long one look is waited for. An agent's own server has 2 s (`native`), a tmux server that answers takes 50 ms.
pub const LOOK_MAX: Duration = Duration::from_secs(3);

/// Why nothing is known of an agent whose files or own server hang.
pub const UNREAD: &str =
    "what it says of itself could not be read within 3 s: a disk or a program does not answer";

/// What is being looked at. A look that is not back stays alone: there is never a second one of the same thing beside it, so what
/// hangs costs one thread and not one more each tick.
#[derive(Debug)]
pub struct Looks<K, T> {
    out: BTreeMap<K, JoinHandle<T>>,
}

/// What came of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked<T> {
    /// It is back.
    Back(T),
    /// It is not, or it panicked, and that is logged.
    Out,
}

impl<K, T> Default for Looks<K, T> {
    fn default() -> Self {
        Self {
            out: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone + std::fmt::Debug, T> Looks<K, T> {
    /// Begins looks and waits for all of them together, [`LOOK_MAX`] at most. What was not back the last time is not begun again
    /// until it is, and what it brings then is of then and not of now: `late` gets it.
    pub async fn all(
        &mut self,
        begin: Vec<(K, Begin<T>)>,
        mut late: impl FnMut(&K, T),
    ) -> BTreeMap<K, Looked<T>> {
        let deadline = Instant::now() + LOOK_MAX;
        let mut begun = Vec::new();
        let mut looked = BTreeMap::new();
        for (key, begin) in begin {
            if self.is_out(&key, &mut late).await {
                looked.insert(key, Looked::Out);
                continue;
            }
            self.out.insert(key.clone(), begin());
            begun.push(key);
        }
        for key in begun {
            let Some(handle) = self.out.get_mut(&key) else {
                continue;
            };
            let back = match tokio::time::timeout_at(deadline, handle).await {
                Err(_) => Looked::Out,
                Ok(ended) => {
                    self.out.remove(&key);
                    match ended {
                        Ok(back) => Looked::Back(back),
                        Err(error) => {
                            tracing::error!(?key, %error, "a look ended badly");
                            Looked::Out
                        }
                    }
                }
            };
            looked.insert(key, back);
        }
        looked
    }

    async fn is_out(&mut self, key: &K, late: &mut impl FnMut(&K, T)) -> bool {
        let Some(handle) = self.out.get(key) else {
            return false;
        };
        if !handle.is_finished() {
            return true;
        }
        if let Some(handle) = self.out.remove(key)
            && let Ok(back) = handle.await
        {
            late(key, back);
        }
        false
    }
}

/// Begins one look.
pub type Begin<T> = Box<dyn FnOnce() -> JoinHandle<T> + Send>;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};

    use super::*;

    /// A read in a thread that hangs for as long as its disk is away, and one that does not.
    fn reads(disk: &Disk) -> Vec<(&'static str, Begin<u32>)> {
        let disk = Arc::clone(disk);
        let hanging = move || {
            tokio::task::spawn_blocking(move || {
                assert!(disk.lock().unwrap().recv().is_err());
                1
            })
        };
        vec![
            ("dead disk", Box::new(hanging)),
            ("live disk", Box::new(|| tokio::task::spawn_blocking(|| 2))),
        ]
    }

    type Disk = Arc<Mutex<mpsc::Receiver<()>>>;

    #[tokio::test]
    async fn a_look_that_hangs_stops_no_other_and_is_not_begun_twice() {
        let (away, disk) = mpsc::channel();
        let disk: Disk = Arc::new(Mutex::new(disk));
        let mut looks = Looks::default();
        let wanted = BTreeMap::from([("dead disk", Looked::Out), ("live disk", Looked::Back(2))]);
        let began = Instant::now();
        assert_eq!(looks.all(reads(&disk), |_, _| {}).await, wanted);
        assert!(began.elapsed() >= LOOK_MAX, "it had its time");
        for _ in 0..100 {
            assert_eq!(looks.all(reads(&disk), |_, _| {}).await, wanted);
        }
        assert_eq!(Arc::strong_count(&disk), 2, "one thread waits");

        // The disk is back: what was read before is of then, and the next look is of now.
        drop(away);
        let mut late = Vec::new();
        loop {
            let looked = looks.all(reads(&disk), |key, back| late.push((*key, back)));
            if looked.await["dead disk"] == Looked::Back(1) {
                break;
            }
        }
        assert_eq!(late, [("dead disk", 1)]);
    }
}
