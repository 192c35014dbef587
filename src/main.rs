//! The `saiken` command: see [`saiken::cli`].

fn main() -> std::process::ExitCode {
    saiken::cli::main()
}
