//! Which of the judged mails are shown.

use crate::event::{Event, Kind};
use crate::mistake::hint;
use chrono::{DateTime, NaiveDate, Utc};

/// Only events of a kind, a campaign, a time, a rule, a mailbox.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which events")]
pub struct Filter {
    /// Only this kind, such as `bounce`; may be given several times.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Vec<Kind>,
    /// Only this campaign; `-` for events of none.
    #[arg(long, value_name = "ID")]
    campaign: Option<String>,
    /// Only what happened at this time or later: 2026-11-01, or 2026-11-01T08:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<DateTime<Utc>>,
    /// Only what happened before this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<DateTime<Utc>>,
    /// Only what this rule decided, or one whose id begins so: `bounce_category.policy`.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only mails of this mailbox, for sources that know it.
    #[arg(long, value_name = "NAME")]
    from_mailbox: Option<String>,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::ALL.into_iter().find(|k| k.as_str() == name).ok_or_else(|| hint(name, &Kind::ALL.map(Kind::as_str)))
}

/// A day, which begins at midnight UTC, or a time.
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    text.parse().map_err(|_| "write 2026-11-01, or 2026-11-01T08:00:00Z".to_owned())
}

impl Filter {
    /// Whether an event is one of those.
    pub fn takes(&self, event: &Event) -> bool {
        let data = &event.data;
        let campaign = data.correlation.campaign_id.as_deref();
        (self.kind.is_empty() || self.kind.contains(&data.verdict.kind()))
            && self.campaign.as_deref().is_none_or(|c| if c == "-" { campaign.is_none() } else { campaign == Some(c) })
            && self.since.is_none_or(|t| data.occurred_at >= t)
            && self.until.is_none_or(|t| data.occurred_at < t)
            && self.rule.as_deref().is_none_or(|r| data.classification.rules.iter().any(|hit| is_or_below(&hit.id, r)))
            && self.from_mailbox.as_deref().is_none_or(|m| data.mailbox.id == m)
    }
}

/// Whether a rule is the one meant, or below it.
fn is_or_below(id: &str, meant: &str) -> bool {
    id.strip_prefix(meant).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || meant.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::{is_or_below, moment};

    #[test]
    fn rules_and_times_that_are_meant() {
        for (id, meant, expected) in [
            ("bounce_category.policy.block", "bounce_category.policy", true),
            ("bounce_category.policy", "bounce_category.policy", true),
            ("bounce_category.policy_x", "bounce_category.policy", false),
            ("bounce_category.policy_x", "bounce_category.", true),
        ] {
            assert_eq!(is_or_below(id, meant), expected, "{id} {meant}");
        }
        assert_eq!(moment("2026-11-01").map(|t| t.to_rfc3339()).as_deref(), Ok("2026-11-01T00:00:00+00:00"));
        assert_eq!(
            moment("2026-11-01T08:00:00+02:00").map(|t| t.to_rfc3339()).as_deref(),
            Ok("2026-11-01T06:00:00+00:00")
        );
        assert!(moment("yesterday").is_err());
    }
}
