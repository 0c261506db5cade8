//! Who connected: what stands between `from` and `by` in a Received line.
//!
//! The address that TCP knew stands in one place only, and that place differs from server to server.
//! HELO and the reverse name stand around it, and both are the client's to choose.

use super::tokens::Token;
use std::net::IpAddr;

/// The client of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Peer {
    /// The word behind `from`, or the words.
    pub word: Option<String>,
    pub helo: Option<String>,
    /// The reverse name.
    pub ptr: Option<String>,
    /// The address that TCP knew.
    pub ip: Option<IpAddr>,
    /// Not over the network: a socket in the file system, a pickup folder.
    pub local: bool,
    /// qmail-ldap's `(envelope-sender <…>)`.
    pub envelope: Option<String>,
}

/// What the rest of the line says of the server that wrote it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Writer {
    /// Exim writes a client without a reverse name as `from [192.0.2.1]`; so does Symantec's cloud.
    pub literal_is_tcp: bool,
    /// fetchmail and `IMail` write `from name [192.0.2.1]`.
    pub bracket_is_tcp: bool,
    /// It says by which protocol the mail came.
    pub protocol: bool,
}

/// One comment of the from part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind<'a> {
    /// `(HELO x)`, `(EHLO x)`: qmail, `CommuniGate`, James.
    Helo(&'a str),
    /// `(ptr [ip])`, `([ip]:port helo=x)`, `(ip)`, `(ident@ip)`.
    Peer { ptr: Option<&'a str>, ip: Option<IpAddr>, helo: Option<&'a str>, params: bool },
    /// `([unix socket])` of Cyrus, `(host [local])` of `OpenSMTPD`.
    Socket,
    /// `(helo=x)`, `(port=25 helo=x)`: Exim behind `from [ip]`.
    Params(Option<&'a str>),
    /// `(localhost)`: one word, and a name only.
    Name(&'a str),
    /// `(envelope-sender <x>)`.
    Envelope(&'a str),
    /// TLS, authentication and the like.
    Note,
}

/// Reads the pieces between `from` and `by`; `None` where the client cannot be told for certain.
pub(super) fn read(pieces: &[Token<'_>], writer: Writer) -> Option<Peer> {
    let mut words = Vec::new();
    let mut comments = Vec::new();
    for piece in pieces {
        match *piece {
            // Words stand in front; one behind a comment came out of a HELO.
            Token::Word(word) if comments.is_empty() && words.len() < 6 => words.push(word),
            Token::Comment(text) => comments.push(text),
            Token::Word(_) | Token::Angle(_) => return None,
        }
    }
    let mut peer = Peer::default();
    let (first, bracketed) = names(&words, &mut peer)?;
    // A HELO may have the words of a local hand-over; then the client's comment stands behind them.
    peer.local &= comments.is_empty();
    let mut found = None;
    let mut helo = None;
    let mut params = false;
    let mut anonymous = false;
    for (at, text) in comments.into_iter().enumerate() {
        match kind(text, at > 0)? {
            Kind::Helo(name) if at == 0 => helo = Some(name),
            Kind::Params(name) if at == 0 => {
                params = true;
                helo = name.or(helo);
            }
            // Behind "(HELO x)" stands qmail's "(ip)"; anywhere else a second address is one too many.
            Kind::Peer { ptr, ip, helo: name, params: named } if at == 0 || (at == 1 && helo.is_some() && !params) => {
                found = Some(ip);
                peer.ptr = ptr.map(str::to_owned);
                params |= named;
                helo = name.or(helo);
            }
            Kind::Socket if at == 0 => peer.local = true,
            Kind::Name(name) if at == 0 => {
                anonymous = true;
                // Sendmail's own notices: nobody connected, so there is neither address nor protocol.
                peer.local = name == "localhost" && first == Some("localhost") && !writer.protocol;
            }
            // Exim's ident and helo= could bring one in; the servers that write this have neither.
            Kind::Envelope(sender) if at > 0 && !params && peer.envelope.is_none() => {
                peer.envelope = Some(sender.to_owned());
            }
            Kind::Note if at == 0 => anonymous = true,
            Kind::Note | Kind::Name(_) if at > 0 => {}
            _ => return None,
        }
    }
    let in_front = helo.is_some() || params;
    peer.ip = match found {
        Some(ip) => ip,
        None if peer.local => None,
        None if in_front => {
            first.and_then(|w| literal(w).or_else(|| address(w))).or_else(|| bracketed.and_then(literal))
        }
        None if anonymous => None,
        None => first
            .filter(|_| writer.literal_is_tcp)
            .and_then(literal)
            .or_else(|| bracketed.filter(|_| writer.bracket_is_tcp).and_then(literal)),
    };
    match helo {
        Some(name) => {
            // The word in front is then the reverse name, where it is a name.
            let named = |w: &&str| literal(w).is_none() && address(w).is_none() && !is_unknown(w);
            peer.ptr = peer.ptr.or_else(|| first.filter(named).map(|w| w.trim_end_matches('.').to_owned()));
            peer.helo = Some(name.to_owned());
        }
        None => peer.helo.clone_from(&peer.word),
    }
    Some(peer)
}

/// Takes the words in front of the comments: the name, and the address in brackets that fetchmail and
/// a few others write behind it.
fn names<'a>(words: &[&'a str], peer: &mut Peer) -> Option<(Option<&'a str>, Option<&'a str>)> {
    let mut plain = words;
    let mut bracketed = None;
    if let [_, .., last] = words
        && literal(last).is_some()
    {
        plain = words.get(..words.len() - 1)?;
        bracketed = Some(*last);
    }
    match plain {
        [] => return Some((None, None)),
        [one] if !one.contains(['<', '>', '"', '\\']) => {}
        [_] => return None,
        // IIS takes mail from a folder so.
        ["mail", "pickup", "service"] => peer.local = true,
        many if bracketed.is_none() && many.iter().all(|w| is_plain(w)) => {}
        _ => return None,
    }
    peer.word = Some(plain.join(" "));
    Some((plain.first().copied().filter(|_| plain.len() == 1), bracketed))
}

/// What a comment says; `None` where it may be more than one thing.
fn kind(comment: &str, later: bool) -> Option<Kind<'_>> {
    let text = comment.trim();
    let (head, rest) = text.split_once([' ', '\t', '\r', '\n']).map_or((text, ""), |(h, r)| (h, r.trim()));
    // Zimbra's store is greeted with LHLO (RFC 2033 section 4.1).
    if ["helo", "ehlo", "lhlo"].iter().any(|verb| head.eq_ignore_ascii_case(verb)) {
        return (is_name(rest) || rest.is_empty()).then_some(Kind::Helo(rest));
    }
    if head == "account" {
        // CommuniGate: "(account user HELO name)".
        return match rest.split_once(" HELO ") {
            Some((_, name)) => is_name(name).then_some(Kind::Helo(name)),
            None => Some(Kind::Note),
        };
    }
    if head == "envelope-sender" || head == "envelope-from" {
        return (head == "envelope-sender" && !rest.is_empty()).then_some(Kind::Envelope(rest));
    }
    // A client's certificate is the client's to write, so nothing in here counts.
    if later && text.starts_with("Client CN \"") {
        return Some(Kind::Note);
    }
    if is_param(head) {
        return params(text).ok().map(Kind::Params);
    }
    if text.contains('[') {
        return bracketed(text);
    }
    if rest.is_empty() {
        // "(192.0.2.1)" of Exchange, "(ident@192.0.2.1)" of qmail.
        let last = text.rsplit_once('@').map_or(text, |(_, address)| address);
        return Some(match address(last) {
            Some(ip) => Kind::Peer { ptr: None, ip: Some(ip), helo: None, params: false },
            None if text.contains('(') => Kind::Note,
            None => Kind::Name(text),
        });
    }
    let loose = text.split(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | ')' | ','));
    (!loose.filter(|w| !w.is_empty()).any(|w| address(w).is_some())).then_some(Kind::Note)
}

/// `ptr [ip]`, `[ip]:port helo=x ident=y`, `ptr [ip] (may be forged)`.
fn bracketed(text: &str) -> Option<Kind<'_>> {
    let (before, rest) = text.split_once('[')?;
    let (inside, after) = rest.split_once(']')?;
    if inside.contains('[') {
        return None;
    }
    let before = before.trim();
    // OpenSMTPD writes "<unknown>".
    let mut names = before.split_ascii_whitespace().filter(|w| *w != "<unknown>");
    if names.clone().count() > 3 || !names.clone().all(is_plain) {
        return None;
    }
    let ptr = names.next();
    let more = names.next().is_some();
    // Sendmail puts the answer of an ident server in front: "user@name".
    let ptr = ptr.filter(|_| !more).map(|p| p.rsplit_once('@').map_or(p, |(_, name)| name).trim_end_matches('.'));
    let ptr = ptr.filter(|p| !is_unknown(p) && !p.is_empty());
    if matches!(inside, "unix socket" | "local") || inside.starts_with("unix:") {
        return after.trim().is_empty().then_some(Kind::Socket);
    }
    let after = after.strip_prefix(':').map_or(after, |port| port.trim_start_matches(|c: char| c.is_ascii_digit()));
    let after = match after.split_once('(') {
        // "(may be forged)": words only.
        Some((front, note)) => {
            let note = note.trim_end().strip_suffix(')')?;
            if !note.split_ascii_whitespace().all(is_plain) {
                return None;
            }
            front
        }
        None => after,
    };
    let ip = address(inside);
    // ZMailer: `[ip]:port "EHLO name"`. InterMail writes the address twice.
    let after = after.trim();
    let verb =
        after.strip_prefix("\"EHLO ").or_else(|| after.strip_prefix("\"HELO ")).and_then(|n| n.strip_suffix('"'));
    if let Some(name) = verb {
        return is_name(name).then_some(Kind::Peer { ptr, ip, helo: Some(name), params: true });
    }
    let after = if ip.is_some() && literal(after) == ip { "" } else { after };
    let helo = params(after).ok()?;
    let has_params = after.split_ascii_whitespace().any(is_param);
    Some(Kind::Peer { ptr, ip, helo, params: has_params })
}

/// Exim's `helo=x ident=y port=z` among plain words such as `verified`; an error where anything else stands there.
fn params(text: &str) -> Result<Option<&str>, ()> {
    let mut helo = None;
    for word in text.split_ascii_whitespace() {
        match word.split_once('=') {
            Some(("helo", name)) if helo.is_none() && is_name(name) => helo = Some(name),
            Some(("ident" | "port", value)) if is_plain(value) => {}
            None if is_plain(word) && address(word).is_none() => {}
            _ => return Err(()),
        }
    }
    Ok(helo)
}

fn is_param(word: &str) -> bool {
    ["helo=", "port=", "ident="].iter().any(|p| word.starts_with(p))
}

/// A HELO that holds nothing but itself: one word, or an address literal.
fn is_name(text: &str) -> bool {
    literal(text).is_some() || (!text.is_empty() && is_plain(text) && !text.contains(char::is_whitespace))
}

fn is_plain(word: &str) -> bool {
    !word.contains(['[', ']', '(', ')', '<', '>', '"', '\\', ';', '=', ','])
}

fn is_unknown(word: &str) -> bool {
    word.eq_ignore_ascii_case("unknown")
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3).
pub(super) fn literal(word: &str) -> Option<IpAddr> {
    address(word.strip_prefix('[')?.strip_suffix(']')?)
}

/// An address; `IPv6:` in front, the zone that Windows adds (`fe80::1%4`) and the port of an IPv4 address are dropped.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => text.get(5..)?,
        _ => text,
    };
    let bare = text.split_once('%').map_or(text, |(ip, _)| ip);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    let (ip, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    ip.parse::<std::net::Ipv4Addr>().ok().map(IpAddr::V4)
}
