//! Detects whether this program runs in a container, and how a person outside calls a program inside.
//!
//! Hints need this, because people type them in a terminal outside the container.

use std::path::Path;

use fs_err as fs;

/// A container, identified for its engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    engine: &'static str,
    id: String,
}

impl Container {
    /// The container that this process was started in from outside. `None` if there is no known container, or if the program
    /// was called in a shell inside it, where hints work unchanged.
    pub(super) fn around_this_process() -> Option<Self> {
        // The first process of a container and a process of `exec` have no parent; with `--init`, the parent is the first process.
        if rustix::process::getppid().is_some_and(|parent| !parent.is_init()) {
            return None;
        }
        let engine = [("/run/.containerenv", "podman"), ("/.dockerenv", "docker")]
            .into_iter()
            .find_map(|(file, engine)| Path::new(file).exists().then_some(engine))?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Some(Self { engine, id: id_in(&mounts)?.to_owned() })
    }

    /// The prefix of a command that has to run in the container.
    pub(super) fn exec(&self) -> String {
        format!("{} exec {}", self.engine, self.id)
    }
}

/// The short id of the container, as the engines print it: both engines store the file that they mount at `/etc/hostname` in
/// a folder of this name. The host name itself may be chosen by the user.
fn id_in(mounts: &str) -> Option<&str> {
    let source = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let source = fields.next()?;
        (fields.next()? == "/etc/hostname").then_some(source)
    })?;
    let is_id = |part: &&str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    source.split('/').rfind(is_id)?.get(..12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_container_is_in_the_path_of_its_host_name_file() {
        let id = "8c4f0d2b6a1e".to_owned() + &"0".repeat(52);
        let mounts = |source: &str| {
            format!(
                "595 580 0:52 / /proc rw - proc proc rw\n\
                 612 579 8:1 {source} /etc/hostname rw,relatime - ext4 /dev/sda1 rw\n\
                 613 579 8:1 /x/{} /etc/hosts rw,relatime - ext4 /dev/sda1 rw\n",
                "f".repeat(64)
            )
        };

        for source in [
            format!("/var/lib/docker/containers/{id}/hostname"),
            format!("/containers/overlay-containers/{id}/userdata/hostname"),
        ] {
            assert_eq!(id_in(&mounts(&source)), Some("8c4f0d2b6a1e"), "{source}");
        }
        assert_eq!(id_in(&mounts("/var/lib/kubelet/pods/3f1c/etc-hostname")), None);
        assert_eq!(id_in(""), None);
    }

    #[test]
    fn a_program_with_a_parent_was_not_called_from_outside_a_container() {
        assert_eq!(Container::around_this_process(), None);
    }
}
