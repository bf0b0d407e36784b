//! `sealyard revoke` and `sealyard restore`: revoke a registry's access to its key by a chosen method, and restore it
//! exactly.

use clap::{Args, ValueEnum};

use super::client::{Emulator, segment};
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::hints::{Hint, Hints};
use super::output::to_the_second;
use super::phrases::describe_state;
use crate::admin::{RestoreReply, RestoreRequest, RevokeReply, RevokeRequest};
use crate::keys::{Cause, State};
use crate::revocation::RevocationMethod;

pub(super) const REVOKE_HELP: &str = "\
Examples:
  sealyard revoke --by policy       the registry refuses all content
  sealyard restore                  the registry serves content again
  sealyard revoke --by firewall --registry team1

The methods firewall and vault affect all registries whose key is in the same vault.
The command returns when the registry has seen the change. With --no-wait it returns at once.";

pub(super) const RESTORE_HELP: &str = "\
Examples:
  sealyard restore                  undo all revocations, the last one first
  sealyard restore --by policy      undo only the revocation by this method

The data folder keeps the revocations over a restart. If there is nothing to undo, the command
succeeds.";

#[derive(Args, Debug)]
pub(super) struct RevokeArgs {
    /// The method of revocation
    #[arg(long, value_enum)]
    by: MethodArg,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// Undo only the revocation by this method
    #[arg(long, value_enum)]
    by: Option<MethodArg>,
    #[command(flatten)]
    common: CommonArgs,
}

/// [`RevocationMethod`] as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MethodArg {
    /// By removing the access policy of the registry's identity from the vault
    Policy,
    /// By removing the roles that let the registry's identity use the key
    Role,
    /// By disabling the key version in use
    Disable,
    /// By deleting the key, which can be recovered
    Delete,
    /// By closing the firewall of the vault, also to trusted services
    Firewall,
    /// By deleting the vault, which can be recovered
    Vault,
    /// By removing the identity that uses the key from the registry
    Identity,
}

#[derive(Args, Debug)]
struct CommonArgs {
    /// The registry
    #[arg(long, value_name = "NAME", default_value = "local")]
    registry: String,
    /// Return at once, before the registry has seen the change
    #[arg(long)]
    no_wait: bool,
}

pub(super) async fn revoke(
    args: &RevokeArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let path = format!("/registries/{}/revoke", segment(&args.common.registry));
    let request = RevokeRequest { by: args.by.into(), wait: !args.common.no_wait };
    let reply: RevokeReply = emulator.post(&path, &request).await?;
    context.output.result(&render_revoked(&reply, request.wait, &context.hints), &reply);
    Ok(Exit::Success)
}

pub(super) async fn restore(
    args: &RestoreArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let path = format!("/registries/{}/restore", segment(&args.common.registry));
    let request =
        RestoreRequest { by: args.by.map(RevocationMethod::from), wait: !args.common.no_wait };
    let reply: RestoreReply = emulator.post(&path, &request).await?;
    context.output.result(&render_restored(&reply, request.wait, &context.hints), &reply);
    Ok(Exit::Success)
}

pub(super) fn render_revoked(reply: &RevokeReply, waited: bool, hints: &Hints) -> String {
    let done = match reply.by {
        RevocationMethod::Policy => "the access policy of the registry's identity is removed",
        RevocationMethod::Role => "the roles of the registry's identity are removed",
        RevocationMethod::Disable => "the key version in use is disabled",
        RevocationMethod::Delete => "the key is deleted",
        RevocationMethod::Firewall => "the firewall of the vault is closed",
        RevocationMethod::Vault => "the vault is deleted",
        RevocationMethod::Identity => "the identity is removed from the registry",
    };
    let later = reply.unavailable_from.map(|at| {
        format!(", and becomes unavailable at {} by the emulator's clock", to_the_second(at))
    });
    format!(
        "{done}; registry {}: {}{}\n`{}` undoes it",
        reply.registry,
        state(reply.state, reply.cause, waited),
        later.unwrap_or_default(),
        hints.line(&Hint::Restore { registry: &reply.registry })
    )
}

pub(super) fn render_restored(reply: &RestoreReply, waited: bool, hints: &Hints) -> String {
    let names = |methods: &[RevocationMethod]| {
        methods.iter().map(|method| method.name()).collect::<Vec<_>>().join(", ")
    };
    let done = if reply.restored.is_empty() {
        "nothing was revoked".to_owned()
    } else {
        format!("restored: {}", names(&reply.restored))
    };
    let left = if reply.revoked.is_empty() {
        String::new()
    } else {
        format!("; still revoked: {}", names(&reply.revoked))
    };
    let state = state(reply.state, reply.cause, waited);
    let hint = match reply.cause {
        // The registry is unavailable for another reason than a revocation.
        Some(cause) if reply.revoked.is_empty() => {
            Some(hints.repair_hint_after_restore(cause, &reply.registry))
        }
        Some(_) => {
            let line = hints.line(&Hint::Restore { registry: &reply.registry });
            Some(format!("`{line}` restores it"))
        }
        None => None,
    };
    let hint = hint.map_or_else(String::new, |hint| format!("\n{hint}"));
    format!("{done}{left}; registry {}: {state}{hint}", reply.registry)
}

fn state(state: State, cause: Option<Cause>, waited: bool) -> String {
    let when = if waited { "" } else { " before it has seen the change" };
    format!("{}{when}", describe_state(state, cause))
}

impl From<MethodArg> for RevocationMethod {
    fn from(method: MethodArg) -> Self {
        match method {
            MethodArg::Policy => Self::Policy,
            MethodArg::Role => Self::Role,
            MethodArg::Disable => Self::Disable,
            MethodArg::Delete => Self::Delete,
            MethodArg::Firewall => Self::Firewall,
            MethodArg::Vault => Self::Vault,
            MethodArg::Identity => Self::Identity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_can_be_typed_under_its_name() {
        for method in RevocationMethod::ALL {
            let typed = MethodArg::from_str(method.name(), false).unwrap();
            assert_eq!(RevocationMethod::from(typed), method);
        }
    }
}
