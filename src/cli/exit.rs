//! The exit codes: one table, here, in `--help` and in the README.

use crate::classify::RuleError;
use crate::config::ConfigError;
use crate::pipeline::{Failure, FailureClass};
use std::process::ExitCode;

/// The table as `--help` shows it.
pub const TABLE: &str = "\
Exit codes, and when several apply, the first of these:
  70  a fault of this program
  78  the configuration is wrong, or does not fit a server
  76  another worker has taken over
  69  Kafka cannot be reached or does not take events
  77  a server refused a login for good
  79  deletes were withheld by a guard: a person has to look
  75  a mailbox, a mail or a file failed and may work at the next run
  64  the command line is wrong
   0  everything was done";

/// How the program ended. The numbers are those of sysexits.h where it has one that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Success,
    Usage,
    Configuration,
    Fenced,
    Kafka,
    Credentials,
    Withheld,
    Temporary,
    Internal,
}

impl Exit {
    /// Every way to end.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::Usage,
        Self::Configuration,
        Self::Fenced,
        Self::Kafka,
        Self::Credentials,
        Self::Withheld,
        Self::Temporary,
        Self::Internal,
    ];

    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Usage => 64,
            Self::Kafka => 69,
            Self::Internal => 70,
            Self::Temporary => 75,
            Self::Fenced => 76,
            Self::Credentials => 77,
            Self::Configuration => 78,
            // sysexits.h ends with 78.
            Self::Withheld => 79,
        }
    }
}

impl From<FailureClass> for Exit {
    fn from(class: FailureClass) -> Self {
        match class {
            FailureClass::Internal => Self::Internal,
            FailureClass::Configuration => Self::Configuration,
            FailureClass::Fenced => Self::Fenced,
            FailureClass::Kafka => Self::Kafka,
            FailureClass::Credentials => Self::Credentials,
            FailureClass::Withheld => Self::Withheld,
            FailureClass::Temporary => Self::Temporary,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Says on stderr what went wrong, in one line or for rules in one line each, and gives the exit that goes with it.
pub fn fail(failure: &Failure) -> Exit {
    for line in failure.message.lines() {
        complain!("error: {line}");
    }
    failure.class.into()
}

/// Wrong rules: every mistake on a line of its own, as in a wrong configuration.
pub fn refused(error: &RuleError) -> Failure {
    match error {
        RuleError::Mistakes(_) => Failure { class: FailureClass::Configuration, message: error.to_string() },
        RuleError::Embedded(_) => Failure::new(FailureClass::Internal, error),
    }
}

/// A wrong configuration: every mistake on a line of its own, as compilers print them.
pub fn configuration(error: &ConfigError) -> Exit {
    match error {
        ConfigError::Mistakes { path, mistakes } => {
            for mistake in mistakes {
                complain!("error: {}", mistake.in_file(path));
            }
            Exit::Configuration
        }
        ConfigError::Read { .. } => fail(&Failure::new(FailureClass::Configuration, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, TABLE};

    #[test]
    fn the_table_has_every_code() {
        for exit in Exit::ALL {
            assert!(
                TABLE.lines().any(|l| l.trim_start().starts_with(&format!("{} ", exit.code()))),
                "{exit:?} is missing"
            );
        }
    }
}
