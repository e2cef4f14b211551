//! The `unmask` program: everything is in the library.

fn main() -> std::process::ExitCode {
    unmask::cli::main()
}
