//! The commands that hints tell people to type: with the path of the running program, and what it was told.

use std::ffi::{OsStr, OsString};

use crate::serve::LOCAL;

/// How this program is called from where the person is.
#[derive(Clone, Debug)]
pub(super) struct Hints {
    program: String,
}

impl Hints {
    /// From the first argument, and `--data-dir` if it was typed.
    pub(super) fn new(program: Option<&OsString>, data_dir: Option<OsString>) -> Self {
        let program = program.map_or_else(|| "sealyard".into(), |program| quoted(program));
        let program = match data_dir {
            Some(folder) => format!("{program} --data-dir {}", quoted(&folder)),
            None => program,
        };
        Self { program }
    }

    /// The line to type for a command.
    pub(super) fn command(&self, command: &str) -> String {
        format!("{} {command}", self.program)
    }

    /// The same for a command about a registry, which has to be named unless it is the one that is meant without.
    pub(super) fn command_for(&self, command: &str, registry: &str) -> String {
        if registry == LOCAL {
            self.command(command)
        } else {
            self.command(&format!("{command} --registry {}", quoted(OsStr::new(registry))))
        }
    }

    /// What brings a registry back from what somebody did to its key. None: no command of ours does.
    pub(super) fn way_back(&self, cause: &str, registry: &str) -> Option<String> {
        let command = match cause {
            "keyDisabled" => "key enable",
            "keyDeleted" => "key recover",
            "policyRemoved" | "roleRemoved" | "vaultFirewall" | "vaultDeleted"
            | "identityRemoved" => "restore",
            _ => return None,
        };
        Some(format!("`{}` brings it back", self.command_for(command, registry)))
    }
}

/// A word as a POSIX shell reads it back.
pub(super) fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_can_be_typed_as_it_stands() {
        let program = OsString::from("target/release/sealyard");
        assert_eq!(
            Hints::new(Some(&program), None).command("status"),
            "target/release/sealyard status"
        );

        let (program, folder) =
            (OsString::from("/my programs/sealyard"), OsString::from("it's here"));
        let hints = Hints::new(Some(&program), Some(folder));
        assert_eq!(
            hints.command("key enable"),
            r"'/my programs/sealyard' --data-dir 'it'\''s here' key enable"
        );
    }

    #[test]
    fn a_hint_names_the_registry_that_it_is_for() {
        let hints = Hints::new(Some(&OsString::from("sealyard")), None);

        assert_eq!(hints.command_for("restore", "local"), "sealyard restore");
        assert_eq!(hints.command_for("restore", "team1"), "sealyard restore --registry team1");
        assert_eq!(
            hints.way_back("keyDisabled", "team1").unwrap(),
            "`sealyard key enable --registry team1` brings it back"
        );
        assert_eq!(hints.way_back("vaultUnreachable", "team1"), None);
    }
}
