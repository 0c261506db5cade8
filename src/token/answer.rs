//! What a token endpoint answers (RFC 6749 sections 5.1 and 5.2).

use super::plain;
use crate::config::Secret;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// The life of a token whose answer has no `expires_in`, which section 5.1 allows. No endpoint is known whose tokens
/// live shorter, and it is long enough for the sessions of one pass.
const LIFE_UNSAID: TimeDelta = TimeDelta::minutes(5);
/// No token is kept longer, whatever its answer says.
const LIFE_MOST: TimeDelta = TimeDelta::hours(24);
/// With less than this left, or than a tenth of its life, a token is renewed.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// No `Retry-After` is taken to mean more: a mistaken one must not stop a mailbox for a day.
const WAIT_MOST: Duration = Duration::from_mins(5);

/// What is shown of a server's own words.
const SAID: usize = 200;
/// A longer word may be a token. A UUID in quotes has 38 characters.
const WORD: usize = 40;

pub(super) enum Answer {
    Granted { token: Secret, life: TimeDelta, refresh_token: Option<Secret> },
    Refused { code: String, description: String },
}

#[derive(Deserialize)]
struct Fields {
    access_token: Option<Secret>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<Secret>,
    error: Option<Value>,
    error_description: Option<Value>,
}

/// Reads a body, or says what is wrong with it. The parser's own message would show pieces of it.
pub(super) fn parse(body: &[u8]) -> Result<Answer, &'static str> {
    let fields: Fields = serde_json::from_slice(body).map_err(|_| "is not the JSON of a token endpoint")?;
    if let Some(error) = fields.error {
        let description = fields.error_description.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        return Ok(Answer::Refused { code: code(error.as_str().unwrap_or_default()), description });
    }
    let token = fields.access_token.ok_or("has no access_token")?;
    let token = plain(token.expose().as_bytes()).map_err(|_| "has an access_token that is no token")?;
    // XOAUTH2 and OAUTHBEARER send bearer tokens only (RFC 7628 section 3.1).
    match fields.token_type {
        Some(kind) if kind.eq_ignore_ascii_case("bearer") => {}
        Some(_) => return Err("has a token_type other than Bearer"),
        None => return Err("has no token_type"),
    }
    let refresh_token = fields.refresh_token.filter(|token| !token.expose().is_empty());
    Ok(Answer::Granted { token, life: life(fields.expires_in.as_ref()), refresh_token })
}

/// An error code as far as it is one: section 5.2 allows visible ASCII, those that exist are words.
fn code(text: &str) -> String {
    let word = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let code: String = text.chars().filter(word).take(WORD).collect();
    if code.is_empty() { "no error code".to_owned() } else { code }
}

/// How long a token lives.
fn life(expires_in: Option<&Value>) -> TimeDelta {
    let seconds = match expires_in {
        None => return LIFE_UNSAID,
        // Older endpoints of Microsoft write the number as a string, other servers with a fraction.
        Some(Value::String(text)) => text.trim().parse::<f64>().ok(),
        Some(value) => value.as_f64(),
    };
    // What cannot be read, or is in the past, is good for the login that waits for it and no more.
    let seconds = seconds.filter(|s| s.is_finite() && *s >= 0.0).unwrap_or(0.0);
    let most = LIFE_MOST.to_std().unwrap_or_default();
    let life = Duration::try_from_secs_f64(seconds).map_or(most, |life| life.min(most));
    TimeDelta::from_std(life).unwrap_or(LIFE_MOST)
}

/// How long of its life a token is given out without asking for another.
pub(super) fn fresh(life: TimeDelta) -> TimeDelta {
    life - MARGIN.min(life / 10)
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds or a date.
pub(super) fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().map_or(WAIT_MOST, Duration::from_secs)
    } else {
        let date = DateTime::parse_from_rfc2822(value).ok()?;
        date.with_timezone(&Utc).signed_duration_since(now).to_std().ok()?
    };
    Some(wait.min(WAIT_MOST))
}

/// A server's words for a message, behind a comma: without the secrets that were sent to it, without addresses and
/// whatever may be a token, in the characters that section 5.2 allows.
pub(super) fn said(description: &str, secrets: &[&str]) -> String {
    let mut text = description.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[redacted]");
    }
    let words = text.split_whitespace().map(|word| {
        if word.contains('@') || word.contains("%40") {
            "[address]"
        } else if word.len() > WORD || word.contains(['=', '%']) {
            "[...]"
        } else {
            word
        }
    });
    let text: String = words
        .flat_map(|word| [" ", word])
        .flat_map(str::chars)
        .filter(|c| matches!(c, ' '..='~'))
        .skip(1)
        .take(SAID)
        .collect();
    if text.trim().is_empty() { String::new() } else { format!(", {}", text.trim_end()) }
}

#[cfg(test)]
mod tests {
    use super::{Answer, fresh, life, parse, retry_after, said};
    use chrono::{DateTime, TimeDelta};
    use serde_json::{Value, json};
    use std::time::Duration;

    fn granted(body: &Value) -> (String, i64, Option<String>) {
        match parse(body.to_string().as_bytes()) {
            Ok(Answer::Granted { token, life, refresh_token }) => {
                (token.expose().to_owned(), life.num_seconds(), refresh_token.map(|t| t.expose().to_owned()))
            }
            Ok(Answer::Refused { code, .. }) => panic!("refused: {code}"),
            Err(problem) => panic!("{problem}"),
        }
    }

    #[test]
    fn answers_of_the_field() {
        // Google's and Microsoft's shapes.
        let google = json!({"access_token": "ya29.x", "expires_in": 3599, "scope": "https://mail.google.com/", "token_type": "Bearer"});
        assert_eq!(granted(&google), ("ya29.x".to_owned(), 3599, None));
        let microsoft =
            json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "eyJ.a.b"});
        assert_eq!(granted(&microsoft), ("eyJ.a.b".to_owned(), 3599, None));
        let old = json!({"token_type": "bearer", "expires_in": "3600", "expires_on": "1800000000", "access_token": "t", "refresh_token": "r2"});
        assert_eq!(granted(&old), ("t".to_owned(), 3600, Some("r2".to_owned())));
        let bare = json!({"token_type": "BEARER", "access_token": "t", "expires_in": null, "refresh_token": ""});
        assert_eq!(granted(&bare), ("t".to_owned(), 300, None));
    }

    #[test]
    fn refusals() {
        for (body, expected, words) in [
            (json!({"error": "invalid_grant", "error_description": "Bad Request"}), "invalid_grant", "Bad Request"),
            (json!({"error": "invalid_client", "error_codes": [7_000_215]}), "invalid_client", ""),
            (json!({"error": {"code": 400}}), "no error code", ""),
            (json!({"error": "x\r\n\u{1b}[31m<b>", "error_description": 5}), "x31mb", ""),
            // An error counts, whatever stands beside it.
            (json!({"error": "access_denied", "access_token": "t", "token_type": "Bearer"}), "access_denied", ""),
        ] {
            match parse(body.to_string().as_bytes()) {
                Ok(Answer::Refused { code, description }) => {
                    assert_eq!((code.as_str(), description.as_str()), (expected, words));
                }
                _ => panic!("{body} is a refusal"),
            }
        }
        let long = json!({"error": "e".repeat(100_000)}).to_string();
        assert!(matches!(parse(long.as_bytes()), Ok(Answer::Refused { code, .. }) if code.len() == 40));
    }

    #[test]
    fn what_is_no_answer() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let deep_inside = format!("{{\"access_token\": \"t\", \"expires_in\": {deep}}}");
        let huge = json!({"access_token": "x".repeat(900_000), "token_type": "Bearer"}).to_string();
        for body in [
            "",
            "null",
            "true",
            "{}",
            "[]",
            "<!DOCTYPE html><title>Sign in</title>",
            "access_token=s3cret&token_type=Bearer",
            r#"{"access_token": "s3cret", "token_type": "Bearer""#,
            r#"{"access_token": "s3cret"}"#,
            r#"{"access_token": "s3cret", "token_type": "mac"}"#,
            r#"{"access_token": "s3cret", "access_token": "s3cret", "token_type": "Bearer"}"#,
            r#"{"access_token": 5, "token_type": "Bearer"}"#,
            r#"{"access_token": "", "token_type": "Bearer"}"#,
            r#"{"access_token": "s3cret s3cret", "token_type": "Bearer"}"#,
            r#"{"access_token": "a\u0001auth=", "token_type": "Bearer"}"#,
            r#"{"token_type": "Bearer", "expires_in": 3600}"#,
            r#"{"access_token": "t", "token_type": "Bearer", "expires_in": 1e999}"#,
            &deep,
            &deep_inside,
            &huge,
        ] {
            match parse(body.as_bytes()) {
                Err(problem) => assert!(!problem.contains("s3cret"), "{problem}"),
                Ok(_) => panic!("{body:.80} is no answer"),
            }
        }
        assert!(parse(b"\xff\xfe{\0}\0").is_err());
    }

    #[test]
    fn lives() {
        let day = 24 * 3600;
        for (value, seconds) in [
            (json!(3600), 3600),
            (json!(0), 0),
            (json!(-1), 0),
            (json!(i64::MIN), 0),
            (json!(u64::MAX), day),
            (json!(1e300), day),
            (json!(day + 1), day),
            (json!(59.9), 59),
            (json!("3599"), 3599),
            (json!("-3"), 0),
            (json!("inf"), 0),
            (json!("nan"), 0),
            (json!("soon"), 0),
            (json!(true), 0),
            (json!([3600]), 0),
        ] {
            assert_eq!(life(Some(&value)).num_seconds(), seconds, "{value}");
        }
        assert_eq!(life(None).num_seconds(), 300);
    }

    #[test]
    fn renewed_before_the_end() {
        for (life, used) in [(0, 0), (10, 9), (60, 54), (300, 270), (3000, 2700), (3600, 3300), (86_400, 86_100)] {
            assert_eq!(fresh(TimeDelta::seconds(life)).num_seconds(), used, "{life}");
        }
    }

    #[test]
    fn retry_after_in_seconds_and_as_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T04:00:00Z").unwrap().to_utc();
        for (value, seconds) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("86400", Some(300)),
            ("99999999999999999999999999", Some(300)),
            ("Sun, 22 Nov 2026 04:00:30 GMT", Some(30)),
            ("Mon, 23 Nov 2026 04:00:30 GMT", Some(300)),
            ("Sun, 22 Nov 2026 03:59:00 GMT", None),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn a_server_s_words_are_cleaned() {
        let secrets = ["hunter2", "", "refresh value"];
        for (words, shown) in [
            ("", ""),
            (" \r\n\u{7}", ""),
            (
                "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1",
                ", AADSTS7000215: Invalid client secret provided. Trace ID: 1",
            ),
            ("user ana@example.com (ana%40example.com) unknown", ", user [address] [address] unknown"),
            ("secret 'hunter2' is wrong, so is refresh value", ", secret '[redacted]' is wrong, so is [redacted]"),
            ("body was client_secret=x%2By", ", body was [...]"),
            ("app 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee' gone", ", app 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee' gone"),
            ("\u{1b}[31mred\u{202e} d\u{fc}rr", ", [31mred drr"),
        ] {
            assert_eq!(said(words, &secrets), shown);
        }
        assert_eq!(said(&"word ".repeat(10_000), &secrets).len(), 201);
        assert_eq!(said(&"x".repeat(1_000_000), &secrets), ", [...]");
    }
}
