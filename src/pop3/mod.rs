//! A POP3 client (RFC 1939, 2449, 2595, 3206, 5034, 6856, 8314).
//!
//! The core is sans-IO: [`codec`] turns octets into replies, [`session`] pairs replies with the commands that
//! were sent, [`login`] is the exchange of each way to log in, [`listing`] reads LIST and UIDL; none of them knows
//! a socket or a clock. [`client`] and [`transport`] are the thin rest: TCP, TLS, time-outs.
//!
//! What it holds to: a body is given out only after its terminator was seen, so a connection cut
//! in mid-RETR is an error and never a short mail; octets that no command asked for end the
//! connection without QUIT, so that no DELE commits; DELE counts only after QUIT was answered, and
//! an unanswered QUIT is *unknown*, which the next UIDL settles. LIST's sizes are hints: they bound what is asked
//! for ahead, never what is read.
//!
//! It needs nothing of the rest of this program.
//!
//! ```no_run
//! use reply_ingest::pop3::{Client, Credentials, Endpoint, Proof, Security, Settings, Window, tls};
//!
//! # async fn example() -> Result<(), reply_ingest::pop3::Pop3Error> {
//! let endpoint = Endpoint {
//!     host: "pop.example.com".to_owned(),
//!     port: 995,
//!     security: Security::Tls(tls::connector(None, tls::Minimum::Tls12)?),
//! };
//! let mut client = Client::connect(&endpoint, Settings::default()).await?;
//! let proof = Proof::Password("secret".to_owned().into());
//! client.login(&Credentials { user: "ana".to_owned(), proof }, None).await?;
//! let mails = client.list().await?;
//! client.plan(mails.iter().map(|m| (m.number, m.size)), Window::default());
//! let mut done = Vec::new();
//! while let Some(mail) = client.fetch().await? {
//!     match mail.outcome {
//!         Ok(body) => {
//!             println!("mail {}: {} octets", mail.number, body.size());
//!             done.push(mail.number);
//!         }
//!         Err(status) => println!("mail {}: refused ({})", mail.number, status.safe_text()),
//!     }
//! }
//! client.delete(&done).await?;
//! // Dropping the client instead would leave every mail where it is.
//! let outcome = client.quit().await;
//! # let _ = outcome;
//! # Ok(())
//! # }
//! ```

pub mod capability;
pub mod certificate;
pub mod client;
pub mod codec;
pub mod command;
mod error;
pub mod listing;
pub mod login;
pub mod reply;
pub mod session;
pub mod tls;
pub mod transport;

pub use capability::Capabilities;
pub use client::{Client, Fetched, QuitOutcome, Settings, Window};
pub use codec::Body;
pub use error::{Pop3Error, Retry};
pub use listing::Listed;
pub use login::{Credentials, Method, Proof};
pub use reply::{ResponseCode, Status};
pub use transport::{Endpoint, Security};
