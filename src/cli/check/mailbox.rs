//! One mailbox: connection, certificate, login, what lies there.

use super::report::Section;
use super::trust;
use crate::config::{Limits, Mailbox, Retention, Tls};
use crate::pipeline::{Access, Broken};
use crate::plural::count;
use crate::pop3::certificate::Certificate;
use crate::pop3::{Client, Method};
use chrono::{DateTime, Utc};

/// A certificate that ends sooner than this is spoken of.
const SOON_DAYS: i64 = 21;
/// The port of POP3 over TLS (RFC 8314).
const POP3S: u16 = 995;

/// Connects, logs in, lists, and leaves.
pub async fn check(access: &Access, mailbox: &Mailbox, limits: &Limits) -> Section {
    let mut section = Section::new(&format!("mailbox {} at {}:{}", mailbox.name, mailbox.host, mailbox.port()));
    let mut client = match access.connect(mailbox, limits).await {
        Ok(client) => client,
        Err(error) => {
            section.failed(&error.into());
            return section;
        }
    };
    connection(&mut section, mailbox, &client);
    if mailbox.tls == Tls::None {
        let advice = way_out_of_clear_text(access, mailbox, limits, client.capabilities().stls()).await;
        section.note(&advice);
    }
    if let Err(broken) = contents(&mut section, access, mailbox, limits, &mut client).await {
        section.failed(&broken.failure);
        return section;
    }
    // Nothing was fetched or marked, so that QUIT commits nothing.
    client.quit().await;
    section
}

fn connection(section: &mut Section, mailbox: &Mailbox, client: &Client) {
    let Some(tls) = client.tls() else {
        section.fact("connection", "clear text");
        return;
    };
    let stls = if mailbox.tls == Tls::Starttls { " after STLS" } else { "" };
    section.fact("connection", &format!("{}{stls}, {}", tls.version, tls.cipher));
    let Some(certificate) = tls.certificate.as_deref().and_then(Certificate::parse) else { return };
    section.fact("certificate", &format!("for {}, issued by {}", certificate.names.join(", "), certificate.issuer));
    let Some(end) = DateTime::<Utc>::from_timestamp(certificate.not_after, 0) else { return };
    let days = (end - Utc::now()).num_days();
    section.fact("", &format!("valid until {} ({})", end.format("%Y-%m-%d"), count(days, "day")));
    if days < SOON_DAYS {
        section.note("the certificate ends soon, and then no mail is fetched: tell who runs the server");
    }
}

async fn contents(
    section: &mut Section,
    access: &Access,
    mailbox: &Mailbox,
    limits: &Limits,
    client: &mut Client,
) -> Result<(), Broken> {
    let announced: Vec<String> = client.capabilities().lines().collect();
    let method = access.login(mailbox, limits, client).await?;
    section.fact("login", &login(method, mailbox));
    let mails = client.list().await?;
    let announced = if client.capabilities().names().next().is_some() {
        client.capabilities().lines().collect()
    } else {
        announced
    };
    section
        .fact("capabilities", &if announced.is_empty() { "none announced".to_owned() } else { announced.join(", ") });
    let octets: u64 = mails.iter().map(|m| m.size).fold(0, u64::saturating_add);
    section.fact("mails", &format!("{}, about {}", mails.len(), bytesize::ByteSize::b(octets).display().si()));
    let without = mails.iter().filter(|m| m.uidl.is_none()).count();
    if without > 0 {
        section.note(&format!(
            "without a unique id: {}, known by the digest and fetched again in every run",
            count(without, "mail")
        ));
    }
    let largest = mails.iter().map(|m| m.size).max().unwrap_or(0);
    if largest > limits.message_size.0 {
        section.note("mails larger than limits.message_size are published as `unclassified` with their headers only");
    }
    if !client.capabilities().pipelining() && !mails.is_empty() {
        section.note("the server does not announce PIPELINING: each mail costs a round trip");
    }
    if let Some(seconds) = client.capabilities().login_delay() {
        section.note(&format!("the server wants {seconds} s between two logins: poll no more often than that"));
    }
    section.fact(
        "retention",
        &match mailbox.retention {
            Retention::Keep => "mails stay".to_owned(),
            Retention::Delete => "mails are deleted once Kafka has acknowledged their events".to_owned(),
            Retention::DeleteAfter(span) => {
                format!("mails are deleted {} after their events were acknowledged", humantime::format_duration(span.0))
            }
        },
    );
    trust::check(section, mailbox, client, &mails).await?;
    Ok(())
}

fn login(method: Method, mailbox: &Mailbox) -> String {
    match (method.reveals(), mailbox.tls) {
        (true, Tls::None) => format!("{method}: the password travels in clear"),
        _ => method.to_string(),
    }
}

/// What a mailbox in clear text could have instead: tried out, but nobody is logged in.
async fn way_out_of_clear_text(access: &Access, mailbox: &Mailbox, limits: &Limits, stls: bool) -> String {
    let clear = "clear text: everything can be read on the way.";
    let mut other = Mailbox { tls: Tls::Implicit, port: Some(POP3S), ..mailbox.clone() };
    match access.connect(&other, limits).await {
        Ok(client) => {
            client.quit().await;
            return format!("{clear} Port {POP3S} of this server works with TLS: remove `tls: none` and `port`");
        }
        Err(error) if error.is_tls() => {
            return format!("{clear} Port {POP3S} of this server speaks TLS, but: {error}");
        }
        Err(_) => {}
    }
    if !stls {
        return format!("{clear} The server offers neither port {POP3S} nor STLS: ask who runs it for one of them");
    }
    other = Mailbox { tls: Tls::Starttls, ..mailbox.clone() };
    match access.connect(&other, limits).await {
        Ok(client) => {
            client.quit().await;
            format!("{clear} The server offers STLS, and it works: set `tls: starttls`")
        }
        Err(error) => format!("{clear} The server offers STLS, but: {error}"),
    }
}
