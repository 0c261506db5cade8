//! A DNS server for one small zone, over UDP and TCP on loopback.

use crate::auth::dns::{Answer, Code, Record, RecordType, Resolver, Zone};
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, PTR, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record as WireRecord, RecordType as WireType};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinHandle, JoinSet};

/// The TTL of every answer.
const TTL: u32 = 300;
/// What fits into a datagram on every path (the DNS flag day of 2020); more is for TCP.
const UDP_SIZE: usize = 1_232;
const PORTS_TRIED: usize = 20;

/// A line of the zone file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("zone, line {line}: {problem}")]
pub struct ZoneError {
    pub line: usize,
    pub problem: &'static str,
}

/// Reads a zone file: `name. TYPE data` a line, `{dkim:NAME}` for a key's TXT value,
/// `!SERVFAIL` for a failure.
///
/// # Errors
/// When a line cannot be read.
pub fn read_zone(text: &str, keys: &[(&str, String)]) -> Result<Zone, ZoneError> {
    let mut zone = Zone::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |problem| ZoneError { line: at + 1, problem };
        let (name, rest) = line.split_once(' ').ok_or_else(|| wrong("no type"))?;
        let (rtype, data) = rest.trim().split_once(' ').ok_or_else(|| wrong("no data"))?;
        let data = data.trim();
        if data == "!SERVFAIL" {
            zone.add_code(name, type_of(rtype).ok_or_else(|| wrong("unknown type"))?, Code::ServFail);
            continue;
        }
        let host = |text: &str| text.trim_end_matches('.').to_owned();
        let record = match rtype {
            "A" => Record::A(data.parse().map_err(|_| wrong("no IPv4 address"))?),
            "AAAA" => Record::Aaaa(data.parse().map_err(|_| wrong("no IPv6 address"))?),
            "MX" => {
                let (preference, exchange) = data.split_once(' ').ok_or_else(|| wrong("no MX"))?;
                Record::Mx {
                    preference: preference.parse().map_err(|_| wrong("no preference"))?,
                    exchange: host(exchange),
                }
            }
            "PTR" => Record::Ptr(host(data)),
            "TXT" => {
                let key = keys.iter().find(|(name, _)| data == format!("{{dkim:{name}}}"));
                Record::Txt(key.map_or(data.trim_matches('"'), |(_, value)| value).as_bytes().to_vec())
            }
            _ => return Err(wrong("unknown type")),
        };
        zone.add(name, record);
    }
    Ok(zone)
}

fn type_of(text: &str) -> Option<RecordType> {
    Some(match text {
        "A" => RecordType::A,
        "AAAA" => RecordType::Aaaa,
        "MX" => RecordType::Mx,
        "PTR" => RecordType::Ptr,
        "TXT" => RecordType::Txt,
        _ => return None,
    })
}

/// A name server on loopback; ends when it is dropped.
pub struct DnsServer {
    port: u16,
    tasks: [JoinHandle<()>; 2],
}

impl DnsServer {
    /// Serves `zone` on a free port. To a question that is to time out it says nothing.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(zone: Zone) -> io::Result<Self> {
        let zone = Arc::new(zone);
        for _ in 0..PORTS_TRIED {
            let socket = UdpSocket::bind(("127.0.0.1", 0)).await?;
            let port = socket.local_addr()?.port();
            // The same port may be another program's over TCP.
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
                let tasks =
                    [tokio::spawn(serve_udp(socket, Arc::clone(&zone))), tokio::spawn(serve_tcp(listener, zone))];
                return Ok(Self { port, tasks });
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Zone>) {
    let mut buffer = vec![0; 4096];
    while let Ok((len, peer)) = socket.recv_from(&mut buffer).await {
        let Some(query) = buffer.get(..len).and_then(|b| Message::from_vec(b).ok()) else { continue };
        let Some(mut response) = answer(&query, &zone).await else { continue };
        if response.to_vec().is_ok_and(|bytes| bytes.len() > UDP_SIZE) {
            response.answers.clear();
            response.metadata.truncation = true;
        }
        if let Ok(bytes) = response.to_vec() {
            let _ = socket.send_to(&bytes, peer).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Zone>) {
    // They end with this task.
    let mut conversations = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let zone = Arc::clone(&zone);
        conversations.spawn(async move { converse(stream, &zone).await });
    }
}

/// Messages with their lengths in front (RFC 1035 section 4.2.2).
async fn converse(mut stream: TcpStream, zone: &Zone) -> io::Result<()> {
    loop {
        let mut query = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut query).await?;
        let query = Message::from_vec(&query).map_err(io::Error::other)?;
        let Some(response) = answer(&query, zone).await else { continue };
        let bytes = response.to_vec().map_err(io::Error::other)?;
        stream.write_u16(u16::try_from(bytes.len()).map_err(io::Error::other)?).await?;
        stream.write_all(&bytes).await?;
    }
}

/// `None` where the zone is silent.
async fn answer(query: &Message, zone: &Zone) -> Option<Message> {
    let mut response = Message::response(query.metadata.id, OpCode::Query);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.metadata.authoritative = true;
    if let Some(edns) = &query.edns {
        response.set_edns(edns.clone());
    }
    let Some(question) = query.queries.first() else {
        response.metadata.response_code = ResponseCode::FormErr;
        return Some(response);
    };
    response.add_query(question.clone());
    let name = question.name();
    // Not in presentation form: a label may hold any octet.
    let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
    let text = labels.join(".");
    let found = match question.query_type() {
        WireType::A => zone.lookup(&text, RecordType::A).await,
        WireType::AAAA => zone.lookup(&text, RecordType::Aaaa).await,
        WireType::MX => zone.lookup(&text, RecordType::Mx).await,
        WireType::PTR => zone.lookup(&text, RecordType::Ptr).await,
        WireType::TXT => zone.lookup(&text, RecordType::Txt).await,
        _ => Arc::new(Answer::empty(Code::NoError)),
    };
    response.metadata.response_code = match found.code {
        Code::NoError => ResponseCode::NoError,
        Code::NxDomain | Code::BadName => ResponseCode::NXDomain,
        Code::ServFail => ResponseCode::ServFail,
        Code::TimedOut => return None,
    };
    for data in found.records.iter().filter_map(wire) {
        response.add_answer(WireRecord::from_rdata(name.clone(), TTL, data));
    }
    Some(response)
}

fn wire(record: &Record) -> Option<RData> {
    let name = |text: &str| {
        let labels: Vec<&[u8]> = text.trim_end_matches('.').split('.').map(str::as_bytes).collect();
        let mut name = if labels == [b""] { Name::root() } else { Name::from_labels(labels).ok()? };
        name.set_fqdn(true);
        Some(name)
    };
    Some(match record {
        Record::A(ip) => RData::A(A(*ip)),
        Record::Aaaa(ip) => RData::AAAA(AAAA(*ip)),
        Record::Mx { preference, exchange } => RData::MX(MX::new(*preference, name(exchange)?)),
        Record::Ptr(host) => RData::PTR(PTR(name(host)?)),
        // One character string holds at most 255 octets (RFC 1035 section 3.3).
        Record::Txt(text) if text.is_empty() => RData::TXT(TXT::from_bytes(vec![b""])),
        Record::Txt(text) => RData::TXT(TXT::from_bytes(text.chunks(255).collect())),
    })
}

#[cfg(test)]
mod tests {
    use super::{DnsServer, read_zone};
    use crate::auth::dns::{Code, Record, RecordType, Resolver, SystemResolver};
    use std::time::Duration;

    #[tokio::test]
    async fn the_zone_answers_over_udp_and_tcp() {
        let text = "# a zone\na.example. A 192.0.2.1\na.example. TXT \"v=spf1 -all\"\nk.example. TXT {dkim:rsa}\n\
                    bad.example. TXT !SERVFAIL\na.example. MX 10 mx.a.example.\n";
        let long = format!("v=DKIM1; p={}", "A".repeat(400));
        let mut zone = read_zone(text, &[("rsa", long.clone())]).expect("a right zone");
        // Too long for a datagram: over TCP.
        zone.add("huge.example", Record::Txt(vec![b'x'; 16_000]));
        // Longer than any policy or key.
        zone.add("endless.example", Record::Txt(vec![b'x'; 60_000]));
        zone.add("sp ace.example", Record::Txt(b"odd".to_vec()));
        zone.add("odd.example", Record::Txt(Vec::new()));
        zone.add("odd.example", Record::Mx { preference: 5, exchange: "a:b/c d.example".to_owned() });
        let server = DnsServer::start(zone.clone()).await.expect("starts");
        let address = format!("127.0.0.1:{}", server.port()).parse().expect("an address");
        let resolver = SystemResolver::new(&[address], Duration::from_secs(2)).expect("a resolver");
        for (name, rtype) in [
            ("a.example", RecordType::A),
            ("A.example", RecordType::Txt),
            ("a.example", RecordType::Mx),
            ("a.example", RecordType::Aaaa),
            ("k.example", RecordType::Txt),
            ("nowhere.example", RecordType::Txt),
            ("huge.example", RecordType::Txt),
            ("sp ace.example", RecordType::Txt),
            ("odd.example", RecordType::Txt),
            ("odd.example", RecordType::Mx),
            ("bad.example", RecordType::Txt),
        ] {
            let (asked, direct) = (resolver.lookup(name, rtype).await, zone.lookup(name, rtype).await);
            assert_eq!((asked.code, &asked.records), (direct.code, &direct.records), "{name} {rtype:?}");
        }
        let endless = resolver.lookup("endless.example", RecordType::Txt).await;
        assert_eq!((endless.code, endless.records.len()), (Code::NoError, 0));
        assert_eq!(resolver.lookup("k.example", RecordType::Txt).await.txt().next(), Some(long.as_bytes()));
        drop(server);
        assert_eq!(resolver.lookup("a.example", RecordType::A).await.code, Code::TimedOut);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = read_zone("a. A 192.0.2.1\nb. A nonsense\n", &[]).expect_err("is wrong");
        assert_eq!(error.line, 2);
    }
}
