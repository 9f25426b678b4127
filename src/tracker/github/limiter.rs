//! The limiter: what one account may still do, shared by all its repositories.
//!
//! It never sleeps through a limit: a call that may not be made is answered with [`TrackerError::RateLimited`] at once. Only the
//! pace between writes is waited for, and never longer than half the deadline. Waits are measured by the monotonic clock and
//! stated by the tracker's own.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use octocrab::OctoBody;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tower::service_fn;

use super::Clock;
use super::failure::words;
use super::wire::{Answer, Hop, bytes_of, pass};
use crate::tracker::TrackerError;

/// How many requests of an account are under way at once; GitHub allows 100.
const CONCURRENT_MAX: usize = 8;
/// The wait after a secondary limit that names no time; doubled with each one in a row.
const COOL_DOWN_MIN: Duration = Duration::from_mins(1);
/// Spare edits in any hour: a fifth of the 500 writes an hour that GitHub takes of an account (PROTOCOLS 8).
const SPARE_MAX: usize = 100;
/// The hour.
const SPARE_WITHIN: Duration = Duration::from_hours(1);
/// The longest wait we believe.
const COOL_DOWN_MAX: Duration = Duration::from_hours(6);

/// What a request is for: the order in which waiting writes are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Not paced.
    Read,
    /// Moves an issue: labels, closing.
    Transition,
    /// Edits a status comment: the marker of a dispatch.
    Marker,
    /// Everything else that writes.
    Comment,
    /// An edit that may wait: it takes its share of the write budget and no more.
    Spare,
}

/// What one account may still do.
#[derive(Debug)]
pub(super) struct Limiter {
    state: Mutex<State>,
    turn: Notify,
    slots: Semaphore,
    pace: Duration,
    patience: Duration,
    reserve: u64,
    clock: Clock,
}

/// An account's hourly allowance, as the tracker's last answer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests an hour.
    pub limit: u64,
    /// Requests that are left of them.
    pub remaining: u64,
}

#[derive(Debug)]
struct State {
    /// Set by a limit, ends by itself.
    block: Option<Block>,
    /// What the last answer that counted said.
    allowance: Option<Allowance>,
    /// The tracker's `Date`, and when we read it.
    date: Option<(Timestamp, Instant)>,
    /// Secondary limits in a row that named no time.
    strikes: u32,
    /// A write is under way.
    writing: bool,
    /// No write starts earlier.
    next_write: Instant,
    waiting: BTreeSet<(Class, u64)>,
    tickets: u64,
    /// When the spare edits of the last hour were let through.
    spare: VecDeque<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    until: Timestamp,
    ends: Instant,
    kind: &'static str,
}

/// Whether a write may go.
enum Turn {
    Now,
    At(Instant),
    WhenNotified,
}

/// A place in the queue of writes; leaving it, also by being cancelled, lets the next one look again.
struct Ticket<'a> {
    limiter: &'a Limiter,
    key: (Class, u64),
    admitted: bool,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        state.waiting.remove(&self.key);
        if self.admitted {
            state.writing = false;
            state.next_write = Instant::now() + self.limiter.pace;
        }
        drop(state);
        self.limiter.turn.notify_waiters();
    }
}

impl Limiter {
    pub(super) fn new(pace: Duration, deadline: Duration, reserve: u64, clock: Clock) -> Self {
        Self {
            state: Mutex::new(State {
                block: None,
                allowance: None,
                date: None,
                strikes: 0,
                writing: false,
                next_write: Instant::now(),
                waiting: BTreeSet::new(),
                tickets: 0,
                spare: VecDeque::new(),
            }),
            turn: Notify::new(),
            slots: Semaphore::new(CONCURRENT_MAX),
            pace,
            patience: deadline / 2,
            reserve,
            clock,
        }
    }

    /// Returns the time by the tracker's clock, or by ours before its first answer.
    pub(super) fn now(&self) -> Timestamp {
        let date = self.state().date;
        match date {
            Some((date, read)) => {
                let since =
                    SignedDuration::try_from(read.elapsed()).unwrap_or(SignedDuration::ZERO);
                date.checked_add(since).unwrap_or(date)
            }
            None => (self.clock)(),
        }
    }

    /// Returns what the last answer said of the allowance.
    pub(super) fn allowance(&self) -> Option<Allowance> {
        self.state().allowance
    }

    /// Returns how far the tracker's clock is before ours; `None` before its first answer.
    pub(super) fn clock_skew(&self) -> Option<SignedDuration> {
        self.state().date?;
        Some(self.now().duration_since((self.clock)()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if one ever did, the numbers would still be numbers.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse_while_blocked(&self) -> Result<(), TrackerError> {
        let mut state = self.state();
        match state.block {
            Some(block) if Instant::now() < block.ends => Err(TrackerError::RateLimited {
                until: block.until,
                kind: block.kind,
            }),
            Some(_) => {
                state.block = None;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes one of the hour's spare edits, or says when there is one again.
    fn spend_spare(&self) -> Result<(), TrackerError> {
        let mut state = self.state();
        while state
            .spare
            .front()
            .is_some_and(|at| at.elapsed() >= SPARE_WITHIN)
        {
            state.spare.pop_front();
        }
        if let Some(oldest) = state
            .spare
            .front()
            .filter(|_| state.spare.len() >= SPARE_MAX)
        {
            let wait = SPARE_WITHIN.saturating_sub(oldest.elapsed());
            drop(state);
            let (until, kind) = (self.after(wait), "spare");
            return Err(TrackerError::RateLimited { until, kind });
        }
        state.spare.push_back(Instant::now());
        Ok(())
    }

    /// Waits for the turn of a write. The ticket is held until its answer is there.
    async fn turn(&self, class: Class) -> Result<Ticket<'_>, TrackerError> {
        let mut ticket = self.queue(class);
        let patience_ends = Instant::now() + self.patience;
        loop {
            let notified = self.turn.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            self.refuse_while_blocked()?;
            let look_again = match self.take_turn(&mut ticket) {
                Turn::Now => return Ok(ticket),
                Turn::At(at) => at.min(patience_ends),
                Turn::WhenNotified => patience_ends,
            };
            tokio::select! {
                () = notified => {}
                () = tokio::time::sleep_until(look_again) => {}
            }
            if Instant::now() >= patience_ends {
                // Not sent, and we say so: the caller must not take it for an unknown outcome.
                let until = self.after(self.pace);
                return Err(TrackerError::RateLimited {
                    until,
                    kind: "pace",
                });
            }
        }
    }

    fn queue(&self, class: Class) -> Ticket<'_> {
        let mut state = self.state();
        state.tickets += 1;
        let key = (class, state.tickets);
        state.waiting.insert(key);
        Ticket {
            limiter: self,
            key,
            admitted: false,
        }
    }

    fn take_turn(&self, ticket: &mut Ticket<'_>) -> Turn {
        let mut state = self.state();
        if state.writing || state.waiting.first() != Some(&ticket.key) {
            return Turn::WhenNotified;
        }
        if Instant::now() < state.next_write {
            return Turn::At(state.next_write);
        }
        state.waiting.remove(&ticket.key);
        state.writing = true;
        ticket.admitted = true;
        Turn::Now
    }

    fn after(&self, wait: Duration) -> Timestamp {
        let now = self.now();
        now.checked_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO))
            .unwrap_or(now)
    }

    /// Learns from an answer; returns the error if it says that a limit was hit.
    fn observe(
        &self,
        graphql: bool,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<TrackerError> {
        if let Some(date) =
            text(headers, "date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
        {
            self.state().date = Some((date.timestamp(), Instant::now()));
        }
        if let Some((wait, kind)) = self.limit_hit(graphql, status, headers, body) {
            return Some(self.block(wait, kind));
        }
        if status.is_success() {
            self.state().strikes = 0;
        }
        self.keep_reserve(headers);
        None
    }

    /// Returns how long to wait if this answer is a limit.
    fn limit_hit(
        &self,
        graphql: bool,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<(Duration, &'static str)> {
        let by_graphql = graphql && status.is_success() && graphql_limit(body);
        let by_status = matches!(
            status,
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
        );
        if !by_graphql && !by_status {
            return None;
        }
        if let Some(seconds) = number(headers, "retry-after") {
            return Some((Duration::from_secs(seconds), "secondary"));
        }
        if number(headers, "x-ratelimit-remaining") == Some(0)
            && let Some(wait) = self.until_reset(headers)
        {
            return Some((wait, "primary"));
        }
        let said = words(body).to_lowercase();
        let named = said.contains("rate limit") || said.contains("abuse");
        if !by_graphql && status == StatusCode::FORBIDDEN && !named {
            return None;
        }
        let mut state = self.state();
        let wait = COOL_DOWN_MIN.saturating_mul(2_u32.saturating_pow(state.strikes));
        state.strikes = state.strikes.saturating_add(1);
        Some((wait, "secondary"))
    }

    /// Stops in time, so that the person who shares the allowance keeps some of it; but never keeps more than half back.
    fn keep_reserve(&self, headers: &HeaderMap) {
        let core = text(headers, "x-ratelimit-resource").is_none_or(|resource| resource == "core");
        let (Some(limit), Some(remaining)) = (
            number(headers, "x-ratelimit-limit"),
            number(headers, "x-ratelimit-remaining"),
        ) else {
            return;
        };
        if core {
            self.state().allowance = Some(Allowance { limit, remaining });
        }
        if core
            && remaining <= self.reserve.min(limit / 2)
            && let Some(wait) = self.until_reset(headers)
        {
            self.block(wait, if remaining == 0 { "primary" } else { "reserve" });
        }
    }

    fn until_reset(&self, headers: &HeaderMap) -> Option<Duration> {
        let reset =
            number(headers, "x-ratelimit-reset").and_then(|reset| i64::try_from(reset).ok())?;
        let reset = Timestamp::from_second(reset).ok()?;
        // One second more: `Date` and reset are both cut to whole seconds.
        Duration::try_from(reset.duration_since(self.now()) + SignedDuration::from_secs(1)).ok()
    }

    fn block(&self, wait: Duration, kind: &'static str) -> TrackerError {
        let wait = wait.min(COOL_DOWN_MAX);
        let block = Block {
            until: self.after(wait),
            ends: Instant::now() + wait,
            kind,
        };
        let mut state = self.state();
        let longest = match state.block {
            Some(longer) if longer.ends > block.ends => longer,
            _ => block,
        };
        state.block = Some(longest);
        drop(state);
        self.turn.notify_waiters();
        TrackerError::RateLimited {
            until: longest.until,
            kind: longest.kind,
        }
    }
}

/// Lets a request through when the account may make it, and learns from the answer.
pub(super) fn limited<S: Hop>(inner: S, limiter: Arc<Limiter>) -> impl Hop {
    service_fn(move |request: Request<OctoBody>| {
        let (inner, limiter) = (inner.clone(), Arc::clone(&limiter));
        async move {
            let class = request
                .extensions()
                .get::<Class>()
                .copied()
                .unwrap_or(Class::Comment);
            let graphql = request.uri().path().ends_with("/graphql");
            limiter.refuse_while_blocked()?;
            let ticket = match class {
                Class::Read => None,
                Class::Transition | Class::Marker | Class::Comment => {
                    Some(limiter.turn(class).await?)
                }
                Class::Spare => {
                    limiter.spend_spare()?;
                    Some(limiter.turn(class).await?)
                }
            };
            let slot = limiter
                .slots
                .acquire()
                .await
                .expect("the semaphore is never closed");
            limiter.refuse_while_blocked()?;
            let answer = pass(&inner, request).await;
            drop((slot, ticket));
            let (parts, body): (_, Bytes) = bytes_of(answer?).await;
            match limiter.observe(graphql, parts.status, &parts.headers, &body) {
                Some(limit) => Err(limit),
                None => Ok(Answer::from_parts(parts, Full::new(body))),
            }
        }
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

/// GraphQL says 200 and means a limit.
fn graphql_limit(body: &[u8]) -> bool {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(body) else {
        return false;
    };
    answer
        .get("errors")
        .and_then(|errors| errors.as_array())
        .is_some_and(|errors| {
            errors.iter().any(|error| {
                let kind = error
                    .get("type")
                    .and_then(|kind| kind.as_str())
                    .unwrap_or_default();
                let said = error
                    .get("message")
                    .and_then(|said| said.as_str())
                    .unwrap_or_default()
                    .to_lowercase();
                kind == "RATE_LIMITED" || said.contains("rate limit")
            })
        })
}
