//! What every POP3 server here has: POP3S for `localhost`, one folder with its certificate, its log and its users' mail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Missing, check, maildir, script};

pub trait Pop3Server {
    const NAME: &'static str;

    /// Where everything of the server lies.
    fn dir(&self) -> &Path;

    /// The port of POP3 over TLS.
    fn pop3s_port(&self) -> u16;

    /// The certificate to trust, in PEM. The server's own is for `localhost` and 127.0.0.1.
    fn ca_file(&self) -> PathBuf {
        self.dir().join("tls/ca.crt")
    }

    fn maildir(&self, user: &str) -> PathBuf {
        self.dir().join("home").join(user).join("Maildir")
    }

    /// How many messages the user's mailbox holds.
    fn count(&self, user: &str) -> usize {
        maildir::count(&self.maildir(user))
    }

    /// What the server has logged: a line for each login and each session's end.
    fn log(&self) -> String {
        fs::read(self.dir().join("log"))
            .map_or_else(|_| String::new(), |log| String::from_utf8_lossy(&log).into_owned())
    }
}

/// The password that both scripts give a user.
pub fn password(user: &str) -> String {
    format!("pw-{user}")
}

/// Runs a script's `make`, for these ports and users.
pub(super) fn make(name: &str, dir: &Path, ports: &[u16], users: &[&str]) -> Result<PathBuf, Missing> {
    let script = script(name);
    check(&script)?;
    let made = Command::new(&script)
        .arg("make")
        .arg(dir)
        .args(ports.iter().map(u16::to_string))
        .args(users)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(made.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&made.stderr));
    Ok(script)
}
