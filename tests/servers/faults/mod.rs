//! Whatever breaks, each mail is seen once (`exactly_once`), or at least once and always with the same id
//! (`at_least_once`), and the mailbox ends up empty: kill -9 and SIGTERM at random moments, connections that are cut or
//! hang, a broker that is stopped or killed in the middle of a pass, two workers at once, a disk that is full.
//!
//! Short unless asked: `REPLY_INGEST_TEST_KILLS` workers are killed in each mode, and `REPLY_INGEST_TEST_FAULT_MAILS`
//! mails are sent. A failure names its seed.

mod proxy;
mod random;
mod world;

use proxy::Fault;
use random::Random;
use std::thread::sleep;
use std::time::{Duration, Instant};
use world::{Delivery, World};

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// What goes wrong in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Kill,
    Terminate,
    Connection,
    Broker,
    TwoWorkers,
}

/// The rounds, in any order.
fn rounds(kills: u64, random: &mut Random) -> Vec<Trouble> {
    let mut all = Vec::new();
    for (trouble, count) in [
        (Trouble::Kill, kills),
        (Trouble::Terminate, kills.div_ceil(20)),
        (Trouble::Connection, kills.div_ceil(6)),
        (Trouble::Broker, kills.div_ceil(40)),
        (Trouble::TwoWorkers, kills.div_ceil(20)),
    ] {
        all.extend((0..count).map(|_| trouble));
    }
    random.shuffle(&mut all);
    all
}

fn promise_holds(delivery: Delivery) {
    let Some(mut world) = World::new(delivery) else { return };
    let mut random = Random::new(&format!("{delivery:?}"));
    let kills = number("REPLY_INGEST_TEST_KILLS", 4);
    let mut left = rounds(kills, &mut random);
    let lot = number("REPLY_INGEST_TEST_FAULT_MAILS", 400).div_ceil(left.len() as u64);
    // How long an undisturbed pass takes: faults come within that time and a little after.
    world.seed(lot);
    let begun = Instant::now();
    world.settle("l");
    let span = begun.elapsed() * 11 / 10;
    eprintln!("an undisturbed pass: {} ms", begun.elapsed().as_millis());
    let mut killed = 0;
    while let Some(trouble) = left.pop() {
        // Some mails come while the worker is at work.
        let late = random.below(lot / 2 + 1);
        world.seed(lot - late);
        let moment = random.up_to(span);
        let round = Instant::now();
        match trouble {
            Trouble::Kill | Trouble::Terminate => {
                let mut worker = world.start("l");
                sleep(moment / 2);
                world.seed(late);
                sleep(moment / 2);
                if trouble == Trouble::Terminate {
                    // Not before it can know of the signal.
                    sleep(Duration::from_secs(1));
                }
                if trouble == Trouble::Terminate {
                    worker.terminate();
                } else if worker.kill() {
                    killed += 1;
                } else {
                    // It had ended before.
                    left.push(trouble);
                }
                world.ended(worker);
            }
            Trouble::Connection => {
                world.proxy.plan(connection_faults(lot, &mut random));
                let worker = world.start("l");
                world.seed(late);
                world.ended(worker);
                world.proxy.plan(Vec::new());
            }
            Trouble::Broker => {
                let worker = world.start("l");
                world.seed(late);
                sleep(moment);
                if random.below(2) == 0 {
                    world.kafka.stop();
                } else {
                    world.kafka.kill();
                }
                sleep(random.up_to(Duration::from_secs(2)));
                world.kafka.resume();
                world.ended(worker);
            }
            Trouble::TwoWorkers => {
                let first = world.start("l");
                sleep(moment);
                let second = world.start("other");
                world.seed(late);
                world.ended(first);
                world.ended(second);
            }
        }
        eprintln!("{trouble:?} at {} ms, over after {} ms", moment.as_millis(), round.elapsed().as_millis());
    }
    world.settle("l");
    eprintln!("{killed} workers killed before their end");
    assert!(killed >= kills);
    world.assert_promise();
}

/// Up to three connections in a row that break somewhere: in the middle of mails, or in what the client sends, DELE
/// and QUIT included.
fn connection_faults(lot: u64, random: &mut Random) -> Vec<Fault> {
    (0..=random.below(3))
        .map(|_| {
            let of_client = random.below(2) == 0;
            let most = if of_client { 1_500 + 40 * lot } else { 4_000 + 4_000 * lot };
            Fault { after: random.below(most), of_client, hangs: random.below(4) == 0 }
        })
        .collect()
}

#[test]
fn exactly_once_holds_whatever_breaks() {
    promise_holds(Delivery::ExactlyOnce);
}

#[test]
fn at_least_once_holds_whatever_breaks() {
    promise_holds(Delivery::AtLeastOnce);
}

#[test]
fn a_full_disk_loses_nothing() {
    let Some(mut world) = World::new(Delivery::AtLeastOnce) else { return };
    let mut random = Random::new("a full disk");
    world.seed(50);
    world.settle("l");
    let mut failed = 0;
    for _ in 0..number("REPLY_INGEST_TEST_FULL_DISKS", 4) {
        world.seed(200);
        let size = std::fs::metadata(world.ledger_file("l")).expect("is there").len();
        // Somewhere between what is there already and a little more.
        let worker = world.start_with_disk("l", size / 2 + random.below(size / 2 + 100_000));
        failed += u64::from(!world.ended(worker).success());
    }
    // One for whom even an empty ledger is too much.
    let worker = world.start_with_disk("other", 512);
    failed += u64::from(!world.ended(worker).success());
    eprintln!("{failed} workers had a disk that was too small");
    assert!(failed > 0, "no disk was full");
    world.settle("l");
    world.assert_promise();
}
