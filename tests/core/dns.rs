//! Name servers that misbehave, over real sockets: each question has an answer in its time.

use hickory_resolver::proto::op::{Message, OpCode};
use hickory_resolver::proto::rr::rdata::{CNAME, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record};
use reply_ingest::auth::dns::{Code, RecordType, Resolver, SystemResolver};
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

type Answers = fn(&Message) -> Vec<Vec<u8>>;

/// A server that sends these datagrams for a question.
fn server(answers: Answers) -> SystemResolver {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((size, peer)) = socket.recv_from(&mut buffer) {
            let query = Message::from_vec(&buffer[..size]).expect("a question");
            for datagram in answers(&query) {
                let _ = socket.send_to(&datagram, peer);
            }
        }
    });
    SystemResolver::new(&[address], Duration::from_millis(700)).expect("a resolver")
}

fn response(query: &Message) -> Message {
    let mut response = Message::response(query.metadata.id, OpCode::Query);
    response.metadata.recursion_available = true;
    response.add_query(query.queries[0].clone());
    response
}

fn alias(from: &Name, to: &str) -> Record {
    Record::from_rdata(from.clone(), 60, RData::CNAME(CNAME(Name::from_ascii(to).expect("a name"))))
}

fn text(name: &Name, text: &str) -> Record {
    Record::from_rdata(name.clone(), 60, RData::TXT(TXT::new(vec![text.to_owned()])))
}

fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().expect("a message")
}

/// What the first label of the name asks for.
fn misbehave(query: &Message) -> Vec<Vec<u8>> {
    let name = query.queries[0].name().clone();
    let mut right = response(query);
    match String::from_utf8_lossy(name.iter().next().unwrap_or_default()).as_ref() {
        "good" => right.add_answer(text(&name, "good")),
        // An alias and what it stands for, as recursive servers send them.
        "alias" => {
            right.add_answer(alias(&name, "good.example."));
            right.add_answer(text(&Name::from_ascii("good.example.").expect("a name"), "good"))
        }
        "loop" => right.add_answer(alias(&name, "pool.example.")),
        "pool" => right.add_answer(alias(&name, "loop.example.")),
        "self" => right.add_answer(alias(&name, &name.to_ascii())),
        "chain" => right.add_answer(alias(&name, &format!("chain.x{}", name.to_ascii()))),
        // Somebody else answers first: another id, another name, no DNS at all. The right answer follows.
        "forged" => {
            let mut other_id = response(query);
            other_id.metadata.id = query.metadata.id.wrapping_add(1);
            other_id.add_answer(text(&name, "forged"));
            right.add_answer(text(&name, "good"));
            return vec![b"\xff\xff".to_vec(), bytes(&other_id), bytes(&right)];
        }
        "garbage" => return vec![vec![0xc0; 600]],
        "cut" => {
            right.add_answer(text(&name, "good"));
            let mut half = bytes(&right);
            half.truncate(half.len() - 5);
            return vec![half];
        }
        // Too long for a datagram, and nobody listens to TCP.
        "truncated" => {
            right.metadata.truncation = true;
            &mut right
        }
        "unrelated" => right.add_answer(text(&Name::from_ascii("other.example.").expect("a name"), "other")),
        _ => return Vec::new(),
    };
    vec![bytes(&right)]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_ends() {
    let resolver = server(misbehave);
    // name, what is said, whether that may pass
    let mut wrong = Vec::new();
    for (name, text, temporary) in [
        ("good.example", Some("good"), false),
        ("alias.example", Some("good"), false),
        ("forged.example", Some("good"), false),
        ("loop.example", None, false),
        ("self.example", None, false),
        ("chain.example", None, false),
        ("silent.example", None, true),
        ("garbage.example", None, true),
        ("cut.example", None, true),
        ("truncated.example", None, true),
        ("unrelated.example", None, false),
    ] {
        let answer = tokio::time::timeout(Duration::from_secs(20), resolver.lookup(name, RecordType::Txt)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{name} has no end"));
        let found = answer.txt().next().map(String::from_utf8_lossy);
        if found.as_deref() != text || answer.is_temporary() != temporary {
            wrong.push(format!("{name}: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(resolver.lookup("silent.example", RecordType::A).await.code, Code::TimedOut);
}
