//! `stoker completions`: what a shell needs to complete our command lines.

use std::process::ExitCode;

use clap_complete::Shell;

use super::{help, terminal};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker completions bash > ~/.local/share/bash-completion/completions/stoker
  stoker completions zsh > ~/.zfunc/_stoker         (with `fpath+=~/.zfunc` before compinit)
  stoker completions fish > ~/.config/fish/completions/stoker.fish
  stoker completions powershell >> $PROFILE")]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
    /// Print `{"shell": …, "script": …}` instead of the script alone
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut help::command(), "stoker", &mut script);
    let script = String::from_utf8(script)?;
    if arguments.json {
        let shell = arguments.shell.to_string();
        terminal::print(&serde_json::json!({ "shell": shell, "script": script }).to_string())?;
    } else {
        terminal::print(&script)?;
    }
    Ok(ExitCode::SUCCESS)
}
