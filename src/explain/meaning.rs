//! What a verdict means for who mails, in sentences.

use crate::classify::BouncePolicy;
use crate::event::{
    AutoReplyType, BounceType, Category, CorrelationStatus, EventData, Failure, Intent, UnclassifiedReason, Verdict,
};

/// What follows from an event, and why not more.
#[must_use]
pub fn meaning(data: &EventData, correlates: bool, policy: &BouncePolicy) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut say = |text: &str| out.push(text.to_owned());
    match &data.verdict {
        Verdict::Bounce { bounce } => bounce_means(bounce, data, correlates, policy, &mut say),
        Verdict::Delay { delay } => {
            say("The mail is late and still being tried: nothing is lost yet, and nothing is to be done.");
            if delay.backscatter {
                say("No campaign fits it: it may be about mail that somebody else sent in your name.");
            }
        }
        Verdict::Delivered { .. } => say("The mail arrived; the sender had asked to be told."),
        Verdict::Complaint { complaint } => {
            say("The recipient called the mail spam. Mail this person no more.");
            if complaint.recipient_redacted {
                say("Who it was is blanked out in the report: only the original that it carries can tell.");
            }
        }
        Verdict::AutoReply { auto_reply } => auto_means(auto_reply.reply_type, &mut say),
        Verdict::Unsubscribe { unsubscribe } => {
            say("The person wants no more mail.");
            if unsubscribe.unverified {
                say("No campaign fits it, and anyone can write a From: have a person look before the address is \
                     taken off a list.");
            }
        }
        Verdict::Reply { reply } => {
            say(if reply.intent == Intent::Unknown {
                "A person answered. No rule is sure what they want, so the intent is unknown: read it."
            } else {
                "A person answered. The intent is a help for sorting, not a fact."
            });
        }
        Verdict::Receipt { .. } => say("A mail program says that the mail was displayed or deleted: no answer."),
        Verdict::Challenge { .. } => say("The recipient's system waits for a proof that a person sent the mail."),
        Verdict::Other { .. } => say("Known, and no answer to a campaign."),
        Verdict::Unclassified { unclassified } => say(match unclassified.reason {
            UnclassifiedReason::TooLarge => {
                "The mail is larger than limits.message_size: only its head was read. Raise the limit and replay it."
            }
            UnclassifiedReason::Empty => "There is nothing in it that could be judged.",
            UnclassifiedReason::ParseError => "It could not be read as a mail. Look at the raw octets.",
            _ => {
                "No rule fits. If such mails come often, write a rule: `rules check` tries it, `replay --diff` shows \
                  what it would change."
            }
        }),
    }
    match data.correlation.status {
        CorrelationStatus::Conflict => say("Two campaigns, or two recipients, are named: none of them is believed."),
        CorrelationStatus::Forged => say("A token has a wrong signature: somebody made it up, or a key is missing."),
        _ => {}
    }
    out
}

fn bounce_means(
    bounce: &Failure,
    data: &EventData,
    correlates: bool,
    policy: &BouncePolicy,
    say: &mut impl FnMut(&str),
) {
    say(match bounce.category {
        Category::MailboxUnknown => "The address does not exist.",
        Category::MailboxDisabled => "The mailbox exists and is closed.",
        Category::MailboxMoved => "The person has another address now.",
        Category::MailboxFull => "The mailbox is full: it may be emptied.",
        Category::RecipientFiltered => "The recipient's own settings refuse the mail.",
        Category::DomainUnknown => "The domain does not exist.",
        Category::DomainNoMail => "The domain takes no mail.",
        Category::NetworkError | Category::Expired => "The server could not be reached, or not in time.",
        Category::MessageTooBig => "The mail is too big for the recipient's server.",
        Category::ContentRejected | Category::SpamContent | Category::Virus => {
            "The recipient's server refused what the mail says, not whom it is for."
        }
        Category::Policy | Category::Security | Category::NotCompliant => {
            "The recipient's server refused it for a rule of its own: nothing of the address."
        }
        Category::AuthFailure | Category::RequiresPtr => {
            "The recipient's server does not believe who sent it: look at SPF, DKIM, DMARC and reverse DNS."
        }
        Category::IpBlocked | Category::BadReputation | Category::RateLimited => {
            "The sending server is blocked or slowed down: nothing of the address."
        }
        Category::RelayDenied => "The server that was asked is not responsible for the domain.",
        Category::SenderRejected => "The sender was refused, not the recipient.",
        Category::SmtpSyntax
        | Category::SystemError
        | Category::MailerError
        | Category::SystemFull
        | Category::Suppressed => "A server's fault or setting on the way, not the address.",
        Category::Unknown => "The report does not say why.",
    });
    let own = policy.types.contains_key(&bounce.category) && bounce.permanent != Some(false);
    match (bounce.bounce_type, own) {
        (Some(BounceType::Hard), false) => say("It is hard: the address or its domain is gone for good."),
        (Some(BounceType::Soft), false) if bounce.permanent == Some(false) => {
            say("It is soft, because the servers called it temporary.");
        }
        (Some(BounceType::Soft), false) => say("It is soft: it may pass, so the address stays good."),
        (Some(BounceType::Undetermined), _) => say("It is neither hard nor soft: the report does not tell."),
        (Some(_), true) => say("Hard or soft is what `bounces.types` of your configuration says."),
        (None, _) => {}
    }
    let matched = data.correlation.status == CorrelationStatus::Matched;
    if bounce.suppress == Some(true) {
        say("suppress is true: mail this address no more.");
    } else if !policy.suppresses(bounce.bounce_type, bounce.category) {
        say("suppress is false: your policy takes nobody off a list for this.");
    } else if matched {
        say("suppress is false: a signed token names another person than the report does.");
    } else if correlates {
        say("suppress is false: no campaign fits, and anyone can write a report.");
    } else {
        say("suppress is false: no correlators are configured, so no campaign is known.");
    }
    if bounce.backscatter {
        say("backscatter is true: it may be about mail that somebody else sent in your name.");
    }
}

fn auto_means(reply_type: AutoReplyType, say: &mut impl FnMut(&str)) {
    say(match reply_type {
        AutoReplyType::OutOfOffice => "A machine answered for a person who is away. It is no reply.",
        AutoReplyType::LeftCompany => "A machine says that the person left for good. It is no reply.",
        AutoReplyType::AddressChanged => "A machine says that the person has another address now.",
        AutoReplyType::TicketAck => "A help desk acknowledged the mail. It is no reply.",
        AutoReplyType::MailboxUnmonitored => "A machine says that nobody reads this address.",
        AutoReplyType::Generic => "A machine answered, and does not say why. It is no reply.",
    });
}
