//! A screen as a file: the same for the rules, and without what is a person's.

use pointsman::terminal::{Capture, masked};

#[test]
fn a_screen_that_is_printed_reads_back_the_same() {
    let screen = "\u{1b}[1m❯\u{1b}[0m\u{a0}\u{1b}[7mA\u{1b}[0;2msk anything\u{1b}[0m\n\n  plain é 漢 \u{1b}[38;2;7;7;7mgrey\u{1b}[39m \u{1b}[2;7mboth\n carried over";
    let capture = Capture::parse(screen.split('\n'));
    let printed = capture.printed();
    assert_eq!(
        Capture::parse(printed.trim_end_matches('\n').split('\n')),
        capture
    );
    assert!(printed.contains("\u{1b}[0;2;7m"), "{printed:?}");
}

#[test]
fn what_is_a_persons_is_masked_and_stands_where_it_stood() {
    let words = [
        "/home/alice".to_owned(),
        "Alice".to_owned(),
        "shop".to_owned(),
        String::new(),
    ];
    for (text, wanted) in [
        (
            "│ /home/alice/src/shop │ main",
            "│ /xxxx/xxxxx/xxx/xxxx │ main",
        ),
        ("~/shop:main (alice)", "~/xxxx:main (xxxxx)"),
        ("a workshop stays", "a workshop stays"),
        ("mail bob@example.org now", "mail xxx@xxxxxxx.xxx now"),
        (
            "key-Q7m2Q7m2Q7m2Q7m2Q7m2Q7m2!",
            "xxx-xxxxxxxxxxxxxxxxxxxxxxxx!",
        ),
        ("see http://10.0.0.7:8080/x", "see xxxx://xx.x.x.x:xxxx/x"),
        (
            "1. Yes/No   ctrl+p commands  8.3K (4%)",
            "1. Yes/No   ctrl+p commands  8.3K (4%)",
        ),
        (
            "Enter to select · ↑/↓ to navigate · Esc",
            "Enter to select · ↑/↓ to navigate · Esc",
        ),
    ] {
        let found = masked(text, &words);
        assert_eq!(found, wanted);
        assert_eq!(found.chars().count(), text.chars().count());
    }
}
