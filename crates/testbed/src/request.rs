//! The control socket's vocabulary: one JSON object asks, one answers.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bed::{Bed, Entry, Telling};
use crate::burst::{BurstFields, Bursts};
use crate::device::{Device, DeviceFields};
use crate::failure::Failure;
use crate::hex;
use crate::inside::End;
use crate::uevent::Action;

/// A request to the bed.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Request {
    Info,
    Close,
    Plug(PlugFields),
    /// The `add` is lost.
    SilentPlug(PlugFields),
    Unplug {
        name: String,
        #[serde(default)]
        entry: Entry,
    },
    /// The `remove` is lost.
    SilentUnplug {
        name: String,
    },
    /// A uevent for which nothing changes.
    UeventOnly {
        name: String,
        action: Action,
    },
    Burst(BurstFields),
    Wait {
        burst: u32,
    },
    /// Any bytes, which the kernel rebroadcasts as its own.
    Raw {
        text_hex: String,
    },
    /// Uevents of other subsystems.
    Other {
        count: u32,
    },
    /// A message from a process that receivers must not take for the kernel's.
    Forge {
        text: String,
        port: Option<u32>,
    },
    /// A udevd's message alone.
    Udev {
        name: String,
        action: Action,
    },
    Ledger {
        #[serde(default)]
        since: usize,
    },
}

/// A device and the port that it goes into.
#[derive(Debug, Deserialize)]
pub(crate) struct PlugFields {
    name: String,
    devnum: Option<u8>,
    #[serde(default = "yes")]
    interfaces_follow: bool,
    #[serde(flatten)]
    device: DeviceFields,
}

fn yes() -> bool {
    true
}

/// What a request can reach.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) bed: Arc<Mutex<Bed>>,
    pub(crate) bursts: Arc<Bursts>,
    pub(crate) info: Arc<Value>,
    pub(crate) end: Sender<End>,
}

impl Reach {
    /// Carries out one line and gives the answer's line.
    pub(crate) fn answer(&self, line: &str) -> Value {
        let answer = serde_json::from_str::<Request>(line)
            .map_err(|error| Failure::refused(error.to_string()))
            .and_then(|request| self.carry_out(request));
        match answer {
            Ok(mut answer) => {
                answer["ok"] = true.into();
                answer
            }
            Err(failure) => json!({ "ok": false, "error": failure.to_string() }),
        }
    }

    fn carry_out(&self, request: Request) -> Result<Value, Failure> {
        match request {
            Request::Info => {
                let mut info = Value::clone(&self.info);
                info["devices"] = self.bed.lock().describe();
                return Ok(info);
            }
            Request::Close => {
                // If nobody listens, the bed is closing already.
                let _ = self.end.send(End::Closed);
            }
            Request::Plug(fields) => return self.plug(&fields, Telling::Announced),
            Request::SilentPlug(fields) => return self.plug(&fields, Telling::Silent),
            Request::Unplug { name, entry } => {
                self.bed.lock().unplug(&name.parse()?, entry, Telling::Announced, None)?;
            }
            Request::SilentUnplug { name } => {
                self.bed.lock().unplug(&name.parse()?, Entry::Removed, Telling::Silent, None)?;
            }
            Request::UeventOnly { name, action } => {
                let at_ns = self.bed.lock().send(&name.parse()?, action, None)?;
                return Ok(json!({ "monotonic_ns": at_ns }));
            }
            Request::Burst(fields) => return Ok(json!({ "burst": self.bursts.start(&self.bed, &fields)? })),
            Request::Wait { burst } => return self.bursts.wait(burst),
            Request::Raw { text_hex } => self.bed.lock().send_raw(&hex::decode(&text_hex)?)?,
            Request::Other { count } => self.bed.lock().send_others(count)?,
            Request::Forge { text, port } => self.bed.lock().forge(text.as_bytes(), port)?,
            Request::Udev { name, action } => self.bed.lock().send_as_udev(&name.parse()?, action)?,
            Request::Ledger { since } => return Ok(self.bed.lock().ledger.rows(since)),
        }
        Ok(json!({}))
    }

    fn plug(&self, fields: &PlugFields, telling: Telling) -> Result<Value, Failure> {
        let name = fields.name.parse()?;
        let device = Arc::new(Device::try_from(&fields.device)?);
        let mut bed = self.bed.lock();
        let answer = bed.plug(&name, device, fields.devnum, telling, None)?;
        if fields.interfaces_follow {
            bed.configure(&name, telling)?;
        }
        Ok(answer)
    }
}
