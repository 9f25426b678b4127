//! Ends what is left: of closed panes, and of daemons that were killed. tmux hangs up, and a program may ignore that (Gemini CLI
//! does), or never hear of it.
//!
//! Each process is held by a descriptor of its own, taken before its pane is closed: a number that the kernel gave to another
//! process since is never signalled. Absent on purpose: what left the tree before. A service that an agent started is not ours.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::client::Tmux;
use super::process::{Process, ProcessTree};
use super::relay::Relay;

/// What is sent, and how long it may take: first nothing, because tmux has just hung up.
const STEPS: [(Option<Signal>, Duration); 3] = [
    (None, Duration::from_secs(1)),
    (Some(Signal::TERM), Duration::from_secs(2)),
    (Some(Signal::KILL), Duration::from_secs(1)),
];

/// Between two looks whether they have ended.
const LOOK: Duration = Duration::from_millis(20);

/// The processes below some panes, held.
#[derive(Debug)]
pub(super) struct Held(Vec<Holding>);

#[derive(Debug)]
struct Holding {
    process: Process,
    handle: OwnedFd,
}

impl Held {
    /// Holds the processes below the first processes of panes. One that is not the server's own child is no longer a pane's.
    pub(super) fn below(server: Option<u32>, roots: impl IntoIterator<Item = u32>) -> Self {
        let mut held = Self(Vec::new());
        for root in roots {
            let tree = ProcessTree::below(root);
            if tree
                .processes
                .first()
                .is_some_and(|first| Some(first.parent) == server)
            {
                held.hold(tree.processes);
            }
        }
        held
    }

    /// Holds these processes.
    pub(super) fn of(processes: impl IntoIterator<Item = Process>) -> Self {
        let mut held = Self(Vec::new());
        held.hold(processes);
        held
    }

    fn hold(&mut self, processes: impl IntoIterator<Item = Process>) {
        for process in processes {
            let known = |held: &Holding| is_same(&held.process, &process);
            if !self.0.iter().any(known)
                && let Some(holding) = Holding::of(process)
            {
                self.0.push(holding);
            }
        }
    }

    /// Returns once all are gone. The panes have to be closed already. What another account's server named is ended by its relay alone:
    /// it may name a process of ours.
    pub(super) async fn end(mut self, tmux: &Tmux) {
        for (signal, patience) in STEPS {
            self.hold_children();
            if let Some(signal) = signal {
                match tmux.relay() {
                    None => self.send(signal),
                    Some(relay) => self.hand(signal, relay.clone()).await,
                }
            }
            if tokio::time::timeout(patience, self.exits()).await.is_ok() {
                return;
            }
        }
        tracing::warn!("a process that is left over does not end");
    }

    fn send(&self, signal: Signal) {
        for held in &self.0 {
            // One that is gone already is what we want.
            let _gone = pidfd_send_signal(&held.handle, signal);
        }
    }

    /// Lets the relay send it to all of them.
    async fn hand(&self, signal: Signal, relay: Relay) {
        let processes = self.0.iter().map(|held| held.process.clone()).collect();
        let ended =
            tokio::task::spawn_blocking(move || relay.end(signal == Signal::KILL, processes));
        if let Ok(Err(error)) = ended.await {
            tracing::warn!(%error, "the relay does not end what is left over");
        }
    }

    /// Whoever did not end may have started others since.
    fn hold_children(&mut self) {
        let known: Vec<Process> = self.0.iter().map(|held| held.process.clone()).collect();
        for parent in known {
            let tree = ProcessTree::below(parent.pid);
            if tree
                .processes
                .first()
                .is_some_and(|now| is_same(now, &parent))
            {
                self.hold(tree.processes);
            }
        }
    }

    async fn exits(&self) {
        for held in &self.0 {
            while !held.has_ended() {
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

impl Holding {
    fn of(process: Process) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
        let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // The number may have changed hands between the list and the descriptor.
        Process::read(process.pid).filter(|now| is_same(now, &process))?;
        Some(Self { process, handle })
    }

    /// A process's descriptor is readable once it has ended, whether or not its parent has asked.
    fn has_ended(&self) -> bool {
        let mut waits = [PollFd::new(&self.handle, PollFlags::IN)];
        poll(&mut waits, Some(&Timespec::default())).is_ok_and(|ended| ended > 0)
    }
}

/// Signals processes once, as the relay.
pub(super) fn signal(kill: bool, processes: Vec<Process>) {
    let signal = if kill { Signal::KILL } else { Signal::TERM };
    Held::of(processes).send(signal);
}

fn is_same(one: &Process, other: &Process) -> bool {
    (one.pid, one.start_ticks) == (other.pid, other.start_ticks)
}
