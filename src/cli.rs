//! The command line, run on libuv's pool so that JavaScript stays free to take signals.

use std::sync::Arc;

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};
use napi_derive::napi;
use usb_daemon_cli::{Invocation, Stopper};

/// One run of the command line.
#[napi]
pub struct NativeCli {
    args: Vec<String>,
    stopper: Arc<Stopper>,
}

#[napi]
impl NativeCli {
    /// `args` as after the program's name.
    #[napi(constructor)]
    pub fn new(args: Vec<String>) -> Self {
        Self { args, stopper: Arc::default() }
    }

    /// Runs; resolves with the exit code.
    #[napi]
    pub fn run(&self) -> AsyncTask<Run> {
        AsyncTask::new(Run { args: self.args.clone(), stopper: Arc::clone(&self.stopper) })
    }

    /// Asks the run to end.
    #[napi]
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// Asks the run to read its configuration again. False where what runs does not do that.
    #[napi]
    pub fn reload(&self) -> bool {
        self.stopper.reload()
    }
}

/// The run itself.
pub struct Run {
    args: Vec<String>,
    stopper: Arc<Stopper>,
}

impl Task for Run {
    type Output = u32;
    type JsValue = u32;

    fn compute(&mut self) -> napi::Result<u32> {
        let args = std::mem::take(&mut self.args);
        Ok(Invocation::new(args, Arc::clone(&self.stopper)).run().into())
    }

    fn resolve(&mut self, _env: Env, code: u32) -> napi::Result<u32> {
        Ok(code)
    }
}
