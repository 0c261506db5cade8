//! The evaluation of records (RFC 7208 sections 4 and 5).
//!
//! A check is a walk over at most [`Limits::lookups`] terms that need DNS: each include and each
//! redirect is one of them, so that depth and work are bounded by the same count.

use super::macros::{self, Place, Values};
use super::record::{self, Directive, Mechanism, Prefix, Record};
use super::{Identity, Limits, Query, SpfOutcome, SpfResult};
use crate::auth::dns::{self, Answer, Code, RecordType, Resolver};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;

/// Octets of the longest sender that is looked at. RFC 5321 section 4.5.3.1 allows 320.
const MAX_SENDER: usize = 1024;
/// Octets of the longest HELO name that is looked at, and of the longest term that is reported.
const MAX_NAME: usize = 255;

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    None(String),
    Temp(String),
    Perm(String),
}

/// The verdict of one record.
struct Verdict {
    result: SpfResult,
    mechanism: Option<String>,
    /// The domain of the record that said `fail`, and its `exp=`.
    explain: Option<(String, String)>,
}

type Evaluation<'b> = Pin<Box<dyn Future<Output = Result<Verdict, Stop>> + Send + 'b>>;

/// Checks whether `query.client_ip` may send for the domain of MAIL FROM, or for the HELO name when
/// MAIL FROM is null.
pub async fn check_host(resolver: &dyn Resolver, limits: &Limits, query: &Query<'_>) -> SpfOutcome {
    let sender = Sender::of(query);
    let mut outcome = SpfOutcome {
        result: SpfResult::None,
        domain: shown(sender.domain).to_ascii_lowercase(),
        identity: sender.identity,
        mechanism: None,
        explanation: None,
        problem: None,
    };
    if let Err(reason) = sender.is_checkable() {
        outcome.problem = Some(reason.to_owned());
        return outcome;
    }
    let mut check = Check {
        resolver,
        limits,
        sender: &sender,
        // A name longer than any name can be is no name; macros must not multiply it.
        helo: if query.helo.len() > MAX_NAME { "" } else { query.helo },
        receiver: if query.receiver.len() > MAX_NAME { "" } else { query.receiver },
        now: query.now,
        ip: query.client_ip.to_canonical(),
        lookups: 0,
        voids: 0,
        client: None,
    };
    match check.evaluate(sender.domain.to_owned(), outcome.domain.clone()).await {
        Ok(verdict) => {
            outcome.result = verdict.result;
            outcome.mechanism = verdict.mechanism;
            if let Some((domain, exp)) = verdict.explain {
                outcome.explanation = check.explanation(&domain, &exp).await;
            }
        }
        Err(stop) => {
            let (result, problem) = match stop {
                Stop::None(problem) => (SpfResult::None, problem),
                Stop::Temp(problem) => (SpfResult::TempError, problem),
                Stop::Perm(problem) => (SpfResult::PermError, problem),
            };
            outcome.result = result;
            outcome.problem = Some(problem);
        }
    }
    outcome
}

/// `<sender>` and its parts (sections 2.4 and 4.3).
struct Sender<'a> {
    identity: Identity,
    text: Cow<'a, str>,
    local_part: &'a str,
    domain: &'a str,
}

impl<'a> Sender<'a> {
    fn of(query: &Query<'a>) -> Self {
        let (identity, text) = match query.mail_from {
            "" => (Identity::Helo, query.helo),
            address => (Identity::MailFrom, address),
        };
        let split = if identity == Identity::Helo { None } else { text.rsplit_once('@') };
        let (local_part, domain) = split.unwrap_or(("", text));
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        if local_part.is_empty() && text.len() <= MAX_SENDER {
            let text = Cow::Owned(format!("postmaster@{domain}"));
            return Self { identity, text, local_part: "postmaster", domain };
        }
        Self { identity, text: Cow::Borrowed(text), local_part, domain }
    }

    /// Whether there is a domain to ask about (section 4.3): several labels of letters, digits,
    /// hyphens and underscores, and no address.
    fn is_checkable(&self) -> Result<(), &'static str> {
        let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if self.text.len() > MAX_SENDER {
            return Err("the sender is too long for an address");
        }
        if !self.domain.is_ascii() {
            return Err("the domain is not ASCII: it must be given as A-labels");
        }
        let Some((_, top)) = self.domain.rsplit_once('.') else {
            return Err("there is no domain of several labels to check");
        };
        if !macros::is_dns_name(self.domain)
            || !self.domain.bytes().all(host)
            || top.bytes().all(|b| b.is_ascii_digit())
        {
            return Err("the domain to check is no domain name");
        }
        Ok(())
    }
}

/// The names that the client's address has.
struct ClientNames {
    names: Vec<ClientName>,
    /// DNS answered that there are none.
    void: bool,
}

/// A name, and whether it has the client's address as well, once that is known.
struct ClientName {
    name: String,
    valid: Option<bool>,
}

/// A check under way; the counts run over all records (section 4.6.4).
struct Check<'a> {
    resolver: &'a dyn Resolver,
    limits: &'a Limits,
    sender: &'a Sender<'a>,
    helo: &'a str,
    receiver: &'a str,
    now: i64,
    ip: IpAddr,
    lookups: usize,
    voids: usize,
    /// Asked once a check: the answer is the same for every `ptr` and every `%{p}`.
    client: Option<ClientNames>,
}

impl Check<'_> {
    /// `check_host` for one domain, following its redirects. `place` is the domain as reports name
    /// it. Boxed, since an include comes back here.
    fn evaluate(&mut self, mut domain: String, mut place: String) -> Evaluation<'_> {
        Box::pin(async move {
            let mut redirected = false;
            loop {
                let answer = self.resolver.lookup(&domain, RecordType::Txt).await;
                let record = match select(&answer, &place) {
                    // No record where a record sends us is that record's error (section 6.1).
                    Err(Stop::None(why)) if redirected => return Err(Stop::Perm(why)),
                    other => other?,
                };
                for directive in &record.directives {
                    if self.matches(directive, &domain).await? {
                        return Ok(verdict(directive, &record, &domain));
                    }
                }
                let Some(spec) = record.redirect else {
                    return Ok(Verdict { result: SpfResult::Neutral, mechanism: None, explain: None });
                };
                self.count_lookup()?;
                let next = self.target(Some(spec), &domain).await.filter(|name| name.contains('.'));
                place = shown(spec);
                domain = match next {
                    Some(next) => next.into_owned(),
                    None => return Err(Stop::Perm(format!("redirect={place}: no domain name comes of it"))),
                };
                redirected = true;
            }
        })
    }

    /// Whether a mechanism matches the client (section 5).
    async fn matches(&mut self, directive: &Directive<'_>, domain: &str) -> Result<bool, Stop> {
        match directive.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, prefix) => Ok(matches!(self.ip, IpAddr::V4(ip) if in_v4(ip, network, prefix))),
            Mechanism::Ip6(network, prefix) => Ok(matches!(self.ip, IpAddr::V6(ip) if in_v6(ip, network, prefix))),
            Mechanism::Include(spec) => self.include(directive, spec, domain).await,
            Mechanism::A(spec, prefix) => self.a(directive, spec, prefix, domain).await,
            Mechanism::Mx(spec, prefix) => self.mx(directive, spec, prefix, domain).await,
            Mechanism::Ptr(spec) => self.ptr(spec, domain).await,
            Mechanism::Exists(spec) => self.exists(directive, spec, domain).await,
        }
    }

    /// Section 5.2, with its table of what the inner result means.
    async fn include(&mut self, directive: &Directive<'_>, spec: &str, domain: &str) -> Result<bool, Stop> {
        self.count_lookup()?;
        let target = self.target(Some(spec), domain).await.filter(|name| name.contains('.'));
        let Some(target) = target else {
            // RFC 8616 section 4.
            if !self.sender.local_part.is_ascii() && macros::scan(spec, Place::Term).is_ok_and(|s| s.names_sender) {
                return Ok(false);
            }
            return Err(Stop::Perm(format!("{}: no domain name comes of it", shown(directive.text))));
        };
        match self.evaluate(target.into_owned(), shown(spec)).await {
            Ok(verdict) => Ok(verdict.result == SpfResult::Pass),
            Err(Stop::None(why) | Stop::Perm(why)) => Err(Stop::Perm(within(directive, &why))),
            Err(Stop::Temp(why)) => Err(Stop::Temp(within(directive, &why))),
        }
    }

    /// Section 5.3.
    async fn a(
        &mut self,
        directive: &Directive<'_>,
        spec: Option<&str>,
        prefix: Prefix,
        domain: &str,
    ) -> Result<bool, Stop> {
        self.count_lookup()?;
        let Some(target) = self.target(spec, domain).await else { return Ok(false) };
        let answer = self.addresses(&target).await;
        self.settle(&answer, directive)?;
        Ok(self.is_among(&answer, prefix))
    }

    /// Section 5.4. A domain without MX has none: its own address does not stand in.
    async fn mx(
        &mut self,
        directive: &Directive<'_>,
        spec: Option<&str>,
        prefix: Prefix,
        domain: &str,
    ) -> Result<bool, Stop> {
        self.count_lookup()?;
        let Some(target) = self.target(spec, domain).await else { return Ok(false) };
        let answer = self.resolver.lookup(&target, RecordType::Mx).await;
        self.settle(&answer, directive)?;
        let mut hosts: Vec<(u16, &str)> = answer.records.iter().filter_map(mail_host).collect();
        if hosts.len() > self.limits.mx {
            let limit = self.limits.mx;
            return Err(Stop::Perm(format!("{}: more than {limit} mail hosts", shown(directive.text))));
        }
        hosts.sort_by_key(|(preference, _)| *preference);
        let mut found = hosts.is_empty();
        for (_, host) in hosts {
            // The empty name is the null MX (RFC 7505).
            let Some(host) = host.strip_suffix('.').or(Some(host)).filter(|host| macros::is_dns_name(host)) else {
                found = true;
                continue;
            };
            let answer = self.addresses(host).await;
            if answer.is_temporary() {
                return Err(unanswered(directive));
            }
            if self.is_among(&answer, prefix) {
                return Ok(true);
            }
            found |= !is_void(&answer);
        }
        if !found {
            self.count_void()?;
        }
        Ok(false)
    }

    /// Section 5.5. DNS errors are no match here: they are of the client's making.
    async fn ptr(&mut self, spec: Option<&str>, domain: &str) -> Result<bool, Stop> {
        self.count_lookup()?;
        let Some(target) = self.target(spec, domain).await else { return Ok(false) };
        let mut client = self.client_names().await;
        if client.void {
            self.count_void()?;
        }
        let found = self.validated(&mut client, |name| is_under(name, &target)).await.is_some();
        self.client = Some(client);
        Ok(found)
    }

    /// Section 5.7: asks for A whatever the client's family is.
    async fn exists(&mut self, directive: &Directive<'_>, spec: &str, domain: &str) -> Result<bool, Stop> {
        self.count_lookup()?;
        let Some(target) = self.target(Some(spec), domain).await else { return Ok(false) };
        let answer = self.resolver.lookup(&target, RecordType::A).await;
        self.settle(&answer, directive)?;
        Ok(answer.records.iter().any(|record| matches!(record, dns::Record::A(_))))
    }

    /// `exp=` (section 6.2): whatever goes wrong, there is no explanation, and nothing is counted.
    async fn explanation(&mut self, domain: &str, exp: &str) -> Option<String> {
        if self.limits.explanation == 0 {
            return None;
        }
        let target = self.target(Some(exp), domain).await?;
        let answer = self.resolver.lookup(&target, RecordType::Txt).await;
        let mut texts = answer.txt();
        let (Code::NoError, Some(text), None) = (answer.code, texts.next(), texts.next()) else { return None };
        let text = std::str::from_utf8(text).ok()?;
        let scan = macros::scan(text, Place::Explanation).ok()?;
        let name = self.name_for(scan.names_client, domain).await;
        macros::expand_text(text, &self.values(domain, &name), self.limits.explanation)
    }

    /// The `<target-name>` of a term (section 4.8); `None` when nobody can be asked for it.
    async fn target<'s>(&mut self, spec: Option<&'s str>, domain: &'s str) -> Option<Cow<'s, str>> {
        let Some(spec) = spec else { return Some(Cow::Borrowed(domain)) };
        let names_client = macros::scan(spec, Place::Term).is_ok_and(|scan| scan.names_client);
        let name = self.name_for(names_client, domain).await;
        macros::expand_name(spec, &self.values(domain, &name))
    }

    fn values<'v>(&'v self, domain: &'v str, validated_name: &'v str) -> Values<'v> {
        Values {
            sender: &self.sender.text,
            local_part: self.sender.local_part,
            sender_domain: self.sender.domain,
            domain,
            ip: self.ip,
            validated_name,
            helo: self.helo,
            receiver: self.receiver,
            now: self.now,
        }
    }

    /// The value of `%{p}` (section 7.3): the domain itself, else a name below it, else any.
    async fn name_for(&mut self, needed: bool, domain: &str) -> Cow<'static, str> {
        let mut found = None;
        if needed {
            let mut client = self.client_names().await;
            found = self.validated(&mut client, |name| name.eq_ignore_ascii_case(domain)).await;
            if found.is_none() {
                found = self.validated(&mut client, |name| is_under(name, domain)).await;
            }
            if found.is_none() {
                found = self.validated(&mut client, |_| true).await;
            }
            self.client = Some(client);
        }
        found.map_or(Cow::Borrowed("unknown"), Cow::Owned)
    }

    /// Takes out the names of the client's address, asking for them when nobody has; to be put back.
    async fn client_names(&mut self) -> ClientNames {
        if let Some(known) = self.client.take() {
            return known;
        }
        let answer = self.resolver.lookup(&macros::reverse_name(self.ip), RecordType::Ptr).await;
        let names = answer.records.iter().filter_map(|record| match record {
            dns::Record::Ptr(name) => Some(name.strip_suffix('.').unwrap_or(name)),
            _ => None,
        });
        let names = names.take(self.limits.ptr).filter(|name| macros::is_dns_name(name));
        let names = names.map(|name| ClientName { name: name.to_owned(), valid: None }).collect();
        ClientNames { names, void: is_void(&answer) }
    }

    /// The first of the client's names that is `wanted` and has the client's address. A name is
    /// asked for only when it is wanted, and once.
    async fn validated(&self, client: &mut ClientNames, wanted: impl Fn(&str) -> bool + Send) -> Option<String> {
        for candidate in client.names.iter_mut().filter(|candidate| wanted(&candidate.name)) {
            let valid = if let Some(valid) = candidate.valid {
                valid
            } else {
                let answer = self.addresses(&candidate.name).await;
                self.is_among(&answer, Prefix::HOST)
            };
            candidate.valid = Some(valid);
            if valid {
                return Some(candidate.name.clone());
            }
        }
        None
    }

    /// The addresses of `name` in the client's family (section 5).
    async fn addresses(&self, name: &str) -> Arc<Answer> {
        let rtype = if self.ip.is_ipv4() { RecordType::A } else { RecordType::Aaaa };
        self.resolver.lookup(name, rtype).await
    }

    fn is_among(&self, answer: &Answer, prefix: Prefix) -> bool {
        answer.records.iter().any(|record| match (record, self.ip) {
            (dns::Record::A(network), IpAddr::V4(ip)) => in_v4(ip, *network, prefix.v4),
            (dns::Record::Aaaa(network), IpAddr::V6(ip)) => in_v6(ip, *network, prefix.v6),
            _ => false,
        })
    }

    /// What a term's own answer means for the whole check: an error, a void lookup, or nothing.
    fn settle(&mut self, answer: &Answer, directive: &Directive<'_>) -> Result<(), Stop> {
        if answer.is_temporary() {
            return Err(unanswered(directive));
        }
        if is_void(answer) { self.count_void() } else { Ok(()) }
    }

    fn count_lookup(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        let limit = self.limits.lookups;
        if self.lookups > limit { Err(Stop::Perm(format!("more than {limit} terms that need DNS"))) } else { Ok(()) }
    }

    fn count_void(&mut self) -> Result<(), Stop> {
        self.voids += 1;
        let limit = self.limits.void_lookups;
        if self.voids > limit { Err(Stop::Perm(format!("more than {limit} terms that find nothing"))) } else { Ok(()) }
    }
}

/// The record among the TXT records of a domain (sections 4.4 and 4.5), read as a whole.
fn select<'a>(answer: &'a Answer, place: &str) -> Result<Record<'a>, Stop> {
    if answer.is_temporary() {
        return Err(Stop::Temp(format!("no answer from DNS for the record of {place}")));
    }
    let mut records = answer.txt().filter_map(record::after_version);
    let Some(terms) = records.next() else {
        return Err(Stop::None(format!("no SPF record at {place}")));
    };
    if records.next().is_some() {
        return Err(Stop::Perm(format!("several SPF records at {place}")));
    }
    Record::parse(terms).map_err(|e| {
        let term = if e.term.is_empty() { String::new() } else { format!(", {}", shown(e.term)) };
        Stop::Perm(format!("record of {place}{term}: {}", e.error))
    })
}

fn verdict(directive: &Directive<'_>, record: &Record<'_>, domain: &str) -> Verdict {
    let exp = record.exp.filter(|_| directive.verdict == SpfResult::Fail);
    Verdict {
        result: directive.verdict,
        mechanism: Some(shown(directive.text)),
        explain: exp.map(|exp| (domain.to_owned(), exp.to_owned())),
    }
}

fn mail_host(record: &dns::Record) -> Option<(u16, &str)> {
    match record {
        dns::Record::Mx { preference, exchange } => Some((*preference, exchange)),
        _ => None,
    }
}

fn unanswered(directive: &Directive<'_>) -> Stop {
    Stop::Temp(format!("{}: no answer from DNS", shown(directive.text)))
}

/// A problem inside an included record. Of a chain of includes, the outermost and the problem stay.
fn within(directive: &Directive<'_>, why: &str) -> String {
    let why = why.rsplit_once(" > ").map_or(why, |(_, innermost)| innermost);
    format!("{} > {why}", shown(directive.text))
}

/// A name that cannot be asked for was not looked up.
fn is_void(answer: &Answer) -> bool {
    answer.is_void() && answer.code != Code::BadName
}

/// Whether `name` is `domain` or below it.
fn is_under(name: &str, domain: &str) -> bool {
    let Some(start) = name.len().checked_sub(domain.len()) else { return false };
    let (above, end) = name.as_bytes().split_at_checked(start).unwrap_or_default();
    end.eq_ignore_ascii_case(domain.as_bytes()) && matches!(above.last(), None | Some(b'.'))
}

fn in_v4(ip: Ipv4Addr, network: Ipv4Addr, prefix: u8) -> bool {
    let shift = 32_u32.saturating_sub(u32::from(prefix));
    (ip.to_bits() ^ network.to_bits()).checked_shr(shift).unwrap_or(0) == 0
}

fn in_v6(ip: Ipv6Addr, network: Ipv6Addr, prefix: u8) -> bool {
    let shift = 128_u32.saturating_sub(u32::from(prefix));
    (ip.to_bits() ^ network.to_bits()).checked_shr(shift).unwrap_or(0) == 0
}

/// A stranger's text for a report: visible ASCII, cut.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).take(MAX_NAME).collect()
}
