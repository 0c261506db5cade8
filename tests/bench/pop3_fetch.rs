//! The POP3 client by itself: fetches every mail of a mailbox and throws it away. Nothing is deleted.
//!
//!     POP3_PASSWORD=… cargo run --release --example pop3-fetch -- [--digests] [--plain] HOST PORT CA_FILE USER
//!
//! `--digests` prints number, octets and SHA-256 of each mail; `--plain` logs in by AUTH PLAIN instead of the
//! strongest method. It is what the client's speed is measured with, beside other clients.

use reply_ingest::message::RawMail;
use reply_ingest::pop3::{Body, Client, Credentials, Endpoint, Method, Proof, Security, Settings, Window, tls};
use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (flags, arguments): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let [host, port, ca_file, user] = arguments.as_slice() else {
        return Err("usage: pop3-fetch [--digests] [--plain] HOST PORT CA_FILE USER".into());
    };
    let digests = flags.iter().any(|f| f == "--digests");
    let method = flags.iter().any(|f| f == "--plain").then_some(Method::Plain);
    let endpoint = Endpoint {
        host: host.clone(),
        port: port.parse()?,
        security: Security::Tls(tls::connector(Some(Path::new(ca_file)), tls::Minimum::Tls12)?),
    };
    let proof = Proof::Password(std::env::var("POP3_PASSWORD")?.into());

    let began = Instant::now();
    let mut client = Client::connect(&endpoint, Settings::default()).await?;
    let method = client.login(&Credentials { user: user.clone(), proof }, method).await?;
    let entered = began.elapsed();
    let mails = client.list().await?;
    let listed = began.elapsed();
    client.plan(mails.iter().map(|m| (m.number, m.size)), Window::default());
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (mut count, mut octets) = (0_u64, 0_u64);
    while let Some(mail) = client.fetch().await? {
        let body = mail.outcome.map_err(|status| status.safe_text())?;
        count += 1;
        octets += body.size();
        if digests && let Body::Whole(bytes) = body {
            writeln!(out, "{} {} {}", mail.number, bytes.len(), RawMail::new(bytes).digest())?;
        }
    }
    let fetched = began.elapsed();
    let outcome = client.quit().await;
    out.flush()?;
    eprintln!(
        "{count} mails, {octets} octets; login by {method} after {entered:.1?}, listed after {listed:.1?}, fetched after \
         {fetched:.1?}, QUIT {outcome:?} after {:.1?}",
        began.elapsed()
    );
    Ok(())
}
