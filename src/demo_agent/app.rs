//! The loop: keys and worker events in, screen, title and files out. Never waits for the work itself.

use std::io::{self, Stdout, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers,
};
use crossterm::execute;
use crossterm::terminal::{self, EnterAlternateScreen, LeaveAlternateScreen, SetTitle};
use jiff::Timestamp;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Setting;
use super::composer::Composer;
use super::hands::{Event, Hands, Stopped};
use super::record::{Record, Status};
use super::screen::{Below, Ink, Lines, Screen};
use super::script::{self, Memory};

/// Between two looks at the worker while no key comes.
const TICK: Duration = Duration::from_millis(40);
/// Texts that wait while one is worked on.
const QUEUE_MAX: usize = 20;
/// Worker events taken between two drawings.
const EVENTS_MAX: usize = 200;

/// Runs the agent until it is told to leave.
pub(super) fn run(setting: &Setting, first: Option<String>) -> io::Result<()> {
    let told_to_leave = Arc::new(AtomicBool::new(false));
    // SIGHUP keeps its default: the terminal is gone, and crossterm would read its end for ever.
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&told_to_leave))?;
    }
    let record = Record::open(&setting.home, &setting.folder)?;
    let _terminal = Terminal::enter()?;
    let mut app = App::start(setting, record);
    app.lines.add(
        Ink::Dim,
        "Demo agent: scripted, no model, no network. It does what a brief says.",
    );
    match first.filter(|line| !line.trim().is_empty()) {
        Some(line) => app.submit(line)?,
        None => app.show(Status::Idle)?,
    }
    let ended = app.go_on_until(&told_to_leave);
    app.end();
    ended
}

/// The terminal while it is ours; given back when dropped.
struct Terminal;

impl Terminal {
    fn enter() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let given_back_on_error = Self;
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        Ok(given_back_on_error)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The terminal may be gone, which is why we leave.
        let _left = execute!(
            stdout(),
            SetTitle(""),
            DisableBracketedPaste,
            LeaveAlternateScreen,
            crossterm::cursor::Show
        );
        let _cooked = terminal::disable_raw_mode();
    }
}

/// What a key asks of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Stay,
    Leave,
}

struct App {
    record: Record,
    screen: Screen,
    out: Stdout,
    lines: Lines,
    composer: Composer,
    status: Status,
    question: Option<(String, SyncSender<bool>)>,
    /// Texts handed to the worker and not finished.
    open: usize,
    /// Dropped to end the worker.
    tasks: Option<Sender<String>>,
    events: Receiver<Event>,
    interrupt: Arc<AtomicBool>,
    leaving: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl App {
    fn start(setting: &Setting, record: Record) -> Self {
        let (tasks, texts) = channel();
        let (say, events) = channel();
        let interrupt = Arc::new(AtomicBool::new(false));
        let leaving = Arc::new(AtomicBool::new(false));
        let hands = Hands {
            events: say,
            pace: setting.pace,
            wait_file: setting.wait_file.clone(),
            interrupted: Arc::clone(&interrupt),
            folder: setting.folder.clone(),
            rehearsal: setting.rehearsal.clone(),
        };
        let until = Arc::clone(&leaving);
        let worker = std::thread::spawn(move || work(&hands, &texts, &until));
        Self {
            record,
            screen: Screen::default(),
            out: stdout(),
            lines: Lines::default(),
            composer: Composer::default(),
            status: Status::Idle,
            question: None,
            open: 0,
            tasks: Some(tasks),
            events,
            interrupt,
            leaving,
            worker: Some(worker),
        }
    }

    fn go_on_until(&mut self, told_to_leave: &AtomicBool) -> io::Result<()> {
        while !told_to_leave.load(Ordering::Relaxed) {
            self.draw()?;
            if event::poll(TICK)? && self.take(event::read()?)? == Next::Leave {
                return Ok(());
            }
            self.hear()?;
        }
        Ok(())
    }

    fn take(&mut self, event: event::Event) -> io::Result<Next> {
        match event {
            event::Event::Key(key) if key.kind != KeyEventKind::Release => return self.press(key),
            event::Event::Paste(text) if self.question.is_none() => {
                let fits = self.composer.paste(&text);
                self.say_if_full(fits);
            }
            event::Event::Resize(..) => self.screen.forget(),
            _ => {}
        }
        Ok(Next::Stay)
    }

    fn press(&mut self, key: KeyEvent) -> io::Result<Next> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => self.break_off(),
            KeyCode::Esc => self.interrupt_work(),
            KeyCode::Char('d') if control && self.composer.is_empty() => return Ok(Next::Leave),
            _ if self.question.is_some() => self.answer(key.code)?,
            KeyCode::Char('u') if control => self.composer.clear(),
            KeyCode::Char('w') if control => self.composer.erase_word(),
            KeyCode::Char('j') if control => self.type_letter('\n'),
            KeyCode::Enter if key.modifiers.contains(KeyModifiers::ALT) => self.type_letter('\n'),
            KeyCode::Enter => {
                if let Some(text) = self.composer.submit() {
                    self.submit(text)?;
                }
            }
            KeyCode::Backspace => self.composer.erase(),
            KeyCode::Tab => self.type_letter('\t'),
            KeyCode::Char(letter) if !control => self.type_letter(letter),
            _ => {}
        }
        Ok(Next::Stay)
    }

    fn type_letter(&mut self, letter: char) {
        let fits = self.composer.type_letter(letter);
        self.say_if_full(fits);
    }

    fn say_if_full(&mut self, fits: bool) {
        if !fits {
            self.lines
                .add(Ink::Dim, "That is more than I can take in one text.");
        }
    }

    /// Ctrl-C clears what is written; with nothing written it interrupts. It never leaves.
    fn break_off(&mut self) {
        if self.composer.is_empty() {
            self.interrupt_work();
        } else {
            self.composer.clear();
        }
    }

    fn interrupt_work(&mut self) {
        if self.open > 0 {
            self.interrupt.store(true, Ordering::Relaxed);
            self.question = None;
        }
    }

    fn answer(&mut self, key: KeyCode) -> io::Result<()> {
        let yes = match key {
            KeyCode::Char('y' | 'Y') => true,
            KeyCode::Char('n' | 'N') => false,
            _ => return Ok(()),
        };
        if let Some((question, reply)) = self.question.take() {
            self.lines.add(
                Ink::Bold,
                &format!("{question} {}", if yes { "yes" } else { "no" }),
            );
            // Interrupted meanwhile: then nobody waits for it.
            let _unheard = reply.send(yes);
        }
        self.show(Status::Busy)
    }

    /// Takes a text: written down durably, then shown, then handed to the worker.
    fn submit(&mut self, text: String) -> io::Result<()> {
        if self.open > QUEUE_MAX {
            self.lines.add(
                Ink::Dim,
                "Too many texts are waiting. This one is not taken.",
            );
            return Ok(());
        }
        self.record.receive(&text, now())?;
        self.lines.add(Ink::Bold, &format!("you: {text}"));
        if self.open > 0 {
            self.lines
                .add(Ink::Dim, "  queued: I do it when I am done with this.");
        }
        self.open += 1;
        if self.status == Status::Idle {
            self.show(Status::Busy)?;
        }
        let tasks = self
            .tasks
            .as_ref()
            .ok_or_else(|| io::Error::other("the worker is gone"))?;
        tasks
            .send(text)
            .map_err(|_| io::Error::other("the worker is gone"))
    }

    /// Takes what the worker says.
    fn hear(&mut self) -> io::Result<()> {
        for _ in 0..EVENTS_MAX {
            match self.events.try_recv() {
                Ok(Event::Line(line)) => self.lines.add(Ink::Plain, &line),
                Ok(Event::Ask(question, reply)) => {
                    self.question = Some((question, reply));
                    self.show(Status::Waiting)?;
                }
                Ok(Event::Finished) => {
                    self.open = self.open.saturating_sub(1);
                    self.question = None;
                    self.show(if self.open == 0 {
                        Status::Idle
                    } else {
                        Status::Busy
                    })?;
                }
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    return Err(io::Error::other("the worker is gone"));
                }
            }
        }
        Ok(())
    }

    /// Says the state everywhere: title, file and screen agree.
    fn show(&mut self, status: Status) -> io::Result<()> {
        self.status = status;
        self.draw()?;
        self.record.say(status, now())?;
        execute!(self.out, SetTitle(status.title()))
    }

    fn draw(&mut self) -> io::Result<()> {
        let below = match &self.question {
            Some((question, _)) => Below::Question(question),
            None => Below::Composer(&self.composer),
        };
        let status = match self.status {
            Status::Idle => "  idle".to_owned(),
            Status::Busy if self.open > 1 => {
                format!("  busy, {} waiting   Esc interrupts", self.open - 1)
            }
            Status::Busy => "  busy   Esc interrupts".to_owned(),
            Status::Waiting => "  asks".to_owned(),
        };
        self.screen.draw(
            &mut self.out,
            terminal::size()?,
            &self.lines,
            below,
            &status,
        )
    }

    /// Ends the worker and the command it runs.
    fn end(&mut self) {
        self.leaving.store(true, Ordering::SeqCst);
        self.interrupt.store(true, Ordering::SeqCst);
        self.question = None;
        self.tasks = None;
        if let Some(worker) = self.worker.take() {
            // It panicked: the state file says enough by being gone.
            let _ended = worker.join();
        }
    }
}

/// The worker: one text after another.
fn work(hands: &Hands, texts: &Receiver<String>, leaving: &AtomicBool) {
    let mut memory = Memory::default();
    for text in texts {
        // In this order: an interrupt that comes with the leaving is not wiped away.
        hands.interrupted.store(false, Ordering::SeqCst);
        if leaving.load(Ordering::SeqCst) {
            return;
        }
        let said = match script::follow(hands, &mut memory, &text) {
            Ok(()) => None,
            Err(Stopped::Interrupted) => {
                Some("Interrupted. What I had begun is in the tree.".to_owned())
            }
            Err(Stopped::Broken(why)) => Some(format!("I cannot go on: {why}")),
        };
        let events = said.map(Event::Line).into_iter().chain([Event::Finished]);
        for event in events {
            if hands.events.send(event).is_err() {
                return;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
