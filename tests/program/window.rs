//! The window of commands sent ahead stays full: one round trip fetches a window of mails.

use reply_ingest::pop3::{Client, Credentials, Endpoint, Proof, Security, Settings, Window};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const MAILS: usize = 40;
const WINDOW: usize = 4;

/// Answers what has come once nothing more comes, as if the line were long; gives the number of rounds with RETR.
fn serve(mut stream: &TcpStream) -> std::io::Result<usize> {
    // Long enough that a busy machine does not make two rounds of one.
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    stream.write_all(b"+OK ready\r\n")?;
    let (mut commands, mut rounds, mut into) = (String::new(), 0, [0; 4096]);
    loop {
        match stream.read(&mut into) {
            Ok(0) => return Ok(rounds),
            Ok(read) => commands.push_str(&String::from_utf8_lossy(&into[..read])),
            Err(_) if commands.is_empty() => {}
            Err(_) => {
                rounds += usize::from(commands.contains("RETR"));
                let mut out = String::new();
                for line in commands.lines() {
                    match line {
                        "CAPA" => out.push_str("+OK\r\nPIPELINING\r\nUIDL\r\nUSER\r\n.\r\n"),
                        "LIST" | "UIDL" => {
                            out.push_str("+OK\r\n");
                            (1..=MAILS).for_each(|n| writeln!(out, "{n} 14\r").expect("writes"));
                            out.push_str(".\r\n");
                        }
                        line if line.starts_with("RETR") => out.push_str("+OK\r\nSubject: x\r\n\r\n.\r\n"),
                        _ => out.push_str("+OK\r\n"),
                    }
                }
                commands.clear();
                stream.write_all(out.as_bytes())?;
            }
        }
    }
}

#[tokio::test]
async fn a_round_trip_for_a_window_of_mails() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = thread::spawn(move || serve(&listener.accept().expect("a client").0).expect("serves"));
    let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port, security: Security::Clear };
    let mut client = Client::connect(&endpoint, Settings::default()).await.expect("connects");
    let proof = Proof::Password("secret".to_owned().into());
    client.login(&Credentials { user: "ana".to_owned(), proof }, None).await.expect("logs in");
    let mails = client.list().await.expect("lists");
    client.plan(mails.iter().map(|m| (m.number, m.size)), Window { count: WINDOW, octets: 1 << 20 });
    let mut fetched = Vec::new();
    while let Some(mail) = client.fetch().await.expect("fetches") {
        fetched.push(mail.number);
    }
    client.quit().await;
    assert!(fetched.iter().copied().eq(1..=u32::try_from(MAILS).expect("small")), "{fetched:?}");
    let rounds = server.join().expect("ends");
    assert!(rounds <= MAILS / WINDOW + 1, "{rounds} rounds for {MAILS} mails, {WINDOW} at once");
}
