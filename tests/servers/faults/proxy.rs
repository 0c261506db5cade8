//! A TCP proxy that cuts a connection, or lets it hang, after so many octets.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// After so many octets …
    pub after: u64,
    /// … of the client's, or else of the server's …
    pub of_client: bool,
    /// … nothing more passes; otherwise both ends are closed.
    pub hangs: bool,
}

/// Forwards to a port of this machine.
pub struct Proxy {
    port: u16,
    next: Arc<Mutex<Vec<Fault>>>,
}

impl Proxy {
    pub fn start(to: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens");
        let port = listener.local_addr().expect("an address").port();
        let next: Arc<Mutex<Vec<Fault>>> = Arc::default();
        let faults = Arc::clone(&next);
        // It ends with the test process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let fault = faults.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { continue };
                let of = |of_client| fault.filter(|f| f.of_client == of_client);
                let (up, down) = (of(true), of(false));
                let pairs = client.try_clone().and_then(|c| Ok((c, server.try_clone()?)));
                let Ok((client_out, server_out)) = pairs else { continue };
                thread::spawn(move || forward(client, server_out, up));
                thread::spawn(move || forward(server, client_out, down));
            }
        });
        Self { port, next }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next connections have these faults, the last of them first; those after them have none.
    pub fn plan(&self, faults: Vec<Fault>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, fault: Option<Fault>) {
    let mut left = fault.map_or(u64::MAX, |f| f.after);
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let passed = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        if write(&mut to, &buffer[..passed]).is_err() {
            break;
        }
        left = left.saturating_sub(passed as u64);
        if left == 0 {
            if fault.is_some_and(|f| f.hangs) {
                // Longer than the worker waits.
                thread::sleep(Duration::from_secs(20));
            }
            break;
        }
    }
    for end in [&from, &to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}

fn write(to: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
