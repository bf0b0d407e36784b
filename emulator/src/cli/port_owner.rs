//! Finds the process that listens on a port, if the system allows it.
//!
//! On Linux a socket is found by its port in `/proc/net/tcp` and `tcp6`, and its process by its inode among
//! `/proc/PID/fd`. Processes of other users cannot be inspected, so their ports have no name. On other systems there
//! is no answer.

use std::fmt;
use std::net::SocketAddr;

use fs_err as fs;

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// A process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortOwner {
    name: String,
    pid: u32,
}

impl PortOwner {
    /// The process that listens on the port of this address.
    pub(super) fn find(address: SocketAddr) -> Option<Self> {
        let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .flat_map(|table| listening(&table, address.port()))
            .collect();
        let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .find(|pid| has_socket(*pid, &inodes))
            .map(|pid| Self { name: name_of(pid), pid })
    }

    /// Whether the process is an emulator.
    pub(super) fn is_sealyard(&self) -> bool {
        self.name == "sealyard"
    }
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// The inodes of the sockets that listen on a port: columns 2 (`address:port`, hexadecimal), 4 (state) and 10.
fn listening(table: &str, port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    let inode = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = columns.get(1)?.ends_with(&port) && *columns.get(3)? == LISTEN;
        is_it.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

fn has_socket(pid: u32, inodes: &[String]) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.filter_map(Result::ok).filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.iter().any(|wanted| wanted == inode))
    })
}

fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name: String = name.trim().chars().filter(|character| !character.is_control()).collect();
    if name.is_empty() { "a process".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_listening_sockets_of_the_port_are_found() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1388 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 00000000:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
   3: broken";

        assert_eq!(listening(table, 5000), ["111"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_owner_of_a_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();

        let owner = PortOwner::find(listener.local_addr().unwrap()).unwrap();

        assert_eq!(owner.pid, std::process::id());
        assert!(!owner.name.is_empty());
    }
}
