//! The simulator alone, so that its worlds can run in a profile of their own without building everything else there.
//!
//! `cargo test --test it` has it too; `make soak` and the landing gate run this one.

#[path = "../it"]
mod it {
    mod simulation;
}
