//! Which process listens on a port, as far as the system tells.
//!
//! On Linux `/proc/net/tcp` names the socket that listens, and `/proc/PID/fd` the sockets of a process. Other
//! systems do not tell without more: there every question is answered by "unknown".

use std::collections::HashSet;

/// To whom the listener on a port belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// To one of the processes asked about.
    Theirs,
    /// To another one.
    Other,
    /// Nobody listens there.
    Nobody,
    /// The system does not tell.
    Unknown,
}

/// Whether what listens on a TCP port belongs to one of some processes.
pub fn owner(port: u16, processes: &[i32]) -> Owner {
    let Some(all) = platform::listeners() else { return Owner::Unknown };
    let sockets: Vec<Option<HashSet<u64>>> =
        processes.iter().map(|process| platform::sockets(*process)).collect();
    let mut somebody = false;
    // The rest of the table is not looked at once theirs is found: it costs more the more connections there are.
    for listener in all.filter(|listener| listener.port == port) {
        if sockets.iter().flatten().any(|sockets| sockets.contains(&listener.inode)) {
            return Owner::Theirs;
        }
        somebody = true;
    }
    match somebody {
        false => Owner::Nobody,
        true if sockets.contains(&None) => Owner::Unknown,
        true => Owner::Other,
    }
}

/// The TCP ports on which some processes listen, in ascending order.
pub fn ports(processes: &[i32]) -> Vec<u16> {
    let Some(all) = platform::listeners() else { return Vec::new() };
    let theirs: HashSet<u64> =
        processes.iter().filter_map(|process| platform::sockets(*process)).flatten().collect();
    let mut ports: Vec<u16> =
        all.filter(|listener| theirs.contains(&listener.inode)).map(|listener| listener.port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The first and last port that the system gives to outgoing connections.
pub fn ephemeral_ports() -> (u16, u16) {
    platform::ephemeral_ports().unwrap_or((32768, 60999))
}

struct Listener {
    port: u16,
    inode: u64,
}

#[cfg(target_os = "linux")]
mod platform {
    use std::collections::HashSet;
    use std::fs::File;
    use std::io::{BufRead, BufReader};

    use super::Listener;

    /// The state of a listening socket in `/proc/net/tcp`.
    const LISTEN: &str = "0A";

    /// How much is read at once: a few lines. Listeners stand before all connections, of which there may be tens of
    /// thousands, and the system makes up no more lines than are read.
    const FEW_LINES: usize = 320;

    pub(super) fn listeners() -> Option<impl Iterator<Item = Listener>> {
        let first = File::open("/proc/net/tcp").ok()?;
        Some(read(first).chain(File::open("/proc/net/tcp6").into_iter().flat_map(read)))
    }

    /// The listeners at the head of a table, below its title.
    fn read(table: File) -> impl Iterator<Item = Listener> {
        let lines = BufReader::with_capacity(FEW_LINES, table).lines().skip(1);
        lines.map_while(|line| listener(&line.ok()?))
    }

    /// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
    fn listener(line: &str) -> Option<Listener> {
        let mut words = line.split_whitespace();
        let (local, state) = (words.nth(1)?, words.nth(1)?);
        if state != LISTEN {
            return None;
        }
        let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        Some(Listener { port, inode: words.nth(5)?.parse().ok()? })
    }

    /// The sockets that a process has open; `None` where they cannot be seen.
    pub(super) fn sockets(process: i32) -> Option<HashSet<u64>> {
        let folder = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?;
        let socket = |path: std::path::PathBuf| {
            path.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        };
        Some(folder.flatten().filter_map(|item| socket(std::fs::read_link(item.path()).ok()?)).collect())
    }

    pub(super) fn ephemeral_ports() -> Option<(u16, u16)> {
        let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
        let mut words = text.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::collections::HashSet;

    use super::Listener;

    pub(super) fn listeners() -> Option<std::iter::Empty<Listener>> {
        None
    }

    pub(super) fn sockets(_process: i32) -> Option<HashSet<u64>> {
        None
    }

    pub(super) fn ephemeral_ports() -> Option<(u16, u16)> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_found_with_its_process() {
        let own = i32::try_from(std::process::id()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(owner(port, &[own]), Owner::Theirs);
        assert!(ports(&[own]).contains(&port));
        // The first process of the machine is not this one; whether its sockets can be seen depends on rights.
        assert_ne!(owner(port, &[1]), Owner::Theirs);
        assert_eq!(owner(port, &[]), Owner::Other);
        drop(listener);
        assert_eq!(owner(port, &[own]), Owner::Nobody);
    }
}
