//! What a server announced (RFC 2449).

/// The answer to CAPA; empty where the server does not know the command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    lines: Vec<(String, Vec<String>)>,
}

impl Capabilities {
    /// Reads the lines behind the status line.
    pub fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let lines = lines
            .take(200)
            .filter_map(|line| {
                let line: String =
                    String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).take(500).collect();
                let mut words = line.split_whitespace();
                Some((words.next()?.to_ascii_uppercase(), words.map(str::to_owned).collect()))
            })
            .collect();
        Self { lines }
    }

    fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|(n, _)| n == name)
    }

    /// Commands may be sent ahead (section 6.6).
    #[must_use]
    pub fn pipelining(&self) -> bool {
        self.has("PIPELINING")
    }

    /// The server says that it has UIDL.
    #[must_use]
    pub fn announces_uidl(&self) -> bool {
        self.has("UIDL")
    }

    /// The server has UIDL. One that answers no CAPA is asked all the same.
    #[must_use]
    pub fn uidl(&self) -> bool {
        self.lines.is_empty() || self.has("UIDL")
    }

    /// A mail's headers can be had without the mail (RFC 2449 section 6.1).
    #[must_use]
    pub fn top(&self) -> bool {
        self.has("TOP")
    }

    /// USER and PASS are taken. One that answers no CAPA is asked all the same.
    #[must_use]
    pub fn user(&self) -> bool {
        self.lines.is_empty() || self.has("USER")
    }

    /// A SASL mechanism is offered (RFC 5034).
    #[must_use]
    pub fn sasl(&self, mechanism: &str) -> bool {
        self.arguments("SASL").any(|a| a.eq_ignore_ascii_case(mechanism))
    }

    /// Some mechanism is offered by AUTH.
    #[must_use]
    pub fn any_sasl(&self) -> bool {
        self.arguments("SASL").next().is_some()
    }

    /// The connection may change to TLS (RFC 2595 section 4).
    #[must_use]
    pub fn stls(&self) -> bool {
        self.has("STLS")
    }

    /// UTF8 may be switched on (RFC 6856 section 2).
    #[must_use]
    pub fn utf8(&self) -> bool {
        self.has("UTF8")
    }

    /// Every refusal because of credentials has the code `[AUTH]` (RFC 3206 section 6), so one without it has
    /// another reason.
    #[must_use]
    pub fn auth_resp_code(&self) -> bool {
        self.has("AUTH-RESP-CODE")
    }

    /// Seconds that the server wants between two logins (RFC 2449 section 6.5).
    #[must_use]
    pub fn login_delay(&self) -> Option<u64> {
        self.arguments("LOGIN-DELAY").find_map(|a| a.parse().ok())
    }

    /// What the server says it is (RFC 2449 section 6.9).
    #[must_use]
    pub fn implementation(&self) -> Option<String> {
        let words: Vec<&str> = self.arguments("IMPLEMENTATION").collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    fn arguments(&self, name: &str) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |(n, _)| n == name).flat_map(|(_, args)| args.iter().map(String::as_str))
    }

    /// The names and their arguments, for people.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.lines.iter().map(|(n, args)| if args.is_empty() { n.clone() } else { format!("{n} {}", args.join(" ")) })
    }

    /// The names, for people.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(n, _)| n.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Capabilities;

    #[test]
    fn capabilities_of_a_server() {
        let lines: [&[u8]; 9] = [
            b"CAPA",
            b"TOP",
            b"UIDL",
            b"RESP-CODES",
            b"PIPELINING",
            b"SASL PLAIN login",
            b"utf8 USER",
            b"LOGIN-DELAY 300 USER",
            b"IMPLEMENTATION Some Server 1.0",
        ];
        let caps = Capabilities::parse(lines.into_iter());
        assert!(caps.pipelining() && caps.uidl() && caps.sasl("LOGIN") && caps.any_sasl() && !caps.user());
        assert!(caps.utf8() && !caps.auth_resp_code());
        assert_eq!(caps.login_delay(), Some(300));
        assert_eq!(caps.implementation().as_deref(), Some("Some Server 1.0"));
        assert!(caps.lines().any(|l| l == "SASL PLAIN login"));
        let none = Capabilities::default();
        assert!(!none.pipelining() && none.uidl() && none.user() && !none.sasl("PLAIN"));
    }
}
