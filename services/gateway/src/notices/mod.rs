//! Mail to those who asked to be told how a file or a batch ended.
//!
//! Who is to be told is on record before what it is about, so that an answer with `202` is told of whoever dies.
//! Each gateway that has a mail server looks for what has ended, takes it for a while, and sends one mail: at most
//! one gateway has a notice, and one that dies between the server's word and its own record of it makes the next
//! send the mail once more, under the same `Message-ID`, by which mail systems know it as the same.
//!
//! A mail server that is away, or does not let us in, is waited for, and no attempt is used up. What it says to one
//! address counts: *not now* is tried again later, *never* is given up with its reason on record.

mod letter;
mod mailer;
#[cfg(test)]
mod tests;

pub(crate) use mailer::Mailer;

use crate::metrics;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use letter::{MAX_FAILURES, letter};
use mailer::Unsent;
use ragstream_api::{documents::NotifiedResponse, outage, problem::Problem};
use ragstream_core::{
    fault::{Fault, Result},
    id::{BatchId, JobId},
    ports::{About, Notice, Notices},
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often to look for what has ended.
const EVERY: Duration = Duration::from_secs(2);
/// Notices that a gateway takes at a time.
const TAKEN: u32 = 20;
/// Mails on their way at a time: as many connections as servers let one client have.
const AT_ONCE: usize = 4;
/// How long a gateway that has taken notices may be silent before another one takes them: past
/// [`TAKEN`] mails that each take as long as they may ([`mailer::SENT`]), [`AT_ONCE`] at a time.
const LEASE: TimeDelta = TimeDelta::minutes(15);
/// Tries of an address that is not to be had now, and the pauses between them, each twice as long as the one
/// before: more than four days in all, as RFC 5321 (4.5.4.1) asks for.
const ATTEMPTS: u32 = 105;
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);
/// Addresses that an answer shows: more than people give one batch.
const SHOWN: u32 = 10;
/// How long a gateway that stops waits for mails on their way, so that none is sent twice: below the 25 s that it
/// has in all.
const FINISHED: Duration = Duration::from_secs(10);
/// Pauses while the mail server is away.
const FIRST_OUTAGE: Duration = Duration::from_secs(2);
const LONGEST_OUTAGE: Duration = Duration::from_secs(300);

/// Takes the wishes of those who want to be told, and tells them.
#[derive(Clone)]
pub(crate) struct Notifier {
    ledger: Arc<dyn Notices>,
    mailer: Option<Arc<Mailer>>,
}

impl Notifier {
    pub(crate) fn new(ledger: Arc<dyn Notices>, mailer: Option<Mailer>) -> Self {
        Self { ledger, mailer: mailer.map(Arc::new) }
    }

    /// Whether this address can and may be told.
    pub(crate) fn check(&self, address: Option<&str>) -> Result<(), Problem> {
        let Some(address) = address else { return Ok(()) };
        match &self.mailer {
            Some(mailer) => mailer.check(address).map_err(|why| Problem::invalid_field("notify", why)),
            None => Err(Problem::unprocessable(
                "mail_off",
                "this server sends no mail: leave `notify` out, or have its operator set \
                 RAGSTREAM_GATEWAY_SMTP_URL and RAGSTREAM_GATEWAY_SMTP_FROM",
            )),
        }
    }

    /// Puts on record that an address, which was checked, is to be told. Before what it is about is.
    pub(crate) async fn tell(&self, about: About, address: Option<&str>) -> Result<()> {
        match address {
            Some(address) => self.ledger.tell(about, address).await,
            None => Ok(()),
        }
    }

    /// A file turned out to be here already: those who wait for its job are told of that of the first.
    pub(crate) async fn tell_instead(&self, of: JobId, other: JobId) -> Result<()> {
        self.ledger.tell_instead(of, other).await
    }

    /// Who is or was told of it.
    pub(crate) async fn told(&self, about: About) -> Result<Vec<NotifiedResponse>> {
        Ok(self.ledger.told(about, SHOWN).await?.into_iter().map(Into::into).collect())
    }

    /// Sends what is due until the token is cancelled.
    pub(crate) async fn run(self, token: CancellationToken) -> Result<(), Fault> {
        let Some(mailer) = &self.mailer else {
            token.cancelled().await;
            return Ok(());
        };
        let mut outages = 0;
        while !token.is_cancelled() {
            let pause = tokio::select! {
                pause = self.round(mailer, &mut outages) => pause,
                // What is under way then is taken up by whoever comes next, once its lease is over.
                () = async {
                    token.cancelled().await;
                    tokio::time::sleep(FINISHED).await;
                } => break,
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = token.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Sends what is due now; how long to wait before the next time. `outages` counts rounds in a row for which
    /// the mail server was away.
    async fn round(&self, mailer: &Mailer, outages: &mut u32) -> Duration {
        let ended = match self.ledger.claim_notices(TAKEN, LEASE).await {
            Ok(ended) => ended,
            Err(fault) => {
                outage::log("mail", &fault);
                return EVERY;
            }
        };
        if ended.is_empty() {
            return EVERY;
        }
        let pause = FIRST_OUTAGE.saturating_mul(1 << (*outages).min(16)).min(LONGEST_OUTAGE);
        let again = Utc::now() + pause;
        // A server that can't be talked to is asked once, not for each mail.
        let is_there = mailer.is_there().await;
        if let Err(fault) = &is_there {
            away(fault);
        }
        let is_there = is_there.is_ok();
        let sent = stream::iter(ended).map(|notice| async move {
            if !is_there {
                self.postpone(&notice, again, false).await;
                return false;
            }
            self.send(mailer, &notice, again).await
        });
        let was_there = sent.buffer_unordered(AT_ONCE).fold(is_there, |all, one| async move { all && one });
        *outages = if was_there.await { 0 } else { outages.saturating_add(1) };
        if *outages == 0 { Duration::ZERO } else { pause }
    }

    /// Sends one mail and puts on record what became of it; `false`: its server is away.
    async fn send(&self, mailer: &Mailer, notice: &Notice, again: DateTime<Utc>) -> bool {
        let ended = match self.ledger.how_it_ended(notice.about, MAX_FAILURES).await {
            Ok(Some(ended)) => ended,
            // Gone since it was taken, and the notice with it.
            Ok(None) => return true,
            Err(fault) => {
                outage::log("mail", &fault);
                self.postpone(notice, again, false).await;
                return true;
            }
        };
        match mailer.send(notice, letter(notice.about, &ended, mailer.public_url())).await {
            Ok(()) => {
                metrics::count_mail("sent");
                tracing::info!(notice_id = %notice.notice_id, files = ended.files, "told by mail");
                self.settle(notice, None).await;
            }
            Err(Unsent::Never(why)) => self.give_up(notice, &why).await,
            Err(Unsent::NotNow(why)) if notice.attempts + 1 >= ATTEMPTS => self.give_up(notice, &why).await,
            Err(Unsent::NotNow(_)) => {
                metrics::count_mail("deferred");
                let pause = FIRST_PAUSE * 2_i32.pow(notice.attempts.min(16));
                self.postpone(notice, Utc::now() + pause.min(LONGEST_PAUSE), true).await;
            }
            Err(Unsent::Away(fault)) => {
                away(&fault);
                self.postpone(notice, again, false).await;
                return false;
            }
        }
        true
    }

    async fn give_up(&self, notice: &Notice, why: &str) {
        metrics::count_mail("refused");
        tracing::warn!(notice_id = %notice.notice_id, reason = why, "mail was refused and is given up");
        self.settle(notice, Some(why)).await;
    }

    async fn settle(&self, notice: &Notice, error: Option<&str>) {
        if let Err(fault) = self.ledger.settle_notice(notice.notice_id, error).await {
            // It is sent again once the lease is over, as the same message.
            outage::log("mail", &fault);
        }
    }

    async fn postpone(&self, notice: &Notice, until: DateTime<Utc>, counted: bool) {
        if let Err(fault) = self.ledger.postpone_notice(notice.notice_id, until, counted).await {
            outage::log("mail", &fault);
        }
    }
}

fn away(fault: &Fault) {
    metrics::count_mail("outage");
    outage::log("mail", fault);
}

/// What those are told of who sent a file.
pub(crate) fn about(batch_id: Option<BatchId>, job_id: JobId) -> About {
    batch_id.map_or(About::Job(job_id), About::Batch)
}
