//! What was done to others, and what is answered here: a row for each published incident and each way around trust that is known.
//!
//! Who may start work is read over real HTTP, from a fake GitHub where the attack has happened. Every row has an honest twin: the
//! same world with the one thing mended that the row is about. There the work starts, so no row holds for another reason than its own.
//! `incidents/page.snap` is the page with all answers, for whoever has to decide whether that is good enough.

mod shown;
mod story;

use std::fmt::Write as _;

use insta::assert_snapshot;

use story::{ROWS, Scene};

#[tokio::test]
async fn what_was_done_to_others_starts_nothing_here_and_its_honest_twin_does() {
    let mut page = String::new();
    let mut wrong = Vec::new();
    for row in &ROWS {
        let mut scene = Scene::start().await;
        (row.attack)(&mut scene);
        let refused = scene.answer().await;
        let mut scene = Scene::start().await;
        (row.attack)(&mut scene);
        (row.mend)(&mut scene);
        let started = scene.answer().await;
        if refused.starts_with("starts") || !started.starts_with("starts") {
            wrong.push(format!("{}: {refused}; mended: {started}", row.name));
        }
        writeln!(
            page,
            "{}\n    {}\n    {}\n    mended ({}): {started}\n",
            row.name,
            row.what,
            refused.replace('\n', "\n    "),
            row.mended
        )
        .expect("a string takes all");
    }
    assert_eq!(wrong, Vec::<String>::new());
    let page = page.trim_end();
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "incidents" }, {
        assert_snapshot!("page", page);
    });
}
