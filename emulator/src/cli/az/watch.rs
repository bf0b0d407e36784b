//! Prints the warnings of the control plane, which `az` does not show, after a command that can cause one.
//!
//! It reads the emulator's warnings before the command, and again afterwards. The output and the exit code of `az` are
//! unchanged. If the emulator no longer answers, there are no warnings.

use crate::admin::StatusReport;
use crate::cli::context::Context;
use crate::cli::discovery;

/// The warnings to look for after a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Watch {
    /// The registry that the command creates or whose key it rotates: its warnings are printed even if they are old.
    registry: Option<String>,
    /// All warnings before the command.
    before: Vec<String>,
}

impl Watch {
    /// The warnings to look for after a command, or `None` if the command changes no registry.
    pub(super) fn new(args: &[&str], report: &StatusReport) -> Option<Self> {
        let command: Vec<&str> =
            args.iter().copied().take_while(|arg| !arg.starts_with('-')).take(3).collect();
        let registry = match command.as_slice() {
            ["acr", "create", ..] | ["acr", "encryption", "rotate-key"] => named_registry(args),
            // A template or a raw request can describe a registry as well.
            ["acr", "update", ..]
            | ["deployment" | "stack" | "rest", ..]
            | ["resource", "create" | "update" | "patch", ..] => None,
            _ => return None,
        };
        let before = warnings(report).map(|(_, message)| message).collect();
        Some(Self { registry: registry.map(str::to_owned), before })
    }

    /// Prints the current warnings.
    pub(super) fn print(&self, has_succeeded: bool, context: &Context) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        let report = runtime.block_on(async {
            let emulator = discovery::find(&context.global).await?;
            emulator.get::<StatusReport>("/status", &[]).await
        });
        for warning in report.iter().flat_map(|report| self.new_warnings(has_succeeded, report)) {
            context.output.warning(&warning);
        }
    }

    /// The new warnings, and those of the registry that the command was for, if the command succeeded.
    fn new_warnings(&self, has_succeeded: bool, report: &StatusReport) -> Vec<String> {
        let is_printed = |(name, message): &(&str, String)| {
            let is_its = |own: &String| has_succeeded && own.eq_ignore_ascii_case(name);
            self.registry.as_ref().is_some_and(is_its) || !self.before.contains(message)
        };
        warnings(report).filter(is_printed).map(|(_, message)| message).collect()
    }
}

/// Every warning, with the name of its registry.
fn warnings(report: &StatusReport) -> impl Iterator<Item = (&str, String)> {
    report.registries.iter().flat_map(|registry| {
        let name = registry.name.as_str();
        registry.warnings.iter().map(move |message| (name, format!("{name}: {message}")))
    })
}

/// The registry that a command of `az acr` is for.
fn named_registry<'a>(args: &[&'a str]) -> Option<&'a str> {
    const FLAGS: [&str; 4] = ["--name", "-n", "--registry", "-r"];
    args.iter().enumerate().find_map(|(at, arg)| match arg.split_once('=') {
        Some((flag, name)) if FLAGS.contains(&flag) => Some(name),
        None if FLAGS.contains(arg) => args.get(at + 1).copied(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Registries with a warning each, or without.
    fn report(registries: &[(&str, bool)]) -> StatusReport {
        let mut report = crate::cli::tests::report();
        let one = report.registries.remove(0);
        report.registries = registries
            .iter()
            .map(|(name, is_warned)| crate::admin::RegistryReport {
                name: (*name).to_owned(),
                warnings: is_warned.then(|| "no purge protection".to_owned()).into_iter().collect(),
                ..one.clone()
            })
            .collect();
        report
    }

    #[track_caller]
    fn check(line: &str, has_succeeded: bool, expected: &[&str]) {
        let args: Vec<&str> = line.split(' ').collect();
        let before = report(&[("local", false), ("old", true)]);
        let after = report(&[("local", false), ("old", true), ("team1", true)]);
        let watch = Watch::new(&args, &before).unwrap();
        let expected: Vec<String> =
            expected.iter().map(|name| format!("{name}: no purge protection")).collect();
        assert_eq!(watch.new_warnings(has_succeeded, &after), expected, "{line}");
    }

    #[test]
    fn new_warnings_and_those_of_the_commands_registry_are_printed() {
        check("acr create -n team1 -g g --sku Premium", true, &["team1"]);
        check("acr create --name=OLD --sku Premium", true, &["old", "team1"]);
        check("acr encryption rotate-key -r old", true, &["old", "team1"]);
        check("acr encryption rotate-key -r old", false, &["team1"]);
        check("acr encryption rotate-key -g g -n", true, &["team1"]);
        check("deployment group create -g g --template-file t.json", true, &["team1"]);
        check("deployment group create -g g -n old", false, &["team1"]);
        check("rest --method put --url u", true, &["team1"]);
    }

    #[test]
    fn a_command_that_changes_no_registry_is_not_watched() {
        for line in [
            "acr list",
            "acr encryption show -n old",
            "keyvault create -n kv1",
            "login",
            "resource list",
        ] {
            let args: Vec<&str> = line.split(' ').collect();
            assert_eq!(Watch::new(&args, &report(&[])), None, "{line}");
        }
    }
}
