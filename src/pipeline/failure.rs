//! What went wrong, as far as the exit code and the next person need to know.

use crate::archive::ArchiveError;
use crate::ledger::LedgerError;
use crate::pop3::Pop3Error;
use crate::sink::KafkaError;
#[cfg(feature = "schema-registry")]
use crate::sink::RegistryError;
use crate::token::TokenError;

/// Classes of failures, the one that needs a person most first. When mailboxes fail differently,
/// the first class in this order decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureClass {
    /// A fault of this program.
    Internal,
    /// A setting must be changed.
    Configuration,
    /// Another worker has taken over.
    Fenced,
    /// Kafka does not take events.
    Kafka,
    /// A server refused a login.
    Credentials,
    /// A guard withheld deletes until a person has looked.
    Withheld,
    /// It may work at the next run.
    Temporary,
}

impl FailureClass {
    /// The class of an error that says of itself whether credentials or a setting are wrong.
    fn of(credentials: bool, configuration: bool) -> Self {
        match (credentials, configuration) {
            (true, _) => Self::Credentials,
            (false, true) => Self::Configuration,
            (false, false) => Self::Temporary,
        }
    }
}

/// A failure: its class and one line for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub class: FailureClass,
    pub message: String,
}

impl Failure {
    /// A failure with the chain of its causes on one line.
    #[must_use]
    pub fn new(class: FailureClass, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Self { class, message: message.replace(['\r', '\n'], " ") }
    }
}

impl From<Pop3Error> for Failure {
    fn from(error: Pop3Error) -> Self {
        Self::new(FailureClass::of(error.is_credentials(), error.is_configuration()), &error)
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        Self::new(FailureClass::of(false, error.is_configuration()), &error)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::new(FailureClass::of(error.is_credentials(), error.is_configuration()), &error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let class = match error {
            LedgerError::Open { .. } | LedgerError::Kafka(KafkaError::Setting(_)) => FailureClass::Configuration,
            LedgerError::InUse { .. } | LedgerError::Full { .. } | LedgerError::Store(_) => FailureClass::Temporary,
            LedgerError::Kafka(_) | LedgerError::Unwritten { .. } | LedgerError::Unacknowledged { .. } => {
                FailureClass::Kafka
            }
            LedgerError::Fenced { .. } => FailureClass::Fenced,
        };
        Self::new(class, &error)
    }
}

#[cfg(feature = "schema-registry")]
impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        // Who runs Kafka runs its registry too.
        let class = if error.is_configuration() { FailureClass::Configuration } else { FailureClass::Kafka };
        Self::new(class, &error)
    }
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        let class = match error {
            KafkaError::Setting(_) => FailureClass::Configuration,
            KafkaError::Unavailable { .. }
            | KafkaError::Topic { .. }
            | KafkaError::Unfit { .. }
            | KafkaError::NotMade { .. }
            | KafkaError::Held { .. } => FailureClass::Kafka,
        };
        Self::new(class, &error)
    }
}
