//! The addon: what JavaScript calls, converted and forwarded to the core. No decision is taken here.

#![expect(clippy::needless_pass_by_value, reason = "N-API hands over owned strings")]

mod arguments;
#[cfg(target_os = "linux")]
mod attending;
mod cli;
mod consumer;
mod daemon;
mod event_publisher;
mod failure;
mod log;
mod outlet;
pub mod present;
mod telemetry;
mod waking;
mod wire;

/// One heap for all threads, because an event is made on one and freed on another (docs/adr/0014).
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
