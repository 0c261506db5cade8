//! Mails of a known kind and any size, the same for the same seed and index.
//!
//! Four kinds take turns: a person's reply, a bounce (RFC 3464), an automatic reply (RFC 3834) and a complaint (ARF,
//! RFC 5965). Each is about one recipient, so that each makes one event. Each text has the lines that a POP3 client can
//! trip over: dots at the start, a dot alone, 8-bit UTF-8, and one of the 998 octets that RFC 5322 section 2.1.1 allows.

use std::fmt::Write;

/// What event a mail must make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Reply,
    Bounce,
    AutoReply,
    Complaint,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Reply, Self::Bounce, Self::AutoReply, Self::Complaint];

    /// The event's `kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Bounce => "bounce",
            Self::AutoReply => "auto_reply",
            Self::Complaint => "complaint",
        }
    }
}

/// How large the mails are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As in a mailbox: of 300 mails about 270 have 2 to 10 KiB, 23 up to 64 KiB, 5 up to 1 MiB and one up to 4 MiB.
    Mixed,
    /// About so many octets, a quarter more or less, and at least some 2 KiB.
    About(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub kind: Kind,
    pub message_id: String,
    pub original_id: String,
    pub recipient: String,
    /// What RETR must give: lines with CRLF, before dot-stuffing.
    pub wire: Vec<u8>,
}

/// The address that the campaign's mail came from and its replies go to.
pub const CAMPAIGN_FROM: &str = "news@example.com";
/// The campaign's id, in `X-Campaign-Id` of the original that a report quotes, and at the start of its Message-ID.
pub const CAMPAIGN: &str = "spring-7";

/// 5 January 2026, 00:00:00 UTC: a Monday.
const EPOCH: usize = 1_767_571_200;
const KIB: usize = 1024;

/// When the mail was sent, in seconds since 1970.
pub fn time(index: usize) -> usize {
    EPOCH + index
}

/// The mail of that number.
pub fn mail(seed: u64, index: usize, size: Size) -> Mail {
    let mut random = Random::new(seed, index);
    let kind = Kind::ALL.into_iter().cycle().nth(index % Kind::ALL.len()).unwrap_or(Kind::Reply);
    let size = octets(&mut random, index, size);
    let second = index % 86_400;
    let about = About {
        message_id: format!("<mail.{seed}.{index}@mx.customers.example>"),
        original_id: format!("<{CAMPAIGN}.{seed}.{index}@mail.example.com>"),
        recipient: format!("reader{index}@customers.example"),
        date: format!("Mon, 5 Jan 2026 {:02}:{:02}:{:02} +0000", second / 3600, second / 60 % 60, second % 60),
        boundary: format!("=_part_{seed}_{index}"),
    };
    let mut text = String::with_capacity(size + size / 8 + 4 * KIB);
    match kind {
        Kind::Reply | Kind::AutoReply => answer(&mut text, &about, kind, size, &mut random),
        Kind::Bounce | Kind::Complaint => report(&mut text, &about, kind, size, &mut random),
    }
    Mail {
        kind,
        message_id: about.message_id,
        original_id: about.original_id,
        recipient: about.recipient,
        wire: text.replace('\n', "\r\n").into_bytes(),
    }
}

struct About {
    message_id: String,
    original_id: String,
    recipient: String,
    date: String,
    boundary: String,
}

fn octets(random: &mut Random, index: usize, size: Size) -> usize {
    match size {
        Size::About(octets) => random.between(octets / 4 * 3, octets / 4 * 5),
        // Odd strides, so that each size meets each kind, and a few hundred mails have them all.
        Size::Mixed if index % 301 == 150 => random.between(KIB * KIB, 4 * KIB * KIB),
        Size::Mixed if index % 61 == 30 => random.between(64 * KIB, KIB * KIB),
        Size::Mixed if index % 13 == 6 => random.between(10 * KIB, 64 * KIB),
        Size::Mixed => random.between(2 * KIB, 10 * KIB),
    }
}

/// A reply by a person or by a program: plain text, and beyond 64 KiB the rest as an attached file.
fn answer(out: &mut String, about: &About, kind: Kind, size: usize, random: &mut Random) {
    let person = &about.recipient;
    let (subject, first, headers) = if kind == Kind::AutoReply {
        (
            "Automatic reply: News of this spring",
            "I am out of the office until Monday, 12 January, and will read your message then.",
            "Auto-Submitted: auto-replied\nX-Auto-Response-Suppress: All\n",
        )
    } else {
        let first = pick(
            &[
                "Thank you, the second one looks good to me. Could you tell me what it costs for twelve people?",
                "Hello, we talked about this at lunch and would like to see it. Does Thursday afternoon suit you?",
                "I could not find the table of sizes on your page. Where would I look for it?",
                "Good to hear from you again! My sister would like one as well, in green if there is such a thing.",
            ],
            random.next(),
        );
        ("Re: News of this spring", first, "")
    };
    push_top(out, about, person, person, CAMPAIGN_FROM, subject);
    let _ = write!(out, "In-Reply-To: {0}\nReferences: {0}\n{headers}", about.original_id);
    let attached = size > 64 * KIB;
    if attached {
        let _ = write!(
            out,
            "Content-Type: multipart/mixed; boundary=\"{0}\"\nContent-Transfer-Encoding: 8bit\n\n--{0}\n",
            about.boundary
        );
    }
    out.push_str(TEXT_HEADERS);
    let _ = write!(out, "{first}\n\n");
    push_odd_lines(out);
    let _ = write!(out, "\nOn Sun, 4 Jan 2026 at 09:00, Example News <{CAMPAIGN_FROM}> wrote:\n");
    let end = if attached { out.len() + 8 * KIB } else { size };
    push_lines(out, "> ", end, random);
    if attached {
        let _ = write!(
            out,
            "\n--{}\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"plan.bin\"\n\
             Content-Transfer-Encoding: base64\n\n",
            about.boundary
        );
        push_base64(out, size, random);
        let _ = write!(out, "\n--{}--\n", about.boundary);
    }
}

/// A machine's report in three parts: words, fields, and the mail it is about, which is as long as the size asks for.
fn report(out: &mut String, about: &About, kind: Kind, size: usize, random: &mut Random) {
    let About { original_id, recipient, date, boundary, .. } = about;
    let (report_type, first, fields) = if kind == Kind::Bounce {
        push_top(
            out,
            about,
            "",
            "Mail Delivery System <mailer-daemon@mx.customers.example>",
            CAMPAIGN_FROM,
            "Undelivered mail",
        );
        out.push_str("Auto-Submitted: auto-replied\n");
        (
            "delivery-status",
            "Your mail could not be delivered. There is nobody of that name here.",
            format!(
                "Content-Type: message/delivery-status\n\n\
                 Reporting-MTA: dns; mx.customers.example\nArrival-Date: {date}\n\n\
                 Original-Recipient: rfc822;{recipient}\nFinal-Recipient: rfc822;{recipient}\nAction: failed\n\
                 Status: 5.1.1\nRemote-MTA: dns; mail.customers.example\n\
                 Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: user unknown\nLast-Attempt-Date: {date}\n"
            ),
        )
    } else {
        push_top(
            out,
            about,
            "feedback@fbl.customers.example",
            "Feedback Loop <feedback@fbl.customers.example>",
            CAMPAIGN_FROM,
            "Report of a complaint",
        );
        (
            "feedback-report",
            "A reader has marked the mail below as junk.",
            format!(
                "Content-Type: message/feedback-report\n\n\
                 Feedback-Type: abuse\nUser-Agent: ExampleLoop/1.0\nVersion: 1\n\
                 Original-Mail-From: <{CAMPAIGN_FROM}>\nOriginal-Rcpt-To: <{recipient}>\nArrival-Date: {date}\n\
                 Source-IP: 192.0.2.10\nReported-Domain: example.com\n"
            ),
        )
    };
    let _ = write!(
        out,
        "Content-Type: multipart/report; report-type={report_type};\n boundary=\"{boundary}\"\n\
         Content-Transfer-Encoding: 8bit\n\n--{boundary}\n{TEXT_HEADERS}{first}\n\n"
    );
    push_odd_lines(out);
    let _ = write!(
        out,
        "\n--{boundary}\n{fields}\n--{boundary}\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n\
         From: Example News <{CAMPAIGN_FROM}>\nTo: <{recipient}>\nSubject: News of this spring\n\
         Date: Sun, 4 Jan 2026 09:00:00 +0000\nMessage-ID: {original_id}\nX-Campaign-Id: {CAMPAIGN}\n\
         List-Unsubscribe: <https://example.com/leave/{CAMPAIGN}>\nMIME-Version: 1.0\n{TEXT_HEADERS}"
    );
    push_lines(out, "", size, random);
    let _ = write!(out, "\n--{boundary}--\n");
}

const TEXT_HEADERS: &str = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n";

fn push_top(out: &mut String, about: &About, envelope: &str, from: &str, to: &str, subject: &str) {
    let _ = write!(
        out,
        "Return-Path: <{envelope}>\nReceived: from mx.customers.example (mx.customers.example [192.0.2.25])\n \
         by mail.example.com with ESMTPS;\n {date}\nFrom: {from}\nTo: <{to}>\nSubject: {subject}\nDate: {date}\n\
         Message-ID: {id}\nMIME-Version: 1.0\n",
        date = about.date,
        id = about.message_id,
    );
}

fn push_odd_lines(out: &mut String) {
    out.push_str(".\n..\n...\n. \n.begins with a dot\n..begins with two\n.\n\tnaïve café, Grüße, Žluťoučký, 你好, ✓\n");
    out.extend(std::iter::repeat_n("long line ", 99));
    out.push_str("end \u{2713}.\n");
}

/// Lines of words until the mail has `end` octets; some begin with a dot.
fn push_lines(out: &mut String, prefix: &str, end: usize, random: &mut Random) {
    const WORDS: [&str; 16] = [
        "spring ", "table ", "green ", "letter ", "garden ", "window ", "paper ", "river ", "bread ", "lamp ",
        "morning ", "chair ", "stone ", "ticket ", "blue ", "market ",
    ];
    while out.len() < end {
        out.push_str(prefix);
        // One number is enough for a line: four bits of it choose a word.
        let number = random.next();
        if number.is_multiple_of(37) {
            out.push('.');
        }
        for word in 0..4 + number % 6 {
            out.push_str(pick(&WORDS, number >> (4 * word)));
        }
        out.push_str("end\n");
    }
}

/// Lines of 72 letters, which are valid base64 of 54 octets that nobody reads.
fn push_base64(out: &mut String, end: usize, random: &mut Random) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    while out.len() < end {
        for _ in 0..8 {
            let number = random.next();
            for letter in 0..9 {
                out.push(char::from(pick(ALPHABET, number >> (6 * letter))));
            }
        }
        out.push('\n');
    }
}

fn pick<T: Copy + Default, const N: usize>(from: &[T; N], number: u64) -> T {
    let index = usize::try_from(number % N as u64).unwrap_or(0);
    from.get(index).copied().unwrap_or_default()
}

/// Steele's splitmix64: small, and good enough for mail.
struct Random(u64);

impl Random {
    fn new(seed: u64, index: usize) -> Self {
        let mut random = Self(seed.rotate_left(32) ^ index as u64);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, low: usize, high: usize) -> usize {
        let span = high.saturating_sub(low) as u64 + 1;
        low + usize::try_from(self.next() % span).unwrap_or(0)
    }
}
