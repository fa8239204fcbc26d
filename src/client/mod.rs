//! tmp
pub mod args {
    #[derive(Debug, clap::Subcommand)]
    pub enum Command {
        Status,
    }
}
pub fn run(_: args::Command) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
