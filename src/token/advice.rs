//! What a refusal means, in the words of whoever has to do something about it.

use super::error::Class;

/// Whose endpoint it is, as far as the advice differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    Microsoft,
    Google,
    Other,
}

impl Provider {
    /// By the endpoint's host name.
    pub(super) fn of(host: &str) -> Self {
        let is = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        // The clouds of governments and of China have names of their own.
        if [
            "microsoftonline.com",
            "microsoftonline.us",
            "login.microsoft.com",
            "login.windows.net",
            "microsoftonline.cn",
        ]
        .into_iter()
        .any(is)
        {
            Self::Microsoft
        } else if is("googleapis.com") || is("google.com") {
            Self::Google
        } else {
            Self::Other
        }
    }
}

/// What an error code (RFC 6749 section 5.2, and the extensions that occur) asks for, and how to do it.
pub(super) fn refusal(code: &str, status: u16, provider: Provider) -> (Class, &'static str) {
    use Provider::{Google, Microsoft};
    match (code, provider) {
        ("invalid_client", Microsoft) => (
            Class::Credentials,
            "check client_id, and make a new client secret in the app registration when the old one has expired; it is the secret's value that is needed, not its id",
        ),
        ("invalid_client" | "deleted_client" | "disabled_client", _) => (
            Class::Credentials,
            "check client_id and client_secret: the client may have been deleted, its secret may have been replaced or have expired",
        ),
        ("invalid_grant", Google) => (
            Class::Credentials,
            "the refresh token was revoked or has expired (after seven days while the consent screen is in testing, after six months without use): give consent again with the scope https://mail.google.com/ and set the new refresh_token",
        ),
        ("invalid_grant", Microsoft) => (
            Class::Credentials,
            "the refresh token was revoked or has expired, or belongs to another client: sign in again and set the new refresh_token, or use client_secret without a refresh token",
        ),
        ("invalid_grant", _) => (
            Class::Credentials,
            "the refresh token was revoked or has expired, or belongs to another client: get a new one and set refresh_token",
        ),
        (
            "unauthorized_client" | "access_denied" | "consent_required" | "interaction_required" | "login_required",
            Microsoft,
        ) => (
            Class::Credentials,
            "check the tenant in the url and client_id; the app needs the application permission POP.AccessAsApp with admin consent, and its service principal the mailbox (Add-MailboxPermission)",
        ),
        ("unauthorized_client" | "access_denied", Google) => (
            Class::Credentials,
            "the refresh token must have been given to this very client_id, for the scope https://mail.google.com/, and the organisation must allow the application",
        ),
        (
            "unauthorized_client" | "access_denied" | "consent_required" | "interaction_required" | "login_required",
            _,
        ) => (
            Class::Credentials,
            "the client is not allowed to have this token: ask who runs the endpoint to permit it, with access to POP3",
        ),
        ("invalid_scope", Microsoft) => (
            Class::Configuration,
            "set scope to https://outlook.office365.com/.default; with a refresh token it may be left out",
        ),
        ("invalid_scope", Google) => {
            (Class::Configuration, "set scope to https://mail.google.com/, or leave it out with a refresh token")
        }
        ("invalid_scope", _) => (Class::Configuration, "check scope: ask who runs the endpoint which one is for POP3"),
        ("unsupported_grant_type", Google) => (
            Class::Configuration,
            "set refresh_token: without one this endpoint gives no token for a mailbox; for a service account use oauth.command",
        ),
        ("unsupported_grant_type", _) => (
            Class::Configuration,
            "it takes another grant: with refresh_token the grant is refresh_token, without one it is client_credentials",
        ),
        ("temporarily_unavailable" | "server_error" | "internal_failure" | "slow_down" | "rate_limit_exceeded", _) => {
            (Class::Temporary, "nothing is to be done, it may work later")
        }
        ("invalid_request", Microsoft) => {
            (Class::Configuration, "check the tenant in the url, client_id, scope, and that client_secret is set")
        }
        // An unknown code, or invalid_request.
        _ if matches!(status, 401 | 403) => (Class::Credentials, "check client_id, client_secret and refresh_token"),
        _ => (Class::Configuration, "check url, client_id, client_secret, refresh_token and scope"),
    }
}

/// What a status says that comes without an error code.
pub(super) fn status(status: u16) -> (Class, &'static str) {
    match status {
        401 | 403 => {
            (Class::Credentials, "check client_id, client_secret and refresh_token, and whether a proxy says so")
        }
        408 | 425 | 429 | 500.. => (Class::Temporary, "nothing is to be done, it may work later"),
        _ => (Class::Configuration, "check url"),
    }
}

/// When tokens are had and the POP3 server does not take them.
pub(super) fn login(provider: Option<Provider>) -> &'static str {
    match provider {
        Some(Provider::Microsoft) => {
            "the app needs the application permission POP.AccessAsApp with admin consent, its service principal the mailbox (New-ServicePrincipal, Add-MailboxPermission), scope must be https://outlook.office365.com/.default, and POP must be enabled for the mailbox"
        }
        Some(Provider::Google) => {
            "the refresh token must be of this very mailbox's user, with the scope https://mail.google.com/, and POP must be enabled in the mailbox's settings"
        }
        _ => {
            "the token must be for this mailbox, with a scope that covers POP3, and POP3 must be allowed for the mailbox"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Provider, login, refusal, status};
    use crate::token::error::Class;

    #[test]
    fn hosts_of_providers() {
        for (host, provider) in [
            ("login.microsoftonline.com", Provider::Microsoft),
            ("login.microsoftonline.us", Provider::Microsoft),
            ("login.partner.microsoftonline.cn", Provider::Microsoft),
            ("oauth2.googleapis.com", Provider::Google),
            ("accounts.google.com", Provider::Google),
            ("notgoogle.com", Provider::Other),
            ("google.com.example", Provider::Other),
            ("127.0.0.1", Provider::Other),
        ] {
            assert_eq!(Provider::of(host), provider, "{host}");
        }
    }

    #[test]
    fn every_code_has_its_class_and_advice() {
        for (code, http, class) in [
            ("invalid_client", 401, Class::Credentials),
            ("invalid_grant", 400, Class::Credentials),
            ("unauthorized_client", 400, Class::Credentials),
            ("access_denied", 403, Class::Credentials),
            ("interaction_required", 400, Class::Credentials),
            ("invalid_scope", 400, Class::Configuration),
            ("invalid_request", 400, Class::Configuration),
            ("unsupported_grant_type", 400, Class::Configuration),
            ("temporarily_unavailable", 400, Class::Temporary),
            ("made_up", 400, Class::Configuration),
            ("made_up", 401, Class::Credentials),
        ] {
            for provider in [Provider::Microsoft, Provider::Google, Provider::Other] {
                let (found, advice) = refusal(code, http, provider);
                assert_eq!(found, class, "{code} {http} {provider:?}");
                assert!(!advice.is_empty());
            }
        }
        assert!(refusal("unauthorized_client", 400, Provider::Microsoft).1.contains("POP.AccessAsApp"));
        assert!(refusal("invalid_grant", 400, Provider::Google).1.contains("https://mail.google.com/"));
        assert!(login(Some(Provider::Microsoft)).contains("Add-MailboxPermission"));
    }

    #[test]
    fn statuses() {
        for (code, class) in [
            (400, Class::Configuration),
            (401, Class::Credentials),
            (404, Class::Configuration),
            (429, Class::Temporary),
            (500, Class::Temporary),
            (503, Class::Temporary),
            (599, Class::Temporary),
        ] {
            assert_eq!(status(code).0, class, "{code}");
        }
    }
}
