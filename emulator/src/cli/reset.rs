//! `sealyard reset`: resets everything to a fresh state.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;

use super::client::Emulator;
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::count;
use crate::admin::{ResetPreview, ResetReply, ResetRequest};

pub(super) const HELP: &str = "\
This resets content, uploads, keys, tokens, scope maps, faults, the clock and revocations to the
state of a first start, and deletes all registries except `local`.
It asks for confirmation, unless the emulator removes its data at exit anyway (`serve --ephemeral`).

Exit codes:
  0  everything was reset
  1  the listed items could not be reset
  2  not confirmed; nothing was changed";

#[derive(Args, Debug)]
pub(super) struct ResetArgs {
    /// Do not ask for confirmation
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

/// The result, with the items that could not be reset.
fn render(reply: &ResetReply) -> String {
    if reply.left.is_empty() {
        return "the emulator is reset to a fresh state".to_owned();
    }
    let mut text =
        "the emulator is not completely reset; these items could not be reset:".to_owned();
    for left in &reply.left {
        text.push_str("\n  ");
        text.push_str(left);
    }
    text
}

/// An incomplete reset is a failure, because the next test of a suite would find the remaining items.
fn exit(reply: &ResetReply) -> Exit {
    if reply.left.is_empty() { Exit::Success } else { Exit::Failed }
}

/// Asks the user. Without a terminal the answer is no.
fn is_confirmed(
    preview: &ResetPreview,
    emulator: &Emulator,
    context: &Context,
) -> Result<bool, CliError> {
    if context.global.json || !io::stdin().is_terminal() {
        return Ok(false);
    }
    let question = format!(
        "This deletes {} in {} of the emulator at {}, and its keys. Type yes to continue: ",
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
    fn an_incomplete_reset_names_the_remaining_items_and_fails() {
        let done = ResetReply { left: Vec::new() };
        let left = ResetReply { left: vec!["the key of team1 stays".to_owned()] };

        assert_eq!(exit(&done), Exit::Success);
        assert_eq!(exit(&left), Exit::Failed);
        let text = render(&left);
        assert!(text.contains("not completely reset"), "{text}");
        assert!(text.ends_with("\n  the key of team1 stays"), "{text}");
    }
}
