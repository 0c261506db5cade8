//! One Received line (RFC 5321 section 4.4), as the servers in the field write it.

use super::peer::{self, Peer, Writer};
use super::tokens::{Token, tokens};
use std::net::IpAddr;

/// What one Received line says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hop {
    /// Whether the line allows one reading only. Where it does not, nothing else is filled in.
    pub readable: bool,
    /// The word behind `from`: with most servers what the client called itself, with qmail and Exim its reverse name.
    pub from: Option<String>,
    /// What the client called itself.
    pub helo: Option<String>,
    /// The client's reverse name, where the line tells it from the HELO.
    pub ptr: Option<String>,
    /// The client's address, as TCP knew it.
    pub ip: Option<IpAddr>,
    /// The server that wrote the line.
    pub by: Option<String>,
    /// The name and the address that the server gives itself in the comment behind `by`.
    pub by_name: Option<String>,
    pub by_ip: Option<IpAddr>,
    /// The first word behind `with`.
    pub with: Option<String>,
    /// How the mail came.
    pub link: Link,
    /// The envelope sender as it stands there, `<>` for the null sender.
    pub envelope_from: Option<String>,
}

/// How a mail came to the server that wrote a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Link {
    /// From a client over the network.
    #[default]
    Smtp,
    /// SMTP, but the line has no `from`: Google's inner hops, and servers that hide their users.
    Nameless,
    /// LMTP, a pipe, a socket, a filter, a local submission: handed over inside one system.
    Local,
    /// `(qmail 123 invoked by …)`: a local hand-over that names no server.
    Qmail,
    /// HTTP: a store's own delivery, or what a person wrote in a mail program of the provider.
    Store,
    /// MAPI: what a person wrote in a mail program of the provider.
    Submitted,
    /// Fetched by POP3 or IMAP (fetchmail, getmail): the client is the server that was asked.
    Pull,
}

/// Where the reader is in a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    Start,
    From,
    By,
    With,
    Via,
    Sender,
    /// `id`, `for`, and words that say nothing here.
    Other,
}

/// The parts of a line, not judged yet.
#[derive(Default)]
struct Parts<'a> {
    lead: Vec<&'a str>,
    from: Option<Vec<Token<'a>>>,
    by: Option<&'a str>,
    /// Comments behind `by`, and where the first clause behind it begins.
    comments: Vec<&'a str>,
    beside_by: Option<&'a str>,
    with: Vec<&'a str>,
    via: Vec<&'a str>,
    sender: Option<&'a str>,
}

impl Hop {
    /// Reads a Received line. A line that could be read in two ways is not readable.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        read(line).unwrap_or_default()
    }
}

fn read(text: &str) -> Option<Hop> {
    let parts = split(&tokens(text)?)?;
    let Some(by) = parts.by else {
        // "(qmail 123 invoked for bounce)": qmail's queue names nobody.
        let [lead] = parts.lead.as_slice() else { return None };
        let qmail = lead.starts_with("qmail ") && lead.contains(" invoked ") && parts.from.is_none();
        return qmail.then(|| Hop { readable: true, link: Link::Qmail, ..Hop::default() });
    };
    let name = by.trim_end_matches([',', '.']);
    if name.is_empty() || name.contains(['<', '>', '"', '\\', '=']) {
        return None;
    }
    let with = parts.with.first().copied();
    let link = link_of(&parts, with);
    let peer = match &parts.from {
        Some(pieces) => peer::read(pieces, writer(&parts, name, with, link))?,
        None => Peer::default(),
    };
    let (by_name, by_ip) = parts.beside_by.map_or((None, None), beside);
    Some(Hop {
        readable: true,
        by: Some(name.to_owned()),
        by_name,
        by_ip,
        with: with.map(str::to_owned),
        link: if peer.local { Link::Local } else { link },
        envelope_from: envelope(&parts, peer.envelope).ok()?,
        from: peer.word,
        helo: peer.helo,
        ptr: peer.ptr,
        ip: peer.ip,
    })
}

/// Sorts the pieces of a line into its clauses; `None` where one stands there twice that must not.
#[expect(clippy::match_same_arms, reason = "the arms are tried in order")]
fn split<'a>(tokens: &[Token<'a>]) -> Option<Parts<'a>> {
    let mut parts = Parts::default();
    let mut clause = Clause::Start;
    let mut withs = 0_u8;
    let mut by_uid = false;
    for (at, token) in tokens.iter().enumerate() {
        let keyword = match token {
            Token::Word(word) => word.to_ascii_lowercase(),
            _ => String::new(),
        };
        clause = match (clause, *token, keyword.as_str()) {
            (Clause::Start, Token::Comment(text), _) => {
                parts.lead.push(text);
                Clause::Start
            }
            (Clause::Start, _, "from") => {
                parts.from = Some(Vec::new());
                Clause::From
            }
            // A HELO that is one of the keywords: the first word, with the client's comment behind it.
            (Clause::From, piece @ Token::Word(_), "from" | "by" | "with" | "via" | "id" | "for")
                if parts.from.as_ref().is_some_and(Vec::is_empty)
                    && matches!(tokens.get(at + 1), Some(Token::Comment(_))) =>
            {
                parts.from.as_mut()?.push(piece);
                Clause::From
            }
            (Clause::Start | Clause::From, _, "by") => Clause::By,
            (Clause::Start, ..) => return None,
            (Clause::From, _, "from" | "with" | "via" | "id" | "for") => return None,
            (Clause::From, piece, _) => {
                parts.from.as_mut()?.push(piece);
                Clause::From
            }
            // qmail-scanner: "by HOST by uid 89".
            (Clause::By, ..)
                if keyword == "by"
                    && parts.by.is_some()
                    && tokens.get(at + 1) == Some(&Token::Word("uid"))
                    && !by_uid =>
            {
                by_uid = true;
                Clause::Other
            }
            (_, _, "by") => return None,
            (Clause::By, Token::Word(_), "from" | "with" | "via" | "id" | "for") if parts.by.is_none() => return None,
            (Clause::By, Token::Word(word), _) if parts.by.is_none() => {
                parts.by = Some(word);
                Clause::By
            }
            (Clause::By, _, _) if parts.by.is_none() => return None,
            (Clause::Sender, Token::Angle(sender), _) => {
                if parts.sender.is_some_and(|s| s != sender) {
                    return None;
                }
                parts.sender = Some(sender);
                Clause::Other
            }
            (Clause::Sender, ..) => return None,
            // XMail: "from <sender>" behind the rest. Haraka: "envelope-from <sender>".
            (_, _, "from" | "envelope-from") => Clause::Sender,
            (_, _, "with") => {
                withs = withs.saturating_add(1);
                // Mimecast: "with ESMTP with STARTTLS".
                if withs == 1 { Clause::With } else { Clause::Other }
            }
            (_, _, "via") => Clause::Via,
            (_, _, "id" | "for") => Clause::Other,
            (clause, Token::Comment(text), _) => {
                if clause == Clause::By && parts.comments.is_empty() {
                    parts.beside_by = Some(text);
                }
                parts.comments.push(text);
                // Exim writes MAIL FROM into a comment behind this one.
                if clause == Clause::With && !parts.with.is_empty() { Clause::Other } else { clause }
            }
            (Clause::With, Token::Word(word), _) => {
                parts.with.push(word);
                Clause::With
            }
            (Clause::Via, Token::Word(word), _) => {
                parts.via.push(word);
                Clause::Via
            }
            (clause, ..) => clause,
        };
    }
    // A from part that never ends, or a by without a name.
    (!matches!(clause, Clause::From | Clause::Sender) && (clause != Clause::By || parts.by.is_some())).then_some(parts)
}

fn link_of(parts: &Parts<'_>, with: Option<&str>) -> Link {
    // The first word only ("with AES256-SHA encrypted SMTP": qmail-ldap): the others may have come out of a MAIL FROM.
    let protocol = with.or_else(|| parts.via.first().copied()).unwrap_or_default().to_ascii_lowercase();
    let protocol = protocol.strip_prefix("utf8").unwrap_or(&protocol);
    let begins = |words: &[&str]| words.iter().any(|w| protocol.starts_with(w));
    if begins(&["lmtp", "local", "stdio", "spam-scanned", "scanned-ok", "spamassassin", "qmail-scanner"]) {
        Link::Local
    } else if begins(&["http"]) {
        Link::Store
    } else if begins(&["mapi"]) {
        Link::Submitted
    } else if begins(&["pop3", "imap", "apop"]) {
        Link::Pull
    } else if parts.from.is_some() {
        Link::Smtp
    } else if with.is_some() || parts.lead.iter().any(|l| !l.starts_with("from ")) {
        Link::Nameless
    } else {
        // "by HOST (Postfix, from userid 0)", "(from root@localhost) by HOST (8.15.2/8.15.2/Submit)".
        Link::Local
    }
}

fn writer(parts: &Parts<'_>, by: &str, with: Option<&str>, link: Link) -> Writer {
    let exim = parts.comments.iter().any(|c| c.starts_with("Exim "))
        || with.is_some_and(|w| {
            let w = w.strip_prefix("utf8").unwrap_or(w);
            w.strip_prefix('e').or_else(|| w.strip_prefix('a')).unwrap_or(w).starts_with("smtp")
        });
    let cloud = with.is_none() && by.to_ascii_lowercase().ends_with(".messagelabs.com");
    let imail = parts.comments.iter().any(|c| c.starts_with("SMTPD"));
    Writer {
        literal_is_tcp: (exim || cloud) && link == Link::Smtp,
        bracket_is_tcp: imail || link == Link::Pull,
        protocol: with.is_some(),
    }
}

/// `(mx.example.com [192.0.2.1])`, `(192.0.2.1)`, `([fe80::1%3])` behind `by`; other comments name the software.
fn beside(text: &str) -> (Option<String>, Option<IpAddr>) {
    let text = text.trim();
    match text.split_once('[') {
        Some((name, rest)) => {
            let name = Some(name.trim()).filter(|n| !n.is_empty() && !n.contains(char::is_whitespace));
            (name.map(str::to_owned), rest.strip_suffix(']').and_then(peer::address))
        }
        None => (None, peer::address(text)),
    }
}

/// The one envelope sender of a line; an error where two of them differ.
fn envelope(parts: &Parts<'_>, in_front: Option<String>) -> Result<Option<String>, ()> {
    let mut found = in_front.or_else(|| parts.sender.map(|s| format!("<{s}>")));
    for text in parts.comments.iter().map(|c| c.trim()) {
        let Some((head, rest)) = text.split_once(|c: char| c.is_ascii_whitespace()) else { continue };
        if head != "envelope-from" && head != "envelope-sender" {
            continue;
        }
        let sender = rest.trim();
        // "(envelope-from <x@example.org>, uid 89)": qmail-scanner.
        let end = if sender.starts_with('<') {
            sender.rfind('>').map(|at| at + 1)
        } else {
            sender.find(|c: char| c.is_ascii_whitespace() || c == ',')
        };
        let sender = sender.get(..end.unwrap_or(sender.len())).ok_or(())?;
        if sender.is_empty() {
            continue;
        }
        if found.as_deref().is_some_and(|f| f != sender) {
            return Err(());
        }
        found = Some(sender.to_owned());
    }
    Ok(found)
}
