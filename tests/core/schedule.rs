//! Schedules: Kubernetes' meaning as a table, the two changes of the clock, leap days, jitter and missed ticks.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use reply_ingest::schedule::{Expression, Missed, Timing, Zone};
use std::time::Duration;

fn timing(schedule: &str, zone: &str) -> Timing {
    let schedule = schedule.parse().unwrap_or_else(|e| panic!("{schedule}: {e}"));
    let zone = Zone(zone.parse().expect("a zone"));
    Timing { schedule, zone, jitter: Duration::ZERO, missed: Missed::Skip }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The next ticks as UTC, without the year and the seconds.
fn ticks(schedule: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let timing = timing(schedule, zone);
    let mut tick = at(after);
    (0..count)
        .map_while(|_| {
            tick = timing.next_after(tick)?;
            Some(tick.format("%m-%d %H:%M").to_string())
        })
        .collect()
}

#[test]
fn the_five_fields_as_kubernetes_reads_them() {
    // 1 November 2026 is a Sunday.
    let after = "2026-11-01T00:00:00Z";
    let table: [(&str, &[&str]); 24] = [
        ("* * * * *", &["11-01 00:01", "11-01 00:02"]),
        ("*/20 * * * *", &["11-01 00:20", "11-01 00:40", "11-01 01:00"]),
        ("5/20 * * * *", &["11-01 00:05", "11-01 00:25", "11-01 00:45", "11-01 01:05"]),
        ("10-30/10 * * * *", &["11-01 00:10", "11-01 00:20", "11-01 00:30", "11-01 01:10"]),
        ("0 6,18 * * *", &["11-01 06:00", "11-01 18:00", "11-02 06:00"]),
        ("0 0 * * 0", &["11-08 00:00", "11-15 00:00"]),
        ("0 0 * * 7", &["11-08 00:00", "11-15 00:00"]),
        ("0 0 * * sun", &["11-08 00:00"]),
        ("0 0 * * 1", &["11-02 00:00", "11-09 00:00"]),
        (
            "0 0 * * Mon-fri",
            &["11-02 00:00", "11-03 00:00", "11-04 00:00", "11-05 00:00", "11-06 00:00", "11-09 00:00"],
        ),
        ("0 0 * * 5-7", &["11-06 00:00", "11-07 00:00", "11-08 00:00", "11-13 00:00"]),
        ("0 0 * * 5/1", &["11-06 00:00", "11-07 00:00", "11-13 00:00"]),
        // Either day will do when both are restricted …
        (
            "0 0 13 * 5",
            &["11-06 00:00", "11-13 00:00", "11-20 00:00", "11-27 00:00", "12-04 00:00", "12-11 00:00", "12-13 00:00"],
        ),
        // … a step restricts, an asterisk and a question mark do not.
        ("0 0 */10 * 1", &["11-02 00:00", "11-09 00:00", "11-11 00:00", "11-16 00:00", "11-21 00:00"]),
        ("0 0 13 * ?", &["11-13 00:00", "12-13 00:00"]),
        ("0 0 ? * 1", &["11-02 00:00", "11-09 00:00"]),
        ("0 0 30 2 1", &["02-01 00:00", "02-08 00:00"]),
        ("0 0 31 * *", &["12-31 00:00", "01-31 00:00", "03-31 00:00"]),
        ("0 0 1 jan,JUL *", &["01-01 00:00", "07-01 00:00"]),
        ("@hourly", &["11-01 01:00", "11-01 02:00"]),
        ("@daily", &["11-02 00:00"]),
        ("@weekly", &["11-08 00:00"]),
        ("@monthly", &["12-01 00:00", "01-01 00:00"]),
        ("@yearly", &["01-01 00:00", "01-01 00:00"]),
    ];
    for (schedule, expected) in table {
        assert_eq!(ticks(schedule, "UTC", after, expected.len()), expected, "{schedule}");
    }
}

#[test]
fn seconds_apart_are_counted_from_1970() {
    let timing = timing("@every 5s", "Europe/Berlin");
    assert_eq!(timing.next_after(at("2026-11-01T00:00:03.5Z")), Some(at("2026-11-01T00:00:05Z")));
    assert_eq!(timing.next_after(at("2026-11-01T00:00:05Z")), Some(at("2026-11-01T00:00:10Z")));
}

#[test]
fn leap_days() {
    let timing = timing("0 12 29 2 *", "UTC");
    let first = timing.next_after(at("2026-11-01T00:00:00Z")).expect("comes");
    assert_eq!(first, at("2028-02-29T12:00:00Z"));
    assert_eq!(timing.next_after(first), Some(at("2032-02-29T12:00:00Z")));
}

#[test]
fn the_two_changes_of_the_clock() {
    let table: [(&str, &str, &str, &[&str]); 9] = [
        // Berlin leaves 02:00 to 03:00 out on 29 March 2026, at 01:00 UTC …
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", &["03-28 01:30", "03-30 00:30"]),
        ("30 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["03-29 01:30", "03-30 01:30"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:29:00Z", &["03-29 00:30", "03-29 01:00", "03-29 01:30"]),
        // … and has them twice on 25 October, around 01:00 UTC.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["10-25 00:30", "10-25 01:30", "10-26 01:30"]),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:00:00Z",
            &["10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"],
        ),
        // Found from far away, both times.
        ("30 2 25 10 *", "Europe/Berlin", "2026-01-01T00:00:00Z", &["10-25 00:30", "10-25 01:30"]),
        ("0 9 * * *", "America/New_York", "2026-10-31T12:00:00Z", &["10-31 13:00", "11-01 14:00"]),
        // Half an hour, and a day that was left out altogether (Samoa, 30 December 2011).
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["10-04 15:15"]),
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", &["12-29 22:00", "12-30 22:00"]),
    ];
    for (schedule, zone, after, expected) in table {
        assert_eq!(ticks(schedule, zone, after, expected.len()), expected, "{schedule} {zone} after {after}");
    }
}

#[test]
fn what_is_refused() {
    for (schedule, words) in [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("0 * * * * *", "has 6 fields"),
        ("60 * * * *", "`60` is no minute"),
        ("* 24 * * *", "is no hour"),
        ("* * 0 * *", "is no day of the month"),
        ("* * * 13 *", "is no month"),
        ("* * * * 8", "is no day of the week"),
        ("* * * * 6-5", "`6-5` is no day of the week"),
        ("*/0 * * * *", "`*/0` is no minute"),
        ("+5 * * * *", "`+5` is no minute"),
        ("1, * * * *", "`` is no minute"),
        ("* * * monday *", "`monday` is no month"),
        ("0 0 31 2 *", "never comes"),
        ("0 0 31 4,6,9,11 *", "never comes"),
        ("@reboot", "is no short form"),
        ("@every 0s", "whole seconds"),
        ("@every 500ms", "whole seconds"),
        ("@every tea", "whole seconds"),
        ("CRON_TZ=UTC * * * * *", "use the setting time_zone"),
    ] {
        let error = schedule.parse::<Expression>().map(|e| e.as_str().to_owned()).expect_err(schedule).to_string();
        assert!(error.contains(words), "{schedule}: {error}");
    }
}

#[test]
fn ticks_that_pass_during_their_run() {
    let skip = timing("*/10 * * * *", "UTC");
    let once = Timing { missed: Missed::Once, ..skip.clone() };
    // The run of 12:00 ends at: what follows, and how many were missed, when they are skipped and when made up for.
    for (end, skipped, made_up) in [
        ("12:03:00", ("12:10", 0), ("12:10", 0)),
        ("12:10:00", ("12:10", 0), ("12:10", 0)),
        ("12:10:01", ("12:20", 1), ("12:10", 0)),
        ("12:35:00", ("12:40", 3), ("12:30", 2)),
        ("12:40:00", ("12:40", 3), ("12:30", 2)),
    ] {
        let (tick, now) = (at("2026-11-01T12:00:00Z"), at(&format!("2026-11-01T{end}Z")));
        for (timing, (next, missed)) in [(&skip, skipped), (&once, made_up)] {
            let step = timing.follow(tick, now).expect("follows");
            assert_eq!(
                (step.tick.format("%H:%M").to_string().as_str(), step.missed),
                (next, missed),
                "{end} {timing:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn a_run_begins_between_its_tick_and_the_jitter_and_before_the_next_tick(
        seconds in 1_700_000_000_i64..1_900_000_000,
        jitter in 0_u64..900,
        chance: u64,
        schedule in prop::sample::select(vec!["@every 7s", "*/5 * * * *", "@hourly", "0 0 13 * 5"]),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York"]),
    ) {
        let timing = Timing { jitter: Duration::from_secs(jitter), ..timing(schedule, zone) };
        let after = DateTime::from_timestamp(seconds, 0).expect("a time");
        let tick = timing.next_after(after).expect("comes");
        prop_assert!(tick > after);
        let next = timing.next_after(tick).expect("comes");
        let start = timing.start(tick, chance);
        prop_assert!(start >= tick && start < next);
        prop_assert!(start - tick <= TimeDelta::seconds(i64::try_from(jitter).expect("small")));
    }
}
