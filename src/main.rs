//! saiken: the binary. All it does is in the library.

fn main() -> std::process::ExitCode {
    saiken::cli::main()
}
