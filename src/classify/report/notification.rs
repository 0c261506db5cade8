//! Notifications that a sending service mails as JSON: Amazon SES through SNS.

use super::judge::{Fate, Outcome, Report};
use super::sections::Sections;
use crate::classify::{Finding, Hit, OriginalMail, Reader};
use crate::event::{Complaint, ComplaintFormat, DeliveredAction, Verdict};
use crate::message::{Address, Mail};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Recipients taken of one notification.
const MAX_RECIPIENTS: usize = 5_000;

/// Reads a notification; empty where the text holds none.
pub(super) fn find(mail: &Mail<'_>, sections: &Sections<'_>, rules: &Reader<'_>) -> Vec<Finding> {
    let text = sections.notice.trim_start();
    if !text.starts_with('{')
        || !(text.contains("notificationType") || text.contains("eventType") || text.contains("\"Message\""))
    {
        return Vec::new();
    }
    let Some(event) = parse(text) else { return Vec::new() };
    let event = match event.get("Message").and_then(Value::as_str).and_then(parse) {
        Some(inner) => inner,
        None => event,
    };
    let kind =
        event.get("notificationType").or_else(|| event.get("eventType")).and_then(Value::as_str).unwrap_or_default();
    let hit = Hit::in_field("report.ses_notification", "body", None, kind);
    let original = event.get("mail").map(original);
    match kind {
        "Bounce" | "Delivery" | "DeliveryDelay" => {
            let fates = fates(kind, &event);
            let report = Report { hits: vec![hit], confidence: 0.97, original, fates, ..Report::default() };
            report.findings(mail, rules.rules())
        }
        "Complaint" => complaints(&event, &hit, original.as_ref()),
        _ => Vec::new(),
    }
}

/// The first JSON value of a text; lines may have been broken on the way.
fn parse(text: &str) -> Option<Value> {
    let first = |t: &str| serde_json::Deserializer::from_str(t).into_iter::<Value>().next().and_then(Result::ok);
    first(text).or_else(|| {
        let joined: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
        first(&joined)
    })
}

fn fates(kind: &str, event: &Value) -> Vec<Fate> {
    let str_of = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).map(str::to_owned);
    let (outcome, body) = match kind {
        "Delivery" => (Outcome::Done(DeliveredAction::Delivered), event.get("delivery")),
        "DeliveryDelay" => (Outcome::Delayed, event.get("deliveryDelay")),
        _ => (Outcome::Failed, event.get("bounce")),
    };
    let Some(body) = body else { return Vec::new() };
    let at = str_of(body, "timestamp").and_then(|t| t.parse::<DateTime<Utc>>().ok());
    let remote = str_of(body, "remoteMtaIp");
    let list =
        ["bouncedRecipients", "delayedRecipients", "recipients"].into_iter().find_map(|n| body.get(n)?.as_array());
    list.into_iter()
        .flatten()
        .take(MAX_RECIPIENTS)
        .map(|r| {
            let address = r.as_str().map(str::to_owned).or_else(|| str_of(r, "emailAddress"));
            // Where no server answered, Amazon's own word for the cause stands in.
            let named = |n: &str| str_of(body, n).map(|v| format!("{n}: {v}"));
            let words = str_of(r, "diagnosticCode")
                .or_else(|| str_of(body, "smtpResponse"))
                .or_else(|| named("bounceSubType"))
                .or_else(|| named("delayType"))
                .unwrap_or_default();
            Fate {
                recipient: address.as_deref().and_then(Address::parse),
                outcome,
                action: str_of(r, "action").map(|a| a.to_ascii_lowercase()),
                status: str_of(r, "status").or_else(|| words.split(' ').nth(1).and_then(super::codes::status)),
                words: words.trim_start_matches("smtp; ").to_owned(),
                remote_mta: remote.clone(),
                last_attempt: at,
                ..Fate::default()
            }
        })
        .collect()
}

fn complaints(event: &Value, hit: &Hit, original: Option<&OriginalMail>) -> Vec<Finding> {
    let Some(body) = event.get("complaint") else { return Vec::new() };
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(|s| s.chars().take(200).collect::<String>());
    let subtype = match text("complaintFeedbackType").as_deref() {
        Some("not-spam") => Some("arf_not_spam"),
        Some("auth-failure") => Some("arf_auth_failure"),
        _ => None,
    };
    let complaint = Complaint {
        feedback_type: text("complaintFeedbackType").unwrap_or_else(|| "abuse".to_owned()),
        format: ComplaintFormat::Other,
        user_agent: text("userAgent"),
        source_ip: event.get("mail").and_then(|m| m.get("sourceIp")).and_then(Value::as_str).map(str::to_owned),
        reported_domain: None,
        incidents: 1,
        recipient_redacted: false,
        arrival_date: text("arrivalDate").and_then(|t| t.parse().ok()),
    };
    body.get("complainedRecipients")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(MAX_RECIPIENTS)
        .map(|r| Finding {
            recipient: r.get("emailAddress").and_then(Value::as_str).and_then(Address::parse),
            original: original.cloned(),
            ..match subtype {
                Some(subtype) => Finding::other(subtype, 0.97),
                None => Finding::new(Verdict::Complaint { complaint: complaint.clone() }, 0.97),
            }
            .because(hit.clone())
        })
        .collect()
}

fn original(mail: &Value) -> OriginalMail {
    let common = mail.get("commonHeaders");
    let text = |name: &str| {
        common.and_then(|c| c.get(name)).and_then(Value::as_str).map(|s| s.chars().take(2_048).collect::<String>())
    };
    let list = |name: &str| -> Vec<Address> {
        common
            .and_then(|c| c.get(name))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .take(200)
            .filter_map(|v| Address::parse(v.as_str()?))
            .collect()
    };
    let headers: Vec<(String, String)> = mail
        .get("headers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(200)
        .filter_map(|h| {
            let value = h.get("value")?.as_str()?.chars().take(2_048).collect();
            Some((h.get("name")?.as_str()?.to_ascii_lowercase(), value))
        })
        .collect();
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let id = header("message-id").or_else(|| text("messageId"));
    OriginalMail {
        message_id: id.map(|i| i.trim_matches(['<', '>', ' ']).to_owned()).filter(|i| !i.is_empty()),
        subject: text("subject").or_else(|| header("subject")),
        date: text("date").and_then(|d| crate::message::received_date(&format!("; {d}"))),
        from: list("from").into_iter().next().or_else(|| Address::parse(mail.get("source")?.as_str()?)),
        to: list("to"),
        headers,
    }
}
