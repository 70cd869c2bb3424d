//! An event as arguments of one call: the order is that of `js/arguments.js`.
//!
//! Text that is made here to be parsed there is most of what a single event costs between the two (docs/adr/0002).

use std::sync::Arc;

use napi::bindgen_prelude::{JsValuesTupleIntoVec, ToNapiValue};
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
            Self::Attached(event) => device(env, vec![value(env, "attach")?], &event),
            Self::Published(event, stream_id) => published(env, &event, stream_id),
            Self::Left(event) => left(env, &event),
            Self::Injected(ticket) => Ok(vec![value(env, "injected")?, value(env, number(ticket))?]),
        }
    }
}

fn published(env: napi_env, event: &Event, stream_id: String) -> napi::Result<Vec<napi_value>> {
    let names = vec![value(env, "published")?, value(env, event.action.as_str())?, value(env, stream_id)?];
    device(env, names, event)
}

/// What is known of the event's device, behind what stands there.
fn device(env: napi_env, mut arguments: Vec<napi_value>, event: &Event) -> napi::Result<Vec<napi_value>> {
    let info = event.info();
    let descriptor = info.device_descriptor;
    arguments.extend([
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
    ]);
    for interface in info.interfaces {
        arguments.push(value(env, code(*interface))?);
    }
    Ok(arguments)
}

fn left(env: napi_env, event: &Event) -> napi::Result<Vec<napi_value>> {
    Ok(vec![
        value(env, "left")?,
        value(env, event.attachment.signature.as_str())?,
        value(env, number(event.timestamp_ms))?,
        value(env, event.event_id())?,
        value(env, event.backend.as_str())?,
        value(env, event.synthetic.map_or("", Synthetic::as_str))?,
    ])
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
