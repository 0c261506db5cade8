//! From raw bytes to a mail that the later stations can ask.
//!
//! Takes the octets as the server sent them, gives [`RawMail`] (octets, digest, size) and
//! [`Mail`] (the MIME tree of mail-parser with the accessors that authentication, classification
//! and correlation share). Nothing here fails: what is not a mail becomes a mail without headers,
//! and the classifier says so.

mod address;
mod attachment;
mod charset;
mod crowd;
mod lines;
mod mail;
mod mentions;
mod nesting;
mod raw;
mod received;

pub use address::Address;
pub use attachment::Attachment;
pub use charset::{text_of, text_of_octets};
pub use lines::to_crlf;
pub use mail::{Mail, Part, addresses_in, addresses_of, headers_of, value_of};
pub use mentions::Mentions;
pub use raw::{Digest, Digester, RawMail};
pub use received::received_date;
