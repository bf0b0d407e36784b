//! `sealyard faults`: rules that make the registry and its vault fail, so that clients can be tested.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::Context;
use super::client::Emulator;
use super::content::segment;
use super::error::{CliError, Exit};
use super::output::table;
use crate::admin::{FaultAdded, FaultList, IsoDuration};

pub(super) const EXAMPLES: &str = "\
Examples:
  sealyard faults add outage --on vault --for 1m        the vault is gone for a minute of emulator time
  sealyard faults add status --on vault --status 429 --retry-after 5 --times 10
  sealyard faults add latency --on blobs --latency 2s   every blob comes two seconds later
  sealyard faults add status --on manifests/PUT --status 503 --times 1
  sealyard faults add cut --on blobs/GET --probability 0.1 --seed 7
  sealyard faults throttling published                  the vault takes no more than Azure's does
  sealyard faults clear

`faults list` names the classes that --on takes. Health and the admin API are never struck.";

#[derive(Debug, Subcommand)]
pub(super) enum FaultsCommand {
    /// List the rules, and the classes of requests that a rule can be for
    List,
    /// Add a rule
    Add(Box<AddArgs>),
    /// Hold the vault to limits of calls
    Throttling {
        /// Azure's own limits, or none
        limits: Limits,
    },
    /// Remove a rule
    Remove {
        /// Its name
        name: String,
    },
    /// Remove all rules, and throttling
    Clear,
}

#[derive(Args, Debug)]
pub(super) struct AddArgs {
    /// What befalls a request
    kind: Kind,
    /// The class of requests: `*` for all of the registry, `vault`, or what `faults list` names
    #[arg(long, value_name = "CLASS")]
    on: String,
    /// How long a request waits (latency)
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    latency: Option<Duration>,
    /// What it is answered with (status)
    #[arg(long, value_name = "STATUS")]
    status: Option<u16>,
    /// When the client is told to come again (status)
    #[arg(long, value_name = "SECONDS")]
    retry_after: Option<u64>,
    /// How many requests it befalls [default: all]
    #[arg(long, value_name = "COUNT")]
    times: Option<u64>,
    /// How long it lasts [default: until it is removed]
    #[arg(long = "for", value_name = "DURATION", value_parser = super::clock::duration)]
    lasts: Option<IsoDuration>,
    /// That time is real time, not the emulator's
    #[arg(long, requires = "lasts")]
    real_time: bool,
    /// How likely it befalls a request, from 0 to 1
    #[arg(long, value_name = "PROBABILITY")]
    probability: Option<f64>,
    /// Where chance begins: the same seed befalls the same requests
    #[arg(long, value_name = "NUMBER", requires = "probability")]
    seed: Option<u64>,
    /// What the rule is called
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// It waits
    Latency,
    /// It is answered with a status, and nothing is done
    Status,
    /// The connection ends without an answer, and nothing is done
    Reset,
    /// It is done, and the connection ends in the middle of the answer
    Cut,
    /// It is answered as if the server were not there
    Outage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Limits {
    /// What Azure publishes
    Published,
    /// None
    Off,
}

pub(super) async fn faults(
    command: FaultsCommand,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    match command {
        FaultsCommand::List => {
            let list: FaultList = emulator.get("/faults", &[]).await?;
            context.output.result(&render(&list), &list);
        }
        FaultsCommand::Add(args) => {
            let added: FaultAdded = emulator.post("/faults", &args.rule()).await?;
            context.output.result(&format!("added {}", added.id), &added);
        }
        FaultsCommand::Throttling { limits } => {
            let word = if limits == Limits::Published { "published" } else { "off" };
            let list: FaultList = emulator.post("/faults", &json!({ "throttling": word })).await?;
            context.output.result(&format!("throttling: {word}"), &list);
        }
        FaultsCommand::Remove { name } => {
            emulator.delete(&format!("/faults/{}", segment(&name)), &[]).await?;
            context.output.result(&format!("removed {name}"), &json!({ "removed": name }));
        }
        FaultsCommand::Clear => {
            emulator.delete("/faults", &[]).await?;
            context.output.result("removed all faults", &json!({ "removed": "*" }));
        }
    }
    Ok(Exit::Fine)
}

impl AddArgs {
    /// The rule as the admin API reads it. What does not go together is for it to refuse.
    fn rule(&self) -> Value {
        let kind = self.kind.to_possible_value();
        let mut rule = Map::new();
        rule.insert("on".to_owned(), json!(self.on));
        rule.insert("kind".to_owned(), json!(kind.map(|kind| kind.get_name().to_owned())));
        let latency = self.latency.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let fields = [
            ("latencyMs", latency.map(Value::from)),
            ("status", self.status.map(Value::from)),
            ("retryAfter", self.retry_after.map(Value::from)),
            ("times", self.times.map(Value::from)),
            ("for", self.lasts.map(|lasts| Value::from(lasts.to_string()))),
            ("by", self.real_time.then(|| Value::from("real"))),
            ("probability", self.probability.map(Value::from)),
            ("seed", self.seed.map(Value::from)),
            ("name", self.name.clone().map(Value::from)),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        rule.extend(given);
        Value::Object(rule)
    }
}

/// The rules as a table, and the classes.
pub(super) fn render(list: &FaultList) -> String {
    let rows = list.faults.iter().map(|rule| {
        let text = |name: &str| match &rule[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let what = match rule["kind"].as_str() {
            Some("latency") => format!("latency {} ms", text("latencyMs")),
            Some("status") => format!("status {}", text("status")),
            _ => text("kind"),
        };
        let left = match (&rule["left"], &rule["for"]) {
            (Value::Null, Value::Null) => "until removed".to_owned(),
            (Value::Null, _) => format!("for {}", text("for")),
            _ => format!("{} more", text("left")),
        };
        [text("id"), text("on"), what, text("hits"), left]
    });
    let mut text = if list.faults.is_empty() {
        "there are no faults\n".to_owned()
    } else {
        table(Some(["NAME", "ON", "WHAT", "HITS", "LEFT"]), rows)
    };
    if !list.throttling.is_null() {
        text.push_str("\nthe vault is throttled\n");
    }
    let mut nouns: Vec<&str> =
        list.classes.iter().filter_map(|class| class.split('/').next()).collect();
    nouns.dedup();
    format!("{text}\nclasses: *, {}; each with what follows a slash in `--json`", nouns.join(", "))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: AddArgs,
    }

    #[test]
    fn a_typed_rule_is_the_one_that_the_admin_api_reads() {
        let line = "faults status --on blobs --status 429 --retry-after 5 --times 2 --for 1m --real-time --probability 0.5 --seed 7 --name mine";
        let typed = Line::parse_from(line.split_whitespace()).args.rule();

        let expected = json!({
            "on": "blobs", "kind": "status", "status": 429, "retryAfter": 5, "times": 2, "for": "PT1M",
            "by": "real", "probability": 0.5, "seed": 7, "name": "mine",
        });
        assert_eq!(typed, expected);
        serde_json::from_value::<mock_keyvault::faults::FaultRule>(typed).unwrap();
    }
}
