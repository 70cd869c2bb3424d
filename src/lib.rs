//! The addon: what JavaScript calls, converted and forwarded to the core. No decision is taken here.

#![expect(clippy::needless_pass_by_value, reason = "N-API hands over owned strings")]

mod cli;
mod daemon;
mod failure;
