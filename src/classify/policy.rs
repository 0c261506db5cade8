//! Which bounces are hard, and which of them mean: mail this address no more.
//!
//! A matter of policy, not of what servers said: the configuration can change it (`bounces`).

use crate::event::{BounceType, Category};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What follows from a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BouncePolicy {
    /// The type of a category's permanent bounces, where it is not the usual one: `mailbox_full: hard`. What a server
    /// called temporary (4yz, 4.x.x) is soft whatever stands here.
    #[serde(default)]
    pub types: BTreeMap<Category, BounceType>,
    /// Categories whose hard bounces set `suppress`, where the report belongs to a campaign of ours for certain. A
    /// category that speaks of the mail or its sender, as every block does, cannot stand here.
    #[serde(default = "gone")]
    pub suppress: Vec<Category>,
}

/// The address or its domain is gone for good.
fn gone() -> Vec<Category> {
    vec![
        Category::MailboxUnknown,
        Category::MailboxDisabled,
        Category::MailboxMoved,
        Category::DomainUnknown,
        Category::DomainNoMail,
    ]
}

impl Default for BouncePolicy {
    fn default() -> Self {
        Self { types: BTreeMap::new(), suppress: gone() }
    }
}

impl BouncePolicy {
    /// Hard, soft or undetermined. `permanent`: what the servers' codes say, where they say it.
    #[must_use]
    pub fn bounce_type(&self, category: Category, permanent: Option<bool>) -> BounceType {
        if permanent == Some(false) {
            return BounceType::Soft;
        }
        match self.types.get(&category) {
            Some(told) => *told,
            None if gone().contains(&category) => BounceType::Hard,
            None if category == Category::Unknown => BounceType::Undetermined,
            None => BounceType::Soft,
        }
    }

    /// Whether a bounce of this kind, matched to a campaign, means: mail this address no more.
    #[must_use]
    pub fn suppresses(&self, bounce_type: Option<BounceType>, category: Category) -> bool {
        bounce_type == Some(BounceType::Hard) && self.suppress.contains(&category) && speaks_of_the_address(category)
    }
}

/// Whether a category says something about the address at all. A block by content, reputation or policy (5.7.x) says
/// nothing about it.
#[must_use]
pub fn speaks_of_the_address(category: Category) -> bool {
    gone().contains(&category) || matches!(category, Category::MailboxFull | Category::Suppressed)
}

#[cfg(test)]
mod tests {
    use super::BouncePolicy;
    use crate::event::{BounceType, Category};

    #[test]
    fn only_a_gone_address_is_hard() {
        let policy = BouncePolicy::default();
        let table = [
            (Category::MailboxUnknown, Some(true), BounceType::Hard),
            (Category::MailboxUnknown, None, BounceType::Hard),
            (Category::MailboxUnknown, Some(false), BounceType::Soft),
            (Category::IpBlocked, Some(true), BounceType::Soft),
            (Category::DomainNoMail, Some(true), BounceType::Hard),
            (Category::Unknown, Some(true), BounceType::Undetermined),
            (Category::Unknown, Some(false), BounceType::Soft),
        ];
        for (category, permanent, expected) in table {
            assert_eq!(policy.bounce_type(category, permanent), expected, "{category:?} {permanent:?}");
        }
    }

    #[test]
    fn the_configuration_decides_and_a_block_never_suppresses() {
        let policy = BouncePolicy {
            types: [(Category::MailboxFull, BounceType::Hard), (Category::Policy, BounceType::Hard)].into(),
            suppress: vec![Category::MailboxFull, Category::Policy],
        };
        assert_eq!(policy.bounce_type(Category::MailboxFull, Some(true)), BounceType::Hard);
        assert_eq!(policy.bounce_type(Category::MailboxFull, Some(false)), BounceType::Soft);
        assert!(policy.suppresses(Some(BounceType::Hard), Category::MailboxFull));
        assert!(!policy.suppresses(Some(BounceType::Soft), Category::MailboxFull));
        assert!(!policy.suppresses(Some(BounceType::Hard), Category::Policy));
        assert!(!policy.suppresses(Some(BounceType::Hard), Category::MailboxUnknown));
    }
}
