//! `sealyard reset`: back to how a fresh start looks.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;

use super::Context;
use super::client::Emulator;
use super::error::{CliError, Exit};
use super::output::count;
use crate::admin::{ResetPreview, ResetReply, ResetRequest};

pub(super) const HELP: &str = "\
Content, uploads, registries but `local`, keys, tokens and scope maps, faults, the clock and what was revoked are as
at a first start then.
It asks before it does so, unless the data is gone at exit anyhow (`serve --ephemeral`).

Exit codes:
  0  everything is as at a fresh start
  1  something could not be reset, and is named";

#[derive(Args, Debug)]
pub(super) struct ResetArgs {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn reset(
    args: &ResetArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let preview: ResetPreview = emulator.get("/reset", &[]).await?;
    if !args.yes && !preview.ephemeral && !is_confirmed(&preview, emulator, context)? {
        return Err(CliError::NotConfirmed);
    }
    let reply: ResetReply = emulator.post("/reset", &ResetRequest {}).await?;
    context.output.result(&render(&reply), &reply);
    Ok(exit(&reply))
}

/// What was done, and what could not be.
fn render(reply: &ResetReply) -> String {
    if reply.left.is_empty() {
        return "the emulator is as at a fresh start".to_owned();
    }
    let mut text = "the emulator is not as at a fresh start: this could not be reset".to_owned();
    for left in &reply.left {
        text.push_str("\n  ");
        text.push_str(left);
    }
    text
}

/// A reset that left something is no fresh start, and a suite that goes on would meet what is left.
fn exit(reply: &ResetReply) -> Exit {
    if reply.left.is_empty() { Exit::Fine } else { Exit::Failed }
}

/// Asks whoever is there. Nobody is a no.
fn is_confirmed(
    preview: &ResetPreview,
    emulator: &Emulator,
    context: &Context,
) -> Result<bool, CliError> {
    if context.global.json || !io::stdin().is_terminal() {
        return Ok(false);
    }
    let question = format!(
        "This takes away {} in {} of the emulator at {}, and its keys. Type yes to go on: ",
        count(preview.blobs, "blob"),
        if preview.registries == 1 {
            "1 registry".to_owned()
        } else {
            format!("{} registries", preview.registries)
        },
        emulator.url()
    );
    context.output.raw(question.as_bytes());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_that_left_something_names_it_and_fails() {
        let done = ResetReply { left: Vec::new() };
        let left = ResetReply { left: vec!["the key of team1 stays".to_owned()] };

        assert_eq!(exit(&done), Exit::Fine);
        assert_eq!(exit(&left), Exit::Failed);
        let words = render(&left);
        assert!(words.contains("not as at a fresh start"), "{words}");
        assert!(words.ends_with("\n  the key of team1 stays"), "{words}");
    }
}
