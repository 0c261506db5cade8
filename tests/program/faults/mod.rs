//! Servers that misbehave: nothing lost, nothing published twice, nothing deleted that was not
//! published, and the right exit code.

mod bench;
mod broken;
mod desync;
mod framing;
mod lies;
mod login;
mod mailbox;
mod table;
mod tls;

/// A reply, as people write them.
fn mail(number: usize) -> Vec<u8> {
    format!(
        "From: Ana <ana{number}@customer.example>\r\nTo: replies@campaigns.example\r\nSubject: Re: Offer {number}\r\nMessage-ID: <m{number}@customer.example>\r\nIn-Reply-To: <x@campaigns.example>\r\n\r\nYes please, number {number}.\r\n"
    )
    .into_bytes()
}

fn mails(count: usize) -> Vec<Vec<u8>> {
    (1..=count).map(mail).collect()
}
