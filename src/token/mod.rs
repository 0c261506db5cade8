use crate::config::{Secret, TokenSource};
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct TokenError;
impl TokenError {
    pub fn is_temporary(&self) -> bool {
        false
    }
    pub fn is_credentials(&self) -> bool {
        false
    }
    pub fn is_configuration(&self) -> bool {
        false
    }
}
pub struct Tokens;
impl Tokens {
    pub fn new(_: &TokenSource, _: std::time::Duration) -> Result<Self, TokenError> {
        Err(TokenError)
    }
    pub async fn token(&self, _: chrono::DateTime<chrono::Utc>) -> Result<Secret, TokenError> {
        Err(TokenError)
    }
    pub async fn refused(&self, _: &Secret) {}
}
