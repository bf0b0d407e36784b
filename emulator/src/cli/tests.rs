//! Tests of the command line: the commands, the help texts, the outputs and the exit codes.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::CommandFactory as _;
use insta::{assert_snapshot, with_settings};
use serde_json::json;
use time::macros::datetime;

use super::banner::{Ending, banner};
use super::command::{Cli, Command, parse};
use super::error::CliError;
use super::exit::Exit;
use super::global::{data_dir_as_typed, endpoint_from};
use super::hints::Hints;
use super::{clock, gc, health, key, revoke, status, verify};
use crate::admin::{
    ClockReport, CollectedReport, ErrorReport, HealthReport, KeyList, KeyOperation, KeyReply,
    KeyReport, KeyRequest, KeyVersionReport, RegistryHealth, RegistryReport, RestoreReply,
    RetainedReport, RevokeReply, RotationReport, StatusReport,
};
use crate::duration::IsoDuration;
use crate::keys::{Cause, State};
use crate::registry::{Finding, FindingKind, Verified};
use crate::revocation::RevocationMethod;

const V1: &str = "0123456789abcdef0123456789abcdef";
const V2: &str = "fedcba9876543210fedcba9876543210";

fn args(line: &str) -> Vec<OsString> {
    std::iter::once("sealyard").chain(line.split_whitespace()).map(OsString::from).collect()
}

fn kid(version: &str) -> String {
    format!("https://local.vault.localhost:8443/keys/registry-key/{version}")
}

fn hints() -> Hints {
    Hints::new(Some(&"./sealyard".into()), None)
}

pub(super) fn report() -> StatusReport {
    StatusReport {
        registry: "http://127.0.0.1:5000".to_owned(),
        azure: Some("https://127.0.0.1:8443".to_owned()),
        vault: "https://local.vault.localhost:8443".to_owned(),
        login: Some("https://login.localhost:8443".to_owned()),
        dashboard: None,
        ca: Some(PathBuf::from("/data/vault/ca.pem")),
        owner_secret: None,
        admin_token: None,
        password: None,
        pid: 4711,
        instance: "0123456789abcdef".to_owned(),
        data_dir: PathBuf::from("/data"),
        ephemeral: false,
        registries: vec![RegistryReport {
            name: "local".to_owned(),
            url: "http://127.0.0.1:5000".to_owned(),
            login_server: "localhost:5000".to_owned(),
            taken_port: None,
            state: State::Unavailable,
            cause: Some(Cause::KeyDisabled),
            revoked: Vec::new(),
            since: datetime!(2026-01-01 12:00 UTC),
            key: Some(KeyReport {
                key_identifier: "https://local.vault.localhost:8443/keys/registry-key".to_owned(),
                versioned_key_identifier: Some(kid(V1)),
                key_rotation_enabled: true,
                last_key_rotation_timestamp: Some(datetime!(2026-01-01 10:00 UTC)),
            }),
            warnings: Vec::new(),
            data_keys: 2,
            blobs: 12,
            bytes: 3 << 20,
            uploads: 1,
            upload_bytes: 22 << 20,
        }],
        clock: ClockReport {
            now: datetime!(2026-01-01 12:30 UTC),
            offset: IsoDuration::from_seconds(3600),
            frozen: false,
        },
        unfinished: Vec::new(),
        notices: Vec::new(),
    }
}

fn reply(operation: KeyOperation) -> KeyReply {
    KeyReply {
        operation,
        key_identifier: kid(V1),
        registry: "local".to_owned(),
        state: State::Active,
        cause: None,
        rotation: None,
    }
}

#[test]
fn the_command_tree_is_valid() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_texts_match_their_snapshots() {
    fn walk(command: &mut clap::Command, path: &str) {
        let mut of_this = command.clone().mut_args(|arg| arg.hide_env_values(true)).term_width(100);
        assert_snapshot!(format!("help_{}", path.replace(' ', "_")), of_this.render_long_help());
        for sub in command.get_subcommands_mut() {
            let path = format!("{path} {}", sub.get_name());
            walk(sub, &path);
        }
    }
    let mut command = Cli::command();
    command.build();

    with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        walk(&mut command, "sealyard");
    });
}

#[test]
fn without_a_command_it_serves_with_the_same_options() {
    let bare = parse(&args("--listen 6000 --ephemeral")).unwrap();
    let named = parse(&args("serve --listen 6000 --ephemeral")).unwrap();

    assert!(bare.command.is_none());
    let Some(Command::Serve(named)) = named.command else { panic!("it is serve") };
    assert_eq!((bare.serve.listen, bare.serve.ephemeral), (named.listen, named.ephemeral));
}

#[test]
fn options_of_serve_before_another_command_are_refused() {
    let before_serve = parse(&args("--listen 6000 serve")).unwrap_err();
    let before_status = parse(&args("--ephemeral status")).unwrap_err();

    assert!(before_serve.to_string().contains("put --listen after `serve`"), "{before_serve}");
    assert!(
        before_status.to_string().contains("--ephemeral is an option of `serve`, not of `status`")
    );
    assert_eq!(before_serve.exit_code(), 2);
}

#[test]
fn global_options_are_accepted_before_and_after_a_command() {
    for line in ["--json --data-dir /d status", "status --json --data-dir /d"] {
        let cli = parse(&args(line)).unwrap();
        assert!(cli.global.json);
        assert_eq!(cli.global.data_dir, Some(PathBuf::from("/d")));
    }
    assert!(parse(&args("-v -q status")).is_err());
    assert!(parse(&args("--endpoint localhost:5000 status")).is_err());
    let longer = parse(&args("--endpoint HTTP://LOCALHOST:5000/v2/?a=b#c status")).unwrap();
    assert_eq!(longer.global.endpoint.unwrap().as_str(), "http://localhost:5000/");
    for endpoint in ["http://me:secret@localhost:5000", "http://me@localhost:5000"] {
        let refused = parse(&args(&format!("--endpoint {endpoint} status"))).unwrap_err();
        assert!(refused.to_string().contains("without a user name"), "{refused}");
    }
}

#[test]
fn the_endpoint_variable_takes_precedence_over_the_older_one_unless_it_is_empty() {
    let of = |endpoint: Option<&str>, url: Option<&str>| {
        endpoint_from(|name| match name {
            "SEALYARD_ENDPOINT" => endpoint.map(str::to_owned),
            "SEALYARD_URL" => url.map(str::to_owned),
            _ => None,
        })
    };
    let found = |endpoint, url| of(endpoint, url).unwrap().map(|url| url.to_string());

    let (one, two) = ("http://127.0.0.1:1/", "http://127.0.0.1:2/");
    assert_eq!(found(Some(one), Some(two)).as_deref(), Some(one));
    assert_eq!(found(None, Some(two)).as_deref(), Some(two));
    assert_eq!(found(Some(""), Some(two)).as_deref(), Some(two));
    assert_eq!(found(None, None), None);
    let error = of(None, Some("localhost:5000")).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert!(
        error.to_string().starts_with("the environment variable SEALYARD_URL is invalid: "),
        "{error}"
    );
}

#[test]
fn arguments_after_two_dashes_belong_to_the_inner_command() {
    let cli = parse(&args("run -- az --json --data-dir /x")).unwrap();

    assert!(!cli.global.json);
    assert_eq!(data_dir_as_typed(&args("run -- az --data-dir /x")), None);
    assert_eq!(data_dir_as_typed(&args("status --data-dir /x")), Some("/x".into()));
    assert_eq!(data_dir_as_typed(&args("--data-dir=/y status")), Some("/y".into()));
    assert!(parse(&args("run")).is_err());
}

#[test]
fn status_for_people() {
    assert_snapshot!(status::render(&report(), &hints()));
}

#[test]
fn status_for_programs_has_the_shape_that_is_promised() {
    insta::assert_json_snapshot!(report());
}

#[test]
fn serve_says_what_to_type_next() {
    let mut report = report();
    report.registries[0].state = State::Active;
    report.registries[0].cause = None;

    assert_snapshot!(banner(&report, &hints(), Ending::CtrlC));
}

#[test]
fn start_says_where_the_log_is_and_how_to_stop() {
    let log = PathBuf::from("/data/serve.log");
    let mut report = report();

    let text = banner(&report, &hints(), Ending::Background { log: &log });
    report.ephemeral = true;
    let ephemeral = banner(&report, &hints(), Ending::CtrlC);

    assert!(text.contains("\n  log       /data/serve.log\n"), "{text}");
    assert!(
        text.contains("\n  data      /data; `./sealyard reset` removes all content\n"),
        "{text}"
    );
    assert!(text.ends_with("`./sealyard stop` stops the emulator.\n"), "{text}");
    assert!(ephemeral.contains("  data      /data, which is removed at exit\n"), "{ephemeral}");
}

#[test]
fn keys_for_people() {
    let key_operations = [
        reply(KeyOperation::NewVersion),
        KeyReply {
            rotation: Some(RotationReport {
                from: kid(V2),
                to: kid(V1),
                data_keys: 1,
                vault_calls: 4,
            }),
            ..reply(KeyOperation::Rotate)
        },
        KeyReply {
            state: State::Unavailable,
            cause: Some(Cause::KeyDisabled),
            ..reply(KeyOperation::Disable)
        },
        reply(KeyOperation::Enable),
        KeyReply {
            key_identifier: "https://local.vault.localhost:8443/keys/registry-key".to_owned(),
            state: State::Unavailable,
            cause: Some(Cause::KeyDeleted),
            ..reply(KeyOperation::Delete)
        },
        reply(KeyOperation::Recover),
    ];
    let mut lines: Vec<String> =
        key_operations.iter().map(|reply| key::render(reply, true)).collect();
    lines.push(key::render(&reply(KeyOperation::Rotate), false));
    lines.extend([KeyOperation::Disable, KeyOperation::Delete, KeyOperation::Enable].map(|done| {
        let request = KeyRequest {
            operation: done,
            vault: Some("kv1".to_owned()),
            key: None,
            version: None,
            wait: true,
        };
        format!("{done:?}:{}", key::undo_hint(&request, "team1", &hints()))
    }));

    assert_snapshot!(lines.join("\n"));
}

#[test]
fn revocations_for_people() {
    let revoked = |by: RevocationMethod, cause: Cause| RevokeReply {
        unavailable_from: None,
        by,
        key_identifier: kid(V1),
        registry: "local".to_owned(),
        state: State::Unavailable,
        cause: Some(cause),
    };
    let later = RevokeReply {
        state: State::Active,
        cause: None,
        unavailable_from: Some(time::macros::datetime!(2026-04-01 12:30 UTC)),
        ..revoked(RevocationMethod::Identity, Cause::IdentityRemoved)
    };
    let restored = |restored: &[RevocationMethod],
                    left: &[RevocationMethod],
                    state: State,
                    cause: Option<Cause>| RestoreReply {
        restored: restored.to_vec(),
        revoked: left.to_vec(),
        key_identifier: kid(V1),
        registry: "local".to_owned(),
        state,
        cause,
    };

    let lines = [
        revoke::render_revoked(
            &revoked(RevocationMethod::Policy, Cause::PolicyRemoved),
            true,
            &hints(),
        ),
        revoke::render_revoked(
            &revoked(RevocationMethod::Vault, Cause::VaultDeleted),
            false,
            &hints(),
        ),
        revoke::render_revoked(&later, true, &hints()),
        revoke::render_restored(
            &restored(&[RevocationMethod::Policy], &[], State::Active, None),
            true,
            &hints(),
        ),
        revoke::render_restored(&restored(&[], &[], State::Active, None), true, &hints()),
        revoke::render_restored(
            &restored(
                &[RevocationMethod::Vault],
                &[RevocationMethod::Disable],
                State::Unavailable,
                Some(Cause::KeyDisabled),
            ),
            true,
            &hints(),
        ),
        revoke::render_restored(
            &restored(&[], &[], State::Unavailable, Some(Cause::KeyDeleted)),
            true,
            &hints(),
        ),
        revoke::render_restored(
            &restored(&[], &[], State::Unavailable, Some(Cause::IdentityRemoved)),
            true,
            &hints(),
        ),
    ];

    assert_snapshot!(lines.join("\n"));
}

#[test]
fn versions_for_people() {
    let version = |version: &str, enabled, current| KeyVersionReport {
        version: version.to_owned(),
        enabled,
        created: datetime!(2026-01-01 10:00 UTC),
        current,
    };
    let list = KeyList {
        key_identifier: "https://local.vault.localhost:8443/keys/registry-key".to_owned(),
        versions: vec![version(V1, false, false), version(V2, true, true)],
    };

    assert_snapshot!(key::render_list(&list));
}

#[test]
fn findings_for_people() {
    let finding = |kind, object: &str, message: &str| {
        Finding::new(kind, object.to_owned(), message.to_owned())
    };
    let sound = Verified { blobs: 1, manifests: 2, bytes: 2048, ..Verified::default() };
    let left = finding(FindingKind::Unreferenced, "objects/ab/cd", "no row names this file");
    let harmless = Verified { findings: vec![left.clone()], ..sound.clone() };
    let damaged = finding(FindingKind::Damaged, "blob sha256:12", "the stored content is damaged");
    let affecting = Finding {
        tags: vec!["app:v1".to_owned(), "app:v2".to_owned()],
        done: Some("marked it: clients see it as missing; push again: app:v1, app:v2".to_owned()),
        ..damaged.clone()
    };
    let restored = Finding {
        tags: vec!["app:v1".to_owned()],
        done: Some("restored it from repository team/app".to_owned()),
        healed: true,
        ..finding(FindingKind::Missing, "manifest app@sha256:34", "its stored file is missing")
    };
    let unreadable =
        finding(FindingKind::Unreadable, "folder files/ab", "cannot list it: Input/output error");
    let broken = Verified { findings: vec![damaged, left], ..sound.clone() };
    let half = Verified { findings: vec![affecting, restored.clone()], ..sound.clone() };
    let healed =
        Verified { findings: vec![restored], uploads: 2, upload_bytes: 70, ..sound.clone() };
    let dark = Verified {
        findings: vec![unreadable],
        refused: Some("the key is disabled".to_owned()),
        unchecked: 12,
        ..sound.clone()
    };

    let texts = [sound, harmless, broken, half, healed, dark]
        .map(|verified| verify::render_verified(&verified, "team1", &hints()));

    assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn collection_for_people() {
    let first = time::macros::datetime!(2026-01-01 00:00:59 UTC);
    let retained = RetainedReport {
        uploads: 2,
        upload_bytes: 7 << 20,
        blobs: 1,
        manifests: 0,
        first_due: Some(first),
        last_due: Some(first + std::time::Duration::from_hours(1)),
    };
    let much = CollectedReport {
        uploads: 1,
        upload_bytes: 2 << 20,
        manifests: 4,
        links: 3,
        blobs: 2,
        bytes: 5 << 20,
        orphans: 2,
        retained,
    };
    let nothing = CollectedReport::default();
    let only_kept = CollectedReport {
        retained: RetainedReport { last_due: Some(first), ..retained },
        ..nothing
    };

    let texts = [nothing, much, only_kept].map(|report| gc::render_collected(&report));

    assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn health_for_people() {
    let local = |state: State, cause: Option<Cause>| RegistryHealth {
        name: "local".to_owned(),
        state,
        cause,
        since: datetime!(2026-01-01 12:00 UTC),
    };
    let report = HealthReport {
        status: "ok".to_owned(),
        instance: String::new(),
        registries: vec![local(State::Unavailable, Some(Cause::KeyDisabled))],
        damaged: 2,
    };

    assert_snapshot!(health::render(&report, &hints()));
    // For the health check of a container it is enough that the emulator answers.
    assert_eq!(health::exit(&report, None), Exit::Success);
    assert_eq!(health::exit(&report, Some("local")), Exit::Refused);
    assert_eq!(health::exit(&report, Some("LOCAL")), Exit::Refused);
    assert_eq!(health::exit(&report, Some("other")), Exit::Failed);
    assert_eq!(
        health::no_such_registry(&report, "other"),
        "there is no registry \"other\"; the registries are: local"
    );
}

#[test]
fn a_registry_off_the_loopback_prints_the_setting_for_docker() {
    let mut away = report();
    away.registries[0].login_server = "192.0.2.7:5000".to_owned();
    let setting = "\"insecure-registries\": [\"192.0.2.7:5000\"]";

    assert!(status::render(&away, &hints()).contains(setting));
    assert!(banner(&away, &hints(), Ending::CtrlC).contains(setting));
    assert!(!status::render(&report(), &hints()).contains("insecure"));
    assert!(!banner(&report(), &hints(), Ending::CtrlC).contains("insecure"));
}

#[test]
fn the_clock_for_people() {
    assert_snapshot!(clock::render(&report().clock));
}

#[test]
fn a_duration_is_accepted_in_both_notations() {
    assert_eq!(clock::duration("1h"), clock::duration("PT1H"));
    assert_eq!(clock::duration("90d").unwrap().seconds(), 90 * 86_400);
    for bad in ["", "0s", "PT0S", "-PT1H", "soon"] {
        assert!(clock::duration(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_refusal_of_the_key_has_its_own_exit_code_and_a_hint() {
    let report = |state: Option<State>, cause: Option<Cause>| ErrorReport {
        code: "KeyRefused".to_owned(),
        message: "Access to Key Encryption Key is forbidden".to_owned(),
        state,
        cause,
        registry: None,
    };

    let refused = CliError::Answer(report(Some(State::Unavailable), Some(Cause::KeyDeleted)));
    let other = CliError::Answer(report(None, None));
    let of_team = CliError::Answer(ErrorReport {
        registry: Some("team1".to_owned()),
        ..report(Some(State::Unavailable), Some(Cause::PolicyRemoved))
    });

    assert_eq!((refused.exit(), other.exit()), (Exit::Refused, Exit::Failed));
    assert_eq!(refused.hint(&hints()).unwrap(), "`./sealyard key recover` repairs it");
    assert_eq!(
        of_team.hint(&hints()).unwrap(),
        "`./sealyard doctor` finds the reason, and the command that repairs it",
        "the key may have been lost without `revoke`"
    );
}

#[test]
fn an_enumeration_has_its_name_on_the_wire() {
    assert_eq!(json!(KeyOperation::NewVersion), json!("newVersion"));
}
