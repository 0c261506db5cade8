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
                let line = String::from_utf8_lossy(line).to_ascii_uppercase();
                let mut words = line.split_whitespace().map(str::to_owned);
                Some((words.next()?, words.collect()))
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

    /// USER and PASS are taken. One that answers no CAPA is asked all the same.
    #[must_use]
    pub fn user(&self) -> bool {
        self.lines.is_empty() || self.has("USER")
    }

    /// A SASL mechanism is offered (RFC 5034).
    #[must_use]
    pub fn sasl(&self, mechanism: &str) -> bool {
        self.lines.iter().any(|(n, args)| n == "SASL" && args.iter().any(|a| a.eq_ignore_ascii_case(mechanism)))
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
        let lines: [&[u8]; 6] = [b"CAPA", b"TOP", b"UIDL", b"RESP-CODES", b"PIPELINING", b"SASL PLAIN login"];
        let caps = Capabilities::parse(lines.into_iter());
        assert!(caps.pipelining() && caps.uidl() && caps.sasl("LOGIN") && !caps.user());
        let none = Capabilities::default();
        assert!(!none.pipelining() && none.uidl() && none.user() && !none.sasl("PLAIN"));
    }
}
