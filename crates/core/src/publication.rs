//! `usb-daemon udev publish`: what the helper of udev has written down goes through the outbox to Redis, and that is all.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Config, RedisSetting};
use crate::delivery::Delivery;
use crate::engine::Alone;
use crate::error::{Code, Error};
use crate::filter::Filters;
use crate::hub::Hub;
use crate::outbox::{Intake, Opened, Outbox, is_held};
use crate::platform::machine::boot_id;
use crate::producer;
use crate::publisher::{Limits, Publisher, PublisherConfig};
use crate::spool::{Listing, SettledBoard, Spool};

/// How often an idle connection is tried: there is none here.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long storing may take.
const STORING: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// A daemon has the outbox: it takes the records.
    DaemonRuns,
    /// Nothing waits any more.
    Done {
        /// So many events have been published.
        published: u64,
    },
}

/// Publishes all that waits. `patience` is how long Redis may take nothing at all; `stopped` waits for a moment, and says whether
/// that is to be the end.
///
/// # Errors
/// `ERR_USB_OUTBOX` where nothing can be stored, `ERR_USB_SPOOL` where records cannot be read or removed, `ERR_USB_REDIS` where
/// Redis has not taken all.
pub fn publish_records(
    config: &Config,
    patience: Duration,
    stopped: impl Fn() -> bool,
) -> Result<Publication, Error> {
    let RedisSetting::On(redis) = &config.redis else {
        return Err(Error::new(Code::Config, "redis is false: there is nowhere to publish"));
    };
    let Some(path) = config.outbox.file() else {
        let message =
            "publishing without a daemon needs a file for the outbox: set outbox.path, or STATE_DIRECTORY";
        return Err(Error::new(Code::Outbox, message));
    };
    let Some(spool) = config.spool().and_then(Spool::at) else {
        let message = "fallback.enable_udev is false, or fallback.spool_path null: there are no records";
        return Err(Error::new(Code::Config, message));
    };
    let filters = Arc::new(Filters::new(&config.filters)?);
    let mut refusals = Refusals::default();
    let listing = read(&spool, |_| true)?;
    refusals.tell(&spool, &listing);
    if listing.passed_over.is_empty() && !path.exists() {
        return refusals.unless_some_remain(Publication::Done { published: 0 });
    }
    let boot_id = boot_id();
    let outbox = crate::config::OutboxConfig { required: true, ..config.outbox.clone() };
    let opened = Outbox::open(&outbox, true, &producer::random()?, &boot_id);
    let Opened { outbox, earlier, .. } = match opened {
        Ok(opened) => opened,
        Err(_) if is_held(path) => return Ok(Publication::DaemonRuns),
        Err(error) => return Err(error),
    };
    let intake = Arc::new(Intake::new(outbox.series(), &config.outbox));
    let stored = outbox.settled_board();
    // Nobody listens.
    let nobody = Arc::new(Delivery::new(1, Box::new(|| ())));
    let hub = Hub::new(nobody, outbox.board(), Vec::new());
    let publisher = PublisherConfig {
        redis: Some(redis.clone()),
        keepalive: KEEPALIVE,
        host: config.host(),
        boot_id: boot_id.clone(),
        traces: None,
    };
    let alone = Alone::new(hub.clone(), Arc::clone(&intake), earlier, filters, boot_id);
    let publisher =
        Publisher::start(publisher, Limits::from(&config.performance), outbox, intake, hub.clone())?;
    let run = Run { spool, stored, hub, alone, refusals };
    let done = run.publish(patience, stopped);
    publisher.stop(Duration::ZERO);
    done
}

struct Run {
    spool: Spool,
    stored: SettledBoard,
    hub: Hub,
    alone: Alone,
    refusals: Refusals,
}

/// What is in the folder and cannot be taken.
#[derive(Default)]
struct Refusals {
    told: HashSet<String>,
    /// The first one that the last look has found and could not remove.
    remains: Option<String>,
}

impl Refusals {
    /// Tells of each file once.
    fn tell(&mut self, spool: &Spool, listing: &Listing) {
        let path = spool.path().display();
        let bad = listing.bad.iter().map(|bad| {
            (&bad.name, !bad.removed, format!("{path}/{} is no record of the helper: {}", bad.name, bad.why))
        });
        let unread = listing.unread.iter().map(|unread| {
            (&unread.name, true, format!("{path}/{} cannot be read: {}", unread.name, unread.why))
        });
        self.remains = None;
        for (name, stays, message) in bad.chain(unread) {
            if self.told.insert(name.clone()) {
                tracing::error!(code = Code::Spool.as_str(), "{message}");
            }
            if stays {
                self.remains.get_or_insert(message);
            }
        }
    }

    /// What starts this when there are records would go on starting it.
    fn unless_some_remain(&self, done: Publication) -> Result<Publication, Error> {
        match &self.remains {
            None => Ok(done),
            Some(message) => Err(Error::new(Code::Spool, format!("{message}; it has to be removed by hand"))),
        }
    }
}

impl Run {
    fn publish(mut self, patience: Duration, stopped: impl Fn() -> bool) -> Result<Publication, Error> {
        let mut until = Instant::now() + patience;
        let mut published = 0;
        loop {
            // More may have come meanwhile.
            self.take_records()?;
            let accounts = self.hub.outbox().accounts;
            if accounts.waiting == 0 {
                let done = Publication::Done { published: accounts.published };
                return self.refusals.unless_some_remain(done);
            }
            if accounts.published > published {
                published = accounts.published;
                until = Instant::now() + patience;
            }
            if stopped() || Instant::now() >= until {
                return Err(self.unpublished(accounts.waiting));
            }
        }
    }

    /// Stores what the records say, and then removes them.
    fn take_records(&mut self) -> Result<(), Error> {
        let listing = read(&self.spool, |seqnum| self.alone.knows(seqnum))?;
        self.refusals.tell(&self.spool, &listing);
        self.alone.take(&listing.records);
        let mut seqnums = listing.passed_over;
        seqnums.extend(listing.records.iter().map(|record| record.seqnum));
        let until = Instant::now() + STORING;
        while !seqnums.iter().all(|seqnum| self.stored.contains(*seqnum)) {
            if let Some(reason) = self.hub.outbox().reason {
                return Err(Error::new(Code::Outbox, reason));
            }
            if Instant::now() >= until {
                return Err(Error::new(Code::Outbox, "the outbox does not store what is written down"));
            }
            std::thread::sleep(LOOK);
        }
        self.spool.remove(seqnums).map_err(|error| {
            let path = self.spool.path().display();
            Error::new(
                Code::Spool,
                format!("records in {path} cannot be removed: {error}; run this in the group of that folder"),
            )
        })
    }

    fn unpublished(&self, waiting: u64) -> Error {
        let health = self.hub.health();
        let reason = health.redis.and_then(|redis| redis.status.reason);
        let reason = reason.unwrap_or_else(|| "the time ran out".to_owned());
        Error::new(Code::Redis, format!("{waiting} events wait, stored for the next run: {reason}"))
    }
}

/// A folder that is not there holds nothing.
fn read(spool: &Spool, known: impl Fn(u64) -> bool) -> Result<Listing, Error> {
    match spool.read(known) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Listing::default()),
        Err(error) => {
            let path = spool.path().display();
            Err(Error::new(Code::Spool, format!("{path}: {error}; run this in the group of that folder")))
        }
        Ok(listing) => Ok(listing),
    }
}
