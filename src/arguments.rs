//! An event as arguments of one call: the order is that of `js/arguments.js`.
//!
//! Text that is made here to be parsed there is most of what a single event costs between the two (docs/adr/0002).

use std::sync::Arc;

use napi::bindgen_prelude::{JsValuesTupleIntoVec, Null, ToNapiValue};
use napi::sys::{napi_env, napi_value};
use usb_daemon_core::{Event, InterfaceClass, Synthetic, Ticket};

/// What JavaScript is called with.
pub enum Handed {
    /// It is called, nothing more.
    Nothing,
    /// Notices as text.
    Text(String),
    /// A device that has come.
    Attached(Arc<Event>),
    /// A device that JavaScript knows has left.
    Left(Arc<Event>),
    /// Redis has acknowledged an event, in an entry of this ID.
    Published(Arc<Event>, String),
    /// What a program has reported is dealt with.
    Injected(Ticket),
}

impl Default for Handed {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl JsValuesTupleIntoVec for Handed {
    fn into_vec(self, env: napi_env) -> napi::Result<Vec<napi_value>> {
        match self {
            Self::Nothing => Ok(Vec::new()),
            Self::Text(text) => Ok(vec![value(env, text)?]),
            Self::Attached(event) => device(env, "attach", &event, [value(env, Null)?; 2]),
            Self::Published(event, stream_id) => {
                let publication = [value(env, event.action.as_str())?, value(env, stream_id)?];
                device(env, "published", &event, publication)
            }
            Self::Left(event) => left(env, &event),
            Self::Injected(ticket) => {
                let mut arguments = bare(env, "injected")?;
                arguments[TICKET] = value(env, number(ticket))?;
                Ok(arguments)
            }
        }
    }
}

// Places of what is told without a device, counted in `device`.
const TIMESTAMP: usize = 25;
const SIGNATURE: usize = 26;
const EVENT_ID: usize = 28;
const BACKEND: usize = 36;
const SYNTHETIC: usize = 37;
const TICKET: usize = 41;

/// A notice without any values.
fn bare(env: napi_env, notice: &str) -> napi::Result<Vec<napi_value>> {
    let mut arguments = vec![value(env, Null)?; TICKET + 1];
    arguments[0] = value(env, notice)?;
    Ok(arguments)
}

/// What is known of the event's device, with the action and the ID of an entry of it that has been published.
fn device(
    env: napi_env,
    notice: &str,
    event: &Event,
    [action, stream_id]: [napi_value; 2],
) -> napi::Result<Vec<napi_value>> {
    let info = event.info();
    let descriptor = info.device_descriptor;
    let mut arguments = Vec::with_capacity(TICKET + 1 + info.interfaces.len());
    arguments.extend([
        value(env, notice)?,
        value(env, info.vendor_id)?,
        value(env, info.product_id)?,
        value(env, descriptor.b_length)?,
        value(env, descriptor.b_descriptor_type)?,
        value(env, descriptor.bcd_usb)?,
        value(env, descriptor.b_device_class)?,
        value(env, descriptor.b_device_sub_class)?,
        value(env, descriptor.b_device_protocol)?,
        value(env, descriptor.b_max_packet_size0)?,
        value(env, descriptor.id_vendor)?,
        value(env, descriptor.id_product)?,
        value(env, descriptor.bcd_device)?,
        value(env, descriptor.i_manufacturer)?,
        value(env, descriptor.i_product)?,
        value(env, descriptor.i_serial_number)?,
        value(env, descriptor.b_num_configurations)?,
        value(env, info.serial_number)?,
        value(env, info.manufacturer)?,
        value(env, info.product)?,
        value(env, info.vendor_name)?,
        value(env, info.product_name)?,
        value(env, info.location.bus_number)?,
        value(env, info.location.device_address)?,
        value(env, info.location.port_path)?,
        value(env, number(info.timestamp))?,
        value(env, info.signature)?,
        value(env, number(info.attached_at))?,
        value(env, info.event_id)?,
        value(env, info.stable_id)?,
        value(env, info.identity.as_str())?,
        value(env, info.capabilities.join(","))?,
        value(env, info.speed)?,
        value(env, info.power.map(|power| power.max_milliamps))?,
        value(env, info.power.is_some_and(|power| power.self_powered))?,
        value(env, info.power.is_some_and(|power| power.remote_wakeup))?,
        value(env, info.backend.as_str())?,
        value(env, info.synthetic.map(Synthetic::as_str))?,
        value(env, info.partial)?,
        action,
        stream_id,
        value(env, Null)?,
    ]);
    debug_assert_eq!(arguments.len(), TICKET + 1, "each value has its place");
    for interface in info.interfaces {
        arguments.push(value(env, code(*interface))?);
    }
    Ok(arguments)
}

fn left(env: napi_env, event: &Event) -> napi::Result<Vec<napi_value>> {
    let mut arguments = bare(env, "left")?;
    arguments[TIMESTAMP] = value(env, number(event.timestamp_ms))?;
    arguments[SIGNATURE] = value(env, event.attachment.signature.as_str())?;
    arguments[EVENT_ID] = value(env, event.event_id())?;
    arguments[BACKEND] = value(env, event.backend.as_str())?;
    arguments[SYNTHETIC] = value(env, event.synthetic.map(Synthetic::as_str))?;
    Ok(arguments)
}

/// Class, subclass and protocol in one number.
fn code(InterfaceClass { class, subclass, protocol }: InterfaceClass) -> u32 {
    u32::from_be_bytes([0, class, subclass, protocol])
}

/// Of what stays below 2^53, as milliseconds since 1970 do for 285,000 years: N-API makes a `BigInt` of a u64.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn number(of: u64) -> f64 {
    of as f64
}

fn value(env: napi_env, of: impl ToNapiValue) -> napi::Result<napi_value> {
    // SAFETY: `env` is the one that Node has called with, on its own thread.
    unsafe { ToNapiValue::to_napi_value(env, of) }
}
