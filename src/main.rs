//! argv in, exit code out.

fn main() -> std::process::ExitCode {
    pointsman::cli::main()
}
