//! Every way to log in, and every kind of connection, with a real Dovecot.

use crate::harness::available;
use crate::harness::dovecot::Dovecot;
use crate::harness::pop3_server::{self, Pop3Server};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reply_ingest::pop3::{Client, Credentials, Endpoint, Method, Pop3Error, Proof, Security, Settings, tls};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const USER: &str = "ana";
const KEY: &[u8] = b"a key that both sides of the test know";

/// A Dovecot that takes JSON Web Tokens signed with [`KEY`]. One process takes all logins: each has ticket keys of its
/// own, and by default there is one for each connection.
fn dovecot(folder: &Path) -> Option<Dovecot> {
    let dir = folder.join("d");
    let keys = folder.join("keys/default/HS256");
    fs::create_dir_all(&keys).expect("makes");
    fs::write(keys.join("default"), STANDARD.encode(KEY)).expect("writes");
    let settings = folder.join("oauth2.conf");
    let text = format!(
        "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={}/keys/\nusername_attribute = sub\n",
        folder.display()
    );
    fs::write(&settings, text).expect("writes");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("opens");
    let extra = format!(
        "auth_mechanisms = plain login scram-sha-256 apop xoauth2 oauthbearer\n\
         service pop3-login {{\n  service_count = 0\n  process_limit = 1\n}}\n\
         passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {}\n}}\n",
        settings.display()
    );
    available(Dovecot::start_with(&dir, &[USER], &extra))
}

/// A token for the user, good for an hour; or one that has expired an hour ago.
fn token(good: bool) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (issued, expires) = if good { (now - 60, now + 3_600) } else { (now - 7_200, now - 3_600) };
    let text =
        [r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(), format!(r#"{{"sub":"{USER}","iat":{issued},"exp":{expires}}}"#)]
            .map(|part| URL_SAFE_NO_PAD.encode(part))
            .join(".");
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn password(text: &str) -> Credentials {
    Credentials { user: USER.to_owned(), proof: Proof::Password(text.to_owned().into()) }
}

fn with_token(good: bool) -> Credentials {
    Credentials { user: USER.to_owned(), proof: Proof::Token(token(good).into()) }
}

#[tokio::test]
async fn every_login_and_its_refusal() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = dovecot(folder.path()) else { return };
    let connector = tls::connector(Some(&dovecot.ca_file()), tls::Minimum::Tls12).expect("a connector");
    let endpoint = |port, security| Endpoint { host: "localhost".to_owned(), port, security };
    let (tls, clear) = (dovecot.pop3s_port(), dovecot.pop3_port());
    let right = password(&pop3_server::password(USER));
    let table = [
        (right.clone(), None, Method::ScramSha256),
        (right.clone(), Some(Method::UserPass), Method::UserPass),
        (right.clone(), Some(Method::Apop), Method::Apop),
        (right.clone(), Some(Method::Plain), Method::Plain),
        (right.clone(), Some(Method::Login), Method::Login),
        (with_token(true), None, Method::Oauthbearer),
        (with_token(true), Some(Method::Xoauth2), Method::Xoauth2),
    ];
    for (credentials, wanted, method) in &table {
        for (port, security) in
            [(tls, Security::Tls(connector.clone())), (clear, Security::Starttls(connector.clone()))]
        {
            // After STLS the timestamp of the greeting is not believed, and APOP has no other.
            if *method == Method::Apop && port == clear {
                continue;
            }
            let mut client = Client::connect(&endpoint(port, security), Settings::default()).await.expect("connects");
            assert_eq!(client.login(credentials, *wanted).await.expect("logs in"), *method);
            assert_eq!(client.list().await.expect("lists"), []);
            client.quit().await;
        }
        let wrong = match credentials.proof {
            Proof::Password(_) => password("wrong"),
            Proof::Token(_) => with_token(false),
        };
        let endpoint = endpoint(tls, Security::Tls(connector.clone()));
        let mut client = Client::connect(&endpoint, Settings::default()).await.expect("connects");
        let error = client.login(&wrong, *wanted).await.expect_err("is refused");
        assert!(error.is_credentials(), "{method}: {error}");
    }
}

#[tokio::test]
async fn a_second_mailbox_on_the_same_host_resumes_the_tls_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = dovecot(folder.path()) else { return };
    for minimum in [tls::Minimum::Tls12, tls::Minimum::Tls13] {
        let connector = tls::connector(Some(&dovecot.ca_file()), minimum).expect("a connector");
        let endpoint =
            Endpoint { host: "localhost".to_owned(), port: dovecot.pop3s_port(), security: Security::Tls(connector) };
        for resumed in [false, true, true] {
            let client = Client::connect(&endpoint, Settings::default()).await.expect("connects");
            assert_eq!(client.tls().expect("TLS").resumed, resumed);
            client.quit().await;
        }
    }
}

#[tokio::test]
async fn a_token_never_travels_in_clear() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = dovecot(folder.path()) else { return };
    let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: dovecot.pop3_port(), security: Security::Clear };
    let mut client = Client::connect(&endpoint, Settings::default()).await.expect("connects");
    let error = client.login(&with_token(true), None).await.expect_err("is refused");
    assert!(matches!(error, Pop3Error::LoginExchange(_)), "{error}");
    assert!(error.to_string().contains("not sent without TLS"), "{error}");
}
