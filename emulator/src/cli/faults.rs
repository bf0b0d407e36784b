//! `sealyard faults`: rules that inject faults into the registry and its vault, to test clients.

use std::time::Duration;

use azure_emulator_core::faults::{FaultError, FaultRule};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::client::{Emulator, segment};
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::{count, for_people, table};
use crate::admin::{FaultAdded, FaultList};
use crate::duration::IsoDuration;

pub(super) const EXAMPLES: &str = "\
Examples:
  sealyard faults add outage --on vault --for 1m        the vault is unreachable for a minute
  sealyard faults add status --on vault --status 429 --retry-after 5 --times 10
  sealyard faults add latency --on blobs --latency 2s   every blob request takes two seconds longer
  sealyard faults add status --on manifests/PUT --status 503 --times 1
  sealyard faults add cut --on blobs/GET --probability 0.1 --seed 7
  sealyard faults throttling published                  the vault has Azure's limits
  sealyard faults clear

`faults list` lists the classes for --on. Requests to health and to the admin API never get a fault.";

#[derive(Debug, Subcommand)]
pub(super) enum FaultsCommand {
    /// List the rules, and the classes of requests for --on
    #[command(visible_alias = "ls")]
    List,
    /// Add a rule
    Add(Box<AddArgs>),
    /// Limit the calls to the vault
    Throttling {
        /// The limits
        limits: Limits,
    },
    /// Remove a rule
    #[command(visible_alias = "rm")]
    Remove {
        /// The name of the rule
        name: String,
    },
    /// Remove all rules, and throttling
    Clear,
}

#[derive(Args, Debug)]
pub(super) struct AddArgs {
    /// The fault to inject
    kind: Kind,
    /// The class of requests: `*` for all of the registry, `vault`, or a class that `faults list` names
    #[arg(long, value_name = "CLASS")]
    on: String,
    /// The time that a request waits (for latency)
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    latency: Option<Duration>,
    /// The HTTP status of the answer (for status)
    #[arg(long, value_name = "STATUS")]
    status: Option<u16>,
    /// The value of `Retry-After` in seconds (for status)
    #[arg(long, value_name = "SECONDS")]
    retry_after: Option<u64>,
    /// The number of requests that get the fault [default: all]
    #[arg(long, value_name = "COUNT")]
    times: Option<u64>,
    /// How long the rule lasts [default: until it is removed]
    #[arg(long = "for", value_name = "DURATION", value_parser = super::clock::duration)]
    lasts: Option<IsoDuration>,
    /// Count the time of --for in real time, not by the emulator's clock
    #[arg(long, requires = "lasts")]
    real_time: bool,
    /// The probability that a request gets the fault, from 0 to 1
    #[arg(long, value_name = "PROBABILITY")]
    probability: Option<f64>,
    /// The seed of the random choice; the same seed selects the same requests
    #[arg(long, value_name = "NUMBER", requires = "probability")]
    seed: Option<u64>,
    /// The name of the rule
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Delay the request
    Latency,
    /// Answer with an error status, without performing the request
    Status,
    /// Close the connection without an answer, without performing the request
    Reset,
    /// Perform the request, and close the connection in the middle of the answer
    Cut,
    /// Act as if the server were unreachable
    Outage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Limits {
    /// The limits that Azure publishes
    Published,
    /// No limits
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
            let rule = args.rule()?;
            let list: FaultList = emulator.get("/faults", &[]).await?;
            refuse_unknown(&args.on, &list.classes)?;
            let added: FaultAdded = emulator.post("/faults", &rule).await?;
            context.output.result(&format!("added {}", added.id), &added);
        }
        FaultsCommand::Throttling { limits } => {
            let setting = if limits == Limits::Published { "published" } else { "off" };
            let list: FaultList =
                emulator.post("/faults", &json!({ "throttling": setting })).await?;
            context.output.result(&format!("throttling: {setting}"), &list);
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
    Ok(Exit::Success)
}

impl AddArgs {
    /// The rule for the admin API. Refuses options that cannot be combined, by name.
    fn rule(&self) -> Result<Value, CliError> {
        let rule = self.as_written();
        match FaultRule::read(rule.clone()) {
            Ok(_) => Ok(rule),
            Err(error) => Err(CliError::Flag(in_flags(&error))),
        }
    }

    fn as_written(&self) -> Value {
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

/// An error of a rule, with the options of this command instead of the fields of the admin API.
fn in_flags(error: &FaultError) -> String {
    match error {
        FaultError::Missing { kind, field } => format!("the fault {kind} needs {}", flag(field)),
        FaultError::Superfluous { kind, field } => {
            format!("the fault {kind} does not take {}", flag(field))
        }
        FaultError::Value { field, takes } => format!("{} takes {takes}", flag(field)),
        error => error.to_string(),
    }
}

/// The option for a field of the admin API.
fn flag(field: &str) -> String {
    match field {
        "latencyMs" => "--latency".to_owned(),
        "retryAfter" => "--retry-after".to_owned(),
        "by" => "--real-time".to_owned(),
        field => format!("--{field}"),
    }
}

/// Refuses a class that the emulator does not have. For an external vault, the emulator's own message says more.
fn refuse_unknown(on: &str, classes: &[String]) -> Result<(), CliError> {
    let requested = on.to_ascii_lowercase();
    let is_within = |class: &String| {
        let class = named(class).to_ascii_lowercase();
        let rest = class.strip_prefix(&requested);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_of_keys = requested == "keys" || requested.starts_with("keys/");
    let has_vault = classes.iter().any(|class| class.starts_with("keys/"));
    if on == "*" || is_of_keys || !has_vault || classes.iter().any(is_within) {
        return Ok(());
    }
    Err(CliError::NotFound(format!(
        "there is no class of requests {on:?}: --on takes {}, or a part of a class, such as blobs/GET or vault/unwrapKey",
        nouns(classes)
    )))
}

/// The name of a class for people: `vault` is every operation with keys.
fn named(class: &str) -> String {
    class.strip_prefix("keys/").map_or_else(|| class.to_owned(), |rest| format!("vault/{rest}"))
}

fn nouns(classes: &[String]) -> String {
    let mut nouns = vec!["*".to_owned()];
    let parts = classes.iter().map(|class| named(class));
    nouns.extend(parts.filter_map(|class| class.split('/').next().map(str::to_owned)));
    nouns.dedup();
    nouns.join(", ")
}

/// The rules as typed, and the classes.
pub(super) fn render(list: &FaultList) -> String {
    let rows = list.faults.iter().map(|rule| {
        let text = |name: &str| as_text(&rule[name]);
        [text("id"), typed(rule), text("hits"), left(rule)]
    });
    let mut text = if list.faults.is_empty() {
        "there are no fault rules\n".to_owned()
    } else {
        table(Some(["NAME", "RULE", "HITS", "LEFT"]), rows)
    };
    if !list.throttling.is_null() {
        text.push_str("\nthe calls to the vault are limited\n");
    }
    let nouns = nouns(&list.classes);
    format!("{text}\nclasses: {nouns}; `--json` lists their parts")
}

/// A rule as `faults add` takes it.
fn typed(rule: &Value) -> String {
    let latency = rule["latencyMs"].as_u64().map(|wait| for_people(Duration::from_millis(wait)));
    let option = |name: &str| Some(as_text(&rule[name])).filter(|text| !text.is_empty());
    let options = [
        ("--on", option("on")),
        ("--latency", latency),
        ("--status", option("status")),
        ("--retry-after", option("retryAfter")),
        ("--times", option("times")),
        ("--for", lasts(rule)),
        ("--real-time", (rule["by"] == "real").then(String::new)),
        ("--probability", option("probability")),
        ("--seed", option("seed")),
    ];
    let given = options.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let options = given.map(|(name, value)| format!("{name} {value}").trim_end().to_owned());
    std::iter::once(as_text(&rule["kind"])).chain(options).collect::<Vec<_>>().join(" ")
}

/// How long a rule lasts.
fn lasts(rule: &Value) -> Option<String> {
    let lasts: IsoDuration = rule["for"].as_str()?.parse().ok()?;
    lasts.to_std().map(for_people)
}

/// The requests or the time that remain for a rule.
fn left(rule: &Value) -> String {
    match (rule["left"].as_u64(), lasts(rule)) {
        (Some(left), _) => count(left, "request"),
        (None, Some(lasts)) => format!("at most {lasts}"),
        (None, None) => "until removed".to_owned(),
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
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
    fn a_typed_rule_becomes_the_rule_of_the_admin_api() {
        let line = "faults status --on blobs --status 429 --retry-after 5 --times 2 --for 1m --real-time --probability 0.5 --seed 7 --name mine";
        let typed = Line::parse_from(line.split_whitespace()).args.rule().unwrap();

        let expected = json!({
            "on": "blobs", "kind": "status", "status": 429, "retryAfter": 5, "times": 2, "for": "PT1M",
            "by": "real", "probability": 0.5, "seed": 7, "name": "mine",
        });
        assert_eq!(typed, expected);
        serde_json::from_value::<FaultRule>(typed).unwrap();
    }

    #[test]
    fn a_listed_rule_is_the_typed_line() {
        for line in [
            "latency --on blobs --latency 2s",
            "latency --on blobs --latency 1m30s --for 1h30m --real-time",
            "status --on vault --status 429 --retry-after 5 --times 10",
            "cut --on blobs/GET --probability 0.1 --seed 7",
            "outage --on vault/unwrapKey --for 90d",
        ] {
            let args = ["faults"].into_iter().chain(line.split_whitespace());
            let rule = FaultRule::read(Line::parse_from(args).args.rule().unwrap()).unwrap();

            assert_eq!(typed(&json!(rule)), line);
        }
    }

    #[test]
    fn options_that_cannot_be_combined_are_refused_by_name() {
        for (line, message) in [
            ("latency --on blobs", "the fault latency needs --latency"),
            ("status --on blobs", "the fault status needs --status"),
            ("outage --on blobs --latency 1s", "the fault outage does not take --latency"),
            ("reset --on blobs --retry-after 1", "the fault reset does not take --retry-after"),
            ("status --on blobs --status 700", "--status takes a number from 400 to 599"),
            ("latency --on blobs --latency 1h", "--latency takes at most ten minutes"),
            ("cut --on blobs --probability 3", "--probability takes a number above 0"),
            ("cut --on blobs --name a/b", "--name takes 1 to 64 letters"),
        ] {
            let args = ["faults"].into_iter().chain(line.split_whitespace());
            let refused = Line::parse_from(args).args.rule().unwrap_err();

            assert!(refused.to_string().starts_with(message), "{line}: {refused}");
            assert_eq!(refused.exit(), Exit::Usage, "{line}");
        }
    }

    #[test]
    fn an_unknown_class_is_refused_with_the_names_of_the_known_ones() {
        let classes = ["blobs/GET", "tags/GET", "keys/getKey", "keys/unwrapKey", "issuer"];
        let classes = classes.map(str::to_owned);

        for on in ["*", "vault", "VAULT/unwrapkey", "keys", "blobs", "blobs/GET", "issuer"] {
            assert!(refuse_unknown(on, &classes).is_ok(), "{on}");
        }
        for on in ["nosuch", "blob", "vault/no", "blobs/GET/x", ""] {
            let refused = refuse_unknown(on, &classes).unwrap_err().to_string();
            assert!(refused.contains("--on takes *, blobs, tags, vault, issuer, or"), "{refused}");
        }
    }
}
