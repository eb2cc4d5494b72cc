//! A mail server, and who may be sent mail by it.

use super::letter::Letter;
use crate::GatewayConfig;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp,
};
use ragstream_core::{fault::Fault, ports::Notice};
use ragstream_runtime::config::ConfigError;
use std::time::Duration;
use url::Url;

/// How long the server may take to connect, and for each of its answers: mail servers look senders up before
/// they answer.
const ANSWERED: Duration = Duration::from_secs(30);
/// How long one mail may take in all.
pub(super) const SENT: Duration = Duration::from_secs(120);
/// Longest address (RFC 3696, erratum 1690).
const MAX_ADDRESS: usize = 254;
/// Longest reason that is kept, in characters.
const MAX_REASON: usize = 500;
/// The server closes the connection (RFC 5321, 3.8): nothing about a mail.
const CLOSING: u16 = 421;

/// Who may be sent mail.
enum Recipients {
    Anybody,
    /// All of a domain.
    Domain(String),
    One(Address),
}

/// Sends mail.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    recipients: Vec<Recipients>,
    public_url: Option<String>,
}

/// Why a mail was not sent.
pub(super) enum Unsent {
    /// The server will never take it.
    Never(String),
    /// The server may take it later.
    NotNow(String),
    /// The server is away.
    Away(Fault),
}

impl Mailer {
    /// The mail server of the settings; `None` where there is none.
    pub(crate) fn of(config: &GatewayConfig) -> Result<Option<Self>, ConfigError> {
        let bad = |field: &str, why: &dyn std::fmt::Display| {
            ConfigError(format!("RAGSTREAM_GATEWAY_{field}: {why}"))
        };
        let public_url = match config.public_url.as_deref().filter(|url| !url.is_empty()) {
            Some(text) => {
                let url: Url = text.parse().map_err(|e| bad("PUBLIC_URL", &e))?;
                if !["http", "https"].contains(&url.scheme()) || url.query().is_some() {
                    return Err(bad("PUBLIC_URL", &"must be as https://ragstream.example.org"));
                }
                Some(text.trim_end_matches('/').to_owned())
            }
            None => None,
        };
        let set = |setting: &Option<String>| setting.clone().filter(|text| !text.is_empty());
        let (url, from) = match (set(&config.smtp_url), set(&config.smtp_from)) {
            (Some(url), Some(from)) => (url, from),
            (Some(_), None) => return Err(bad("SMTP_FROM", &"is missing: say whom mail is from")),
            (None, Some(_)) => return Err(bad("SMTP_URL", &"is missing: say which server mail goes to")),
            (None, None) if !config.smtp_recipients.is_empty() => {
                return Err(bad("SMTP_URL", &"is missing: say which server mail goes to"));
            }
            (None, None) => return Ok(None),
        };
        // The error tells of the address as a whole, which may have a password.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url)
            .map_err(|_| {
                bad(
                    "SMTP_URL",
                    &"must be as smtp://host, smtps://user:password@host or smtp://host?tls=required",
                )
            })?
            .timeout(Some(ANSWERED))
            .build();
        let from: Mailbox = from.parse().map_err(|e| bad("SMTP_FROM", &e))?;
        let mut recipients = config
            .smtp_recipients
            .iter()
            .map(|text| recipients(text).map_err(|why| bad("SMTP_RECIPIENTS", &why)))
            .collect::<Result<Vec<_>, _>>()?;
        if recipients.is_empty() {
            recipients.push(Recipients::Domain(from.email.domain().to_owned()));
        }
        Ok(Some(Self { transport, from, recipients, public_url }))
    }

    pub(super) fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// Whether this is an address, and one that may be sent mail.
    pub(super) fn check(&self, address: &str) -> Result<(), String> {
        let what = "must be one e-mail address, such as me@example.org";
        if address.len() > MAX_ADDRESS {
            return Err(what.to_owned());
        }
        let address: Address = address.parse().map_err(|_| what.to_owned())?;
        let may = self.recipients.iter().any(|recipients| match recipients {
            Recipients::Anybody => true,
            Recipients::Domain(domain) => domain.eq_ignore_ascii_case(address.domain()),
            Recipients::One(one) => {
                one.user() == address.user() && one.domain().eq_ignore_ascii_case(address.domain())
            }
        });
        if may {
            return Ok(());
        }
        Err("is an address that this server may not send mail to: its operator can allow it by \
             RAGSTREAM_GATEWAY_SMTP_RECIPIENTS"
            .to_owned())
    }

    /// Whether the server can be talked to, and lets us in.
    pub(super) async fn is_there(&self) -> Result<(), Fault> {
        match tokio::time::timeout(SENT, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(unavailable("it does not answer")),
            // Also where it refuses for good, a password for one: the operator can put that right.
            Ok(Err(error)) => Err(unavailable(&error.to_string())),
            Err(_) => Err(unavailable("it takes too long")),
        }
    }

    /// Sends one mail, once.
    pub(super) async fn send(&self, notice: &Notice, letter: Letter) -> Result<(), Unsent> {
        let never = |error: &dyn std::fmt::Display| Unsent::Never(error.to_string());
        let to: Address = notice.address.parse().map_err(|e| never(&e))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to.into())
            .subject(letter.subject)
            .message_id(Some(format!("<{}@{}>", notice.notice_id, self.from.email.domain())))
            // RFC 3834: no automatic answers to this.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text)
            .map_err(|e| never(&e))?;
        match tokio::time::timeout(SENT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(unsent(error)),
            Err(_) => Err(Unsent::Away(unavailable("it takes too long"))),
        }
    }
}

fn recipients(text: &str) -> Result<Recipients, String> {
    let bad = || format!("{text:?} is neither an address, nor @ and a domain, nor *");
    if text == "*" {
        return Ok(Recipients::Anybody);
    }
    if let Some(domain) = text.strip_prefix('@') {
        let address = Address::new("anybody", domain).map_err(|_| bad())?;
        return Ok(Recipients::Domain(address.domain().to_owned()));
    }
    text.parse().map(Recipients::One).map_err(|_| bad())
}

fn unsent(error: smtp::Error) -> Unsent {
    let why = || error.to_string().chars().take(MAX_REASON).collect();
    match error.status().map(u16::from) {
        Some(CLOSING) => Unsent::Away(unavailable(&error.to_string())),
        Some(_) if error.is_permanent() => Unsent::Never(why()),
        Some(_) => Unsent::NotNow(why()),
        // The mail needs what the server does not have.
        None if error.is_client() => Unsent::Never(why()),
        None => Unsent::Away(unavailable(&error.to_string())),
    }
}

fn unavailable(why: &str) -> Fault {
    Fault::unavailable("mail_server_unavailable", format!("the mail server can't be used: {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(url: Option<&str>, from: Option<&str>, recipients: &[&str]) -> GatewayConfig {
        GatewayConfig {
            smtp_url: url.map(str::to_owned),
            smtp_from: from.map(str::to_owned),
            smtp_recipients: recipients.iter().map(|text| (*text).to_owned()).collect(),
            ..GatewayConfig::default()
        }
    }

    #[tokio::test]
    async fn only_those_may_be_told_who_are_named() {
        assert!(Mailer::of(&config(None, None, &[])).unwrap().is_none(), "off by default");
        let (url, from) = (Some("smtps://me:secret@mail.example.org"), Some("Ragstream <rag@Example.org>"));
        let may = |recipients: &[&str], address: &str| {
            Mailer::of(&config(url, from, recipients)).unwrap().unwrap().check(address).is_ok()
        };
        assert!(may(&[], "a@example.ORG") && !may(&[], "a@sub.example.org") && !may(&[], "a@other.org"));
        assert!(may(&["@other.org", "b@c.org"], "a@other.org") && !may(&["@other.org"], "a@example.org"));
        assert!(may(&["b@c.org"], "b@C.org") && !may(&["b@c.org"], "a@c.org"));
        assert!(may(&["*"], "a@anywhere.net"));
        for bad in [
            "",
            "a",
            "a@b@c",
            "A <a@example.org>",
            "a@example.org\r\nBcc: b@example.org",
            "a@example.org,b@example.org",
        ] {
            assert!(!may(&["*"], bad), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn settings_that_can_not_be_used_are_said_and_no_password_with_them() {
        let from = Some("rag@example.org");
        let bad = [
            (config(Some("smtp://host"), None, &[]), "SMTP_FROM"),
            (config(None, from, &[]), "SMTP_URL"),
            (config(None, None, &["*"]), "SMTP_URL"),
            (config(Some("http://me:secret@host"), from, &[]), "SMTP_URL"),
            (config(Some("smtp://me:secret@host?tls=maybe"), from, &[]), "SMTP_URL"),
            (config(Some("smtp://host"), Some("nobody"), &[]), "SMTP_FROM"),
            (config(Some("smtp://host"), from, &["nobody"]), "SMTP_RECIPIENTS"),
            (GatewayConfig { public_url: Some("ftp://a".into()), ..config(None, None, &[]) }, "PUBLIC_URL"),
        ];
        for (config, field) in bad {
            let error = Mailer::of(&config).err().unwrap().to_string();
            assert!(error.contains(field) && !error.contains("secret"), "{error}");
        }
        for good in ["smtp://host", "smtp://host:2525?tls=required", "smtps://me:secret@host"] {
            assert!(Mailer::of(&config(Some(good), from, &[])).unwrap().is_some(), "{good}");
        }
    }
}
