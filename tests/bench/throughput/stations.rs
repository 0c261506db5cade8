//! What each station takes for the same mails where nothing else runs: one mail after the other, on one thread, with
//! every answer of the name server at hand.

use super::signed::{RECEIVER, Senders};
use chrono::Utc;
use reply_ingest::auth::dns::{Cached, Retried, Retries, Zone};
use reply_ingest::auth::{Authenticator, Bounds};
use reply_ingest::classify::{Rules, classify};
use reply_ingest::config::{self, Mode, Trust};
use reply_ingest::message::{Mail, RawMail};
use reply_ingest::pipeline::{Judged, Line, LineSettings, Place};
use reply_ingest::sink::Encoder;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MAILS: usize = 400;
const PASSES: usize = 7;

/// One line; the configuration is that of the run.
pub fn alone(senders: &Senders, config: &Path) -> String {
    let config = config::load(config).expect("a configuration");
    let wires: Vec<Vec<u8>> = (0..MAILS).map(|index| senders.mail(u64::MAX, index)).collect();
    let raws: Vec<RawMail> = wires.iter().map(|wire| RawMail::new(wire.clone())).collect();
    let mails: Vec<Mail<'_>> = wires.iter().map(|wire| Mail::parse(wire)).collect();
    let rules = Arc::new(Rules::embedded().expect("rules"));
    let authenticator = Authenticator::new(Bounds::default()).expect("an authenticator");
    let trust = Trust { by: vec![RECEIVER.to_owned(), "store.campaigns.example".to_owned()], ..Trust::default() };
    let resolver = cached(&senders.zone);
    let line = LineSettings::new(&config, "bench".to_owned(), false);
    let line = Line::new(line, Arc::clone(&rules), Arc::new(cached(&senders.zone))).expect("a line");
    let place = Place::of(config.mailboxes.first().expect("a mailbox"), &config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let now = Utc::now();
    let judge = |raw| runtime.block_on(line.judge(raw, &place, None, None, now));
    let judged: Vec<Judged> = raws.iter().map(judge).collect();
    let (encoder, topic): (_, Arc<str>) = (Encoder::new(Mode::Structured), Arc::from("t"));
    let digest = least(|at| drop(black_box(wires.get(at).map(|wire| RawMail::new(wire.clone())))));
    let parse = least(|at| drop(black_box(wires.get(at).map(|wire| Mail::parse(wire)))));
    let check = least(|at| {
        let check = mails.get(at).map(|mail| authenticator.check(mail, &trust, &resolver, None, now));
        drop(black_box(check.map(|check| runtime.block_on(check))));
    });
    let kind = least(|at| drop(black_box(mails.get(at).map(|mail| classify(mail, &rules)))));
    let all = least(|at| drop(black_box(raws.get(at).map(judge))));
    let record = least(|at| {
        let events = judged.get(at).into_iter().flat_map(|judged| &judged.events);
        events.for_each(|event| drop(black_box(encoder.event(Arc::clone(&topic), event))));
    });
    format!(
        "  alone: digest {digest:.0} µs a mail, parse {parse:.0}, authenticate {check:.0}, classify {kind:.0}, all of \
         judging with the event {all:.0}, its record {record:.0}"
    )
}

fn cached(zone: &Zone) -> Cached<Retried<Zone>> {
    let retries = Retries { times: 1, timeout: Duration::from_secs(1), budget: Duration::from_mins(1) };
    Cached::new(Retried::new(zone.clone(), retries))
}

/// Microseconds a mail in the quickest of some passes.
fn least(mut each: impl FnMut(usize)) -> f64 {
    let passes = (0..PASSES).map(|_| {
        let begun = Instant::now();
        (0..MAILS).for_each(&mut each);
        begun.elapsed().as_secs_f64() * 1e6
    });
    passes.fold(f64::INFINITY, f64::min) / f64::from(u32::try_from(MAILS).unwrap_or(u32::MAX))
}
