//! Rows of attach and detach pairs, as fast as the machine sends them or at a stated rate.
//!
//! A burst runs on a thread of its own. It hands the bed over to whoever waits for it after each event, so that the
//! control socket still answers.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bed::{Bed, Entry, Telling};
use crate::device::{Device, DeviceFields};
use crate::failure::{Failure, While};
use crate::ledger::monotonic_ns;
use crate::name::DeviceName;
use crate::uevent::Action;

/// What a control request says about a burst.
#[derive(Debug, Deserialize)]
pub(crate) struct BurstFields {
    pairs: u32,
    #[serde(default)]
    entry: Entry,
    name: Option<String>,
    /// Several places: all attach, then all detach, and again.
    names: Option<Vec<String>>,
    /// Events, not pairs; absent means flat out.
    rate_per_second: Option<f64>,
    /// Pairs between two pauses.
    pause_every: Option<u32>,
    #[serde(default = "default_pause_ms")]
    pause_ms: u64,
    #[serde(default)]
    interfaces_follow: bool,
    #[serde(flatten)]
    device: DeviceFields,
}

fn default_pause_ms() -> u64 {
    1
}

type Outcome = Arc<OnceLock<Result<Value, String>>>;

/// The bursts that were started, by number.
#[derive(Debug, Default)]
pub(crate) struct Bursts {
    outcomes: Mutex<HashMap<u32, Outcome>>,
}

impl Bursts {
    /// Starts a burst and gives its number.
    pub(crate) fn start(&self, bed: &Arc<Mutex<Bed>>, fields: &BurstFields) -> Result<u32, Failure> {
        let burst = Burst::new(fields)?;
        let outcome = Outcome::default();
        let mut outcomes = self.outcomes.lock();
        let number = u32::try_from(outcomes.len()).unwrap_or(u32::MAX);
        outcomes.insert(number, Arc::clone(&outcome));
        let bed = Arc::clone(bed);
        std::thread::Builder::new()
            .name(format!("burst-{number}"))
            .spawn(move || {
                let result = burst.run(&bed).map_err(|failure| failure.to_string());
                // The cell is empty: this thread alone fills it.
                let _ = outcome.set(result);
            })
            .during("burst thread")?;
        Ok(number)
    }

    /// Waits until a burst has ended.
    pub(crate) fn wait(&self, number: u32) -> Result<Value, Failure> {
        let outcome = self.outcomes.lock().get(&number).cloned();
        let outcome = outcome.ok_or_else(|| Failure::refused(format!("there is no burst {number}")))?;
        outcome.wait().clone().map_err(Failure::Refused)
    }
}

struct Burst {
    pairs: u32,
    entry: Entry,
    names: Vec<DeviceName>,
    interval: Option<Duration>,
    pause: Option<(u32, Duration)>,
    interfaces_follow: bool,
    device: Arc<Device>,
}

impl Burst {
    fn new(fields: &BurstFields) -> Result<Self, Failure> {
        let names: Vec<&str> = match (&fields.name, &fields.names) {
            (Some(name), None) => vec![name],
            (None, Some(names)) if !names.is_empty() => names.iter().map(String::as_str).collect(),
            (None, None) => vec!["1-16"],
            _ => return Err(Failure::refused("a burst has a name or names")),
        };
        let interval = match fields.rate_per_second {
            None => None,
            Some(rate) => Some(
                Duration::try_from_secs_f64(1.0 / rate)
                    .map_err(|_| Failure::refused("rate_per_second must be above 0"))?,
            ),
        };
        Ok(Self {
            pairs: fields.pairs,
            entry: fields.entry,
            names: names.into_iter().map(str::parse).collect::<Result<_, _>>()?,
            interval,
            pause: fields.pause_every.map(|pairs| (pairs.max(1), Duration::from_millis(fields.pause_ms))),
            interfaces_follow: fields.interfaces_follow,
            device: Arc::new(Device::try_from(&fields.device)?),
        })
    }

    fn run(&self, bed: &Mutex<Bed>) -> Result<Value, Failure> {
        let mut turn = Turn { bed: bed.lock(), interval: self.interval, due: Instant::now(), sent: 0 };
        if self.entry == Entry::Kept {
            self.lay_out(&mut turn.bed)?;
        }
        turn.due = Instant::now();
        let first_ns = monotonic_ns();
        let mut pair = 0;
        while pair < self.pairs {
            let round = &self.names[..self.names.len().min((self.pairs - pair) as usize)];
            for (pair, name) in (pair..).zip(round) {
                turn.begin();
                self.attach(&mut turn.bed, name, pair)?;
                turn.end();
            }
            for (pair, name) in (pair..).zip(round) {
                turn.begin();
                self.detach(&mut turn.bed, name, pair)?;
                turn.end();
            }
            let done = pair + u32::try_from(round.len()).unwrap_or(u32::MAX);
            if let Some((every, pause)) = self.pause
                && done / every != pair / every
            {
                turn.sleep(pause);
            }
            pair = done;
        }
        Ok(json!({ "sent": turn.sent, "first_ns": first_ns, "last_ns": monotonic_ns() }))
    }

    /// Makes the files that a burst with kept entries reuses; ghosts of an earlier burst will do.
    fn lay_out(&self, bed: &mut Bed) -> Result<(), Failure> {
        for name in &self.names {
            if !bed.is_ghost(name) {
                bed.plug(name, Arc::clone(&self.device), None, Telling::Silent, None)?;
                if self.interfaces_follow {
                    bed.configure(name, Telling::Silent)?;
                }
            }
        }
        Ok(())
    }

    fn attach(&self, bed: &mut Bed, name: &DeviceName, pair: u32) -> Result<(), Failure> {
        match self.entry {
            Entry::Kept => {
                bed.set_ghost(name, false);
                bed.send(name, Action::Add, Some(pair))?;
            }
            Entry::Removed => {
                bed.plug(name, Arc::clone(&self.device), None, Telling::Announced, Some(pair))?;
                if self.interfaces_follow {
                    bed.configure(name, Telling::Announced)?;
                }
            }
        }
        Ok(())
    }

    fn detach(&self, bed: &mut Bed, name: &DeviceName, pair: u32) -> Result<(), Failure> {
        bed.unplug(name, self.entry, Telling::Announced, Some(pair))
    }
}

/// A burst's hold on the bed.
struct Turn<'a> {
    bed: MutexGuard<'a, Bed>,
    interval: Option<Duration>,
    due: Instant,
    sent: u32,
}

impl Turn<'_> {
    /// Waits until the next event is due.
    fn begin(&mut self) {
        let Some(interval) = self.interval else { return };
        let wait = self.due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            self.sleep(wait);
        }
        self.due += interval;
    }

    fn end(&mut self) {
        self.sent += 1;
        MutexGuard::bump(&mut self.bed);
    }

    fn sleep(&mut self, duration: Duration) {
        MutexGuard::unlocked(&mut self.bed, || std::thread::sleep(duration));
    }
}
