//! One Received line (RFC 5321 section 4.4), as the servers in the field write it.

use std::net::IpAddr;

/// What one Received line says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hop {
    pub helo: Option<String>,
    pub ip: Option<IpAddr>,
    pub by: Option<String>,
    /// LMTP, local and the like: handed over inside one system, without a client address.
    pub local: bool,
    pub envelope_from: Option<String>,
}

impl Hop {
    /// Reads a Received line: the clauses of RFC 5321 section 4.4 and the comments in which
    /// servers put the client's address.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let mut hop = Self::default();
        let mut clause = "";
        for token in Tokens(line).take(200) {
            match token {
                Token::Comment(text) => hop.comment(clause, text),
                Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                    "from" if clause.is_empty() => clause = "from",
                    "by" if hop.by.is_none() => clause = "by",
                    "with" => clause = "with",
                    "via" | "id" | "for" => clause = "other",
                    _ => {
                        hop.word(clause, word);
                        if clause == "by" || clause == "with" {
                            clause = "other";
                        }
                    }
                },
            }
        }
        if hop.ip.is_none() && hop.by.is_some() && hop.helo.is_none() {
            // "by HOST (Postfix, from userid 0)": a local submission has no from clause.
            hop.local = true;
        }
        hop
    }

    fn word(&mut self, clause: &str, word: &str) {
        match clause {
            "from" if self.helo.is_none() => {
                // Exim writes "from [192.0.2.1] (helo=x)": there the literal is what TCP says.
                if let Some(ip) = literal(word) {
                    self.ip = Some(ip);
                }
                self.helo = Some(word.trim_end_matches([';', ',']).to_owned());
            }
            "by" => self.by = Some(word.trim_end_matches([';', ',', '.']).to_owned()),
            "with" => {
                let word = word.to_ascii_lowercase();
                self.local |= word.starts_with("lmtp") || word == "local";
            }
            _ => {}
        }
    }

    fn comment(&mut self, clause: &str, text: &str) {
        if let Some(at) = text.find("envelope-from ") {
            let sender = text.get(at + 14..).unwrap_or_default().trim_start();
            let sender = sender.split([' ', ')']).next().unwrap_or_default();
            self.envelope_from = Some(sender.trim_matches(['<', '>']).to_owned());
        }
        if clause != "from" {
            return;
        }
        // The address that TCP knew stands in brackets, or alone, in the first comment behind the
        // name: Postfix "(ptr [ip])", Exim "([ip] helo=x)", Exchange "(ip)", qmail "(ip)".
        if let Some(ip) = client_address(text)
            && self.comment_ip_counts()
        {
            self.ip = Some(ip);
        }
        if let Some(at) = text.to_ascii_lowercase().find("helo=").or_else(|| text.to_ascii_lowercase().find("helo ")) {
            let helo = text.get(at + 5..).unwrap_or_default();
            let helo = helo.split(|c: char| c.is_whitespace() || matches!(c, ')' | ']')).next().unwrap_or_default();
            if !helo.is_empty() {
                self.helo = Some(helo.to_owned());
            }
        }
    }

    /// The address in a comment is what TCP knew; a literal in front of it is then the HELO.
    fn comment_ip_counts(&self) -> bool {
        self.ip.is_none() || self.helo.as_deref().is_some_and(|h| literal(h).is_some())
    }
}

/// The address that TCP knew: the last one in brackets, or the one that is the whole comment. Any
/// other word is a name from DNS or qmail's "HELO x", and both are the client's to choose.
fn client_address(comment: &str) -> Option<IpAddr> {
    let mut words =
        comment.split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')')).filter(|w| !w.is_empty());
    let first = words.clone().next()?;
    if first.eq_ignore_ascii_case("helo") || first.eq_ignore_ascii_case("ehlo") {
        return None;
    }
    let bracketed = |w: &str| w.strip_prefix('[').filter(|w| w.contains(']')).and_then(address);
    words.clone().filter_map(bracketed).next_back().or_else(|| {
        let only = words.next()?;
        if words.next().is_none() { address(only) } else { None }
    })
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
fn literal(word: &str) -> Option<IpAddr> {
    let inner = word.trim_end_matches([';', ',']).strip_prefix('[')?.strip_suffix(']')?;
    address(inner)
}

/// An address with or without brackets, `IPv6:` prefix or `:port`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches(|c| matches!(c, '[' | ']' | '(' | ')' | ',' | ';'));
    let text = text.strip_prefix("IPv6:").or_else(|| text.strip_prefix("ipv6:")).unwrap_or(text);
    text.parse::<IpAddr>().ok().or_else(|| {
        let (ip, port) = text.rsplit_once([':', ']'])?;
        port.trim_start_matches(':').parse::<u16>().ok()?;
        ip.trim_matches(['[', ']']).parse().ok()
    })
}

enum Token<'a> {
    Word(&'a str),
    /// The inside of a comment, nested ones included.
    Comment(&'a str),
}

/// Words and comments of a Received line.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.0 = self.0.trim_start();
        if self.0.is_empty() {
            return None;
        }
        if let Some(inner) = self.0.strip_prefix('(') {
            let mut depth = 1_usize;
            let end = inner.char_indices().find_map(|(at, c)| {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                (depth == 0).then_some(at)
            });
            let (comment, rest) = match end {
                Some(at) => (inner.get(..at).unwrap_or_default(), inner.get(at + 1..).unwrap_or_default()),
                None => (inner, ""),
            };
            self.0 = rest;
            return Some(Token::Comment(comment));
        }
        let end = self.0.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        Some(Token::Word(word))
    }
}

#[cfg(test)]
mod tests {
    use super::Hop;

    #[test]
    fn lines_of_the_servers_in_the_field() {
        // line, HELO, client address, by, local
        let table: [(&str, &str, &str, &str, bool); 12] = [
            (
                "from mx.a.example (mx.a.example [192.0.2.10])\r\n\tby in.c.example (Postfix) with ESMTPS id 4ABC; Mon, 16 Nov 2026 09:12:33 +0000",
                "mx.a.example",
                "192.0.2.10",
                "in.c.example",
                false,
            ),
            (
                "from [198.51.100.9] (unknown [192.0.2.11]) by in.c.example (Postfix) with SMTP",
                "[198.51.100.9]",
                "192.0.2.11",
                "in.c.example",
                false,
            ),
            (
                "from mx.a.example ([192.0.2.12] helo=other.a.example) by in.c.example with esmtps (Exim 4.96) (envelope-from <x@a.example>) id 1abc",
                "other.a.example",
                "192.0.2.12",
                "in.c.example",
                false,
            ),
            (
                "from [192.0.2.13] (helo=mx.a.example) by in.c.example with esmtp (Exim 4.96)",
                "mx.a.example",
                "192.0.2.13",
                "in.c.example",
                false,
            ),
            (
                "from mx.a.example (192.0.2.14) by in.c.example (2603:10a6::1) with Microsoft SMTP Server",
                "mx.a.example",
                "192.0.2.14",
                "in.c.example",
                false,
            ),
            (
                "from unknown (HELO mx.a.example) (192.0.2.15) by in.c.example with SMTP",
                "mx.a.example",
                "192.0.2.15",
                "in.c.example",
                false,
            ),
            (
                "from mx.a.example (mx.a.example [IPv6:2001:db8::25]) by in.c.example with ESMTPS",
                "mx.a.example",
                "2001:db8::25",
                "in.c.example",
                false,
            ),
            ("from in.c.example by store.c.example with LMTP id abc", "in.c.example", "", "store.c.example", true),
            ("by in.c.example (Postfix, from userid 0) id 4ABC; Mon", "", "", "in.c.example", true),
            (
                "from mail-sor-f41.google.example (mail-sor-f41.google.example. [192.0.2.41]) by mx.google.example with SMTPS id x",
                "mail-sor-f41.google.example",
                "192.0.2.41",
                "mx.google.example",
                false,
            ),
            ("garbage without anything", "", "", "", false),
            ("from a (b (c) [192.0.2.16]) by in.c.example", "a", "192.0.2.16", "in.c.example", false),
        ];
        for (line, helo, ip, by, local) in table {
            let hop = Hop::parse(line);
            assert_eq!(hop.helo.unwrap_or_default(), helo, "{line}");
            assert_eq!(hop.ip.map(|i| i.to_string()).unwrap_or_default(), ip, "{line}");
            assert_eq!(hop.by.unwrap_or_default(), by, "{line}");
            assert_eq!(hop.local, local, "{line}");
        }
    }
}
