//! Addresses that servers wrapped on the way: BATV, SRS and their like.

/// Wrappings within each other.
const MAX_LAYERS: usize = 4;

/// The address inside, or `None` where nothing is wrapped. Nothing is verified: the hashes in a wrapping are its
/// maker's, and what is inside must be ours by itself.
#[must_use]
pub fn unwrapped(address: &str) -> Option<String> {
    let mut inside = once(address)?;
    for _ in 1..MAX_LAYERS {
        match once(&inside) {
            Some(next) => inside = next,
            None => break,
        }
    }
    Some(inside)
}

fn once(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    // BATV (draft-levine-smtp-batv): prvs=TAG=local; SparkPost's msprvs1 and Barracuda's btv1 look like it.
    for scheme in ["prvs=", "msprvs1="] {
        if let Some(rest) = strip(local, scheme) {
            let (_, inner) = rest.split_once('=')?;
            return joined(inner, domain);
        }
    }
    if let Some(rest) = strip(local, "btv1==") {
        let (_, inner) = rest.split_once("==")?;
        return joined(inner, domain);
    }
    // The Sender Rewriting Scheme: SRS0=HASH=TIME=domain=local, and SRS1=HASH=forwarder==HASH=TIME=domain=local.
    // What follows the scheme's name may also be + or -.
    let rest = if let Some(rest) = strip(local, "SRS0") {
        rest.strip_prefix(['=', '+', '-'])?
    } else {
        let rest = strip(local, "SRS1")?.strip_prefix(['=', '+', '-'])?;
        let (_, rest) = rest.split_once('=')?;
        let (_, rest) = rest.split_once('=')?;
        rest.strip_prefix(['=', '+', '-'])?
    };
    let mut parts = rest.splitn(4, '=');
    let (_hash, _time, domain, local) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    joined(local, domain)
}

fn joined(local: &str, domain: &str) -> Option<String> {
    (!local.is_empty() && domain.contains('.')).then(|| format!("{local}@{domain}"))
}

fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::unwrapped;

    #[test]
    fn what_servers_wrap() {
        let table = [
            ("prvs=0123456789=ana@example.org", Some("ana@example.org")),
            ("PRVS=0123456789=b+c.s=x@example.org", Some("b+c.s=x@example.org")),
            ("msprvs1=20123abc=bounces-1@example.org", Some("bounces-1@example.org")),
            ("btv1==012abc==ana@example.org", Some("ana@example.org")),
            ("SRS0=HHH=TT=example.org=ana@relay.example", Some("ana@example.org")),
            ("srs0+hhh=tt=example.org=b+c.s=x@relay.example", Some("b+c.s=x@example.org")),
            ("SRS1=GGG=one.example==HHH=TT=example.org=ana@two.example", Some("ana@example.org")),
            ("SRS0=HHH=TT=example.org=prvs=0123456789=ana@relay.example", Some("ana@example.org")),
            ("SRS0=HHH=TT=example.org@relay.example", None),
            ("SRS1=GGG@two.example", None),
            ("prvs=ana@example.org", None),
            ("ana@example.org", None),
            ("ana", None),
        ];
        for (given, expected) in table {
            assert_eq!(unwrapped(given).as_deref(), expected, "{given}");
        }
    }
}
