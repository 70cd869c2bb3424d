//! The command line, run on libuv's pool so that JavaScript stays free to take signals.

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};
use napi_derive::napi;
use usb_daemon_cli::{Invocation, Service, Stopper};

/// One run of the command line.
#[napi]
pub struct NativeCli {
    args: Vec<String>,
    stopper: Arc<Stopper>,
    service: Mutex<Service>,
}

#[napi]
impl NativeCli {
    /// `args` as after the program's name. Takes what a service manager has given to this process.
    #[napi(constructor)]
    pub fn new(args: Vec<String>) -> Self {
        Self { args, stopper: Arc::default(), service: Mutex::new(Service::of_environment()) }
    }

    /// Runs; resolves with the exit code.
    #[napi]
    pub fn run(&self) -> AsyncTask<Run> {
        let service = std::mem::take(&mut *self.service.lock().unwrap_or_else(PoisonError::into_inner));
        AsyncTask::new(Run { args: self.args.clone(), stopper: Arc::clone(&self.stopper), service })
    }

    /// Variables that a service manager has meant for this process alone: they go, so that no child takes them for its own.
    #[napi]
    pub fn own_variables() -> Vec<&'static str> {
        Service::VARIABLES.to_vec()
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
    service: Service,
}

impl Task for Run {
    type Output = u32;
    type JsValue = u32;

    fn compute(&mut self) -> napi::Result<u32> {
        let args = std::mem::take(&mut self.args);
        let service = std::mem::take(&mut self.service);
        Ok(Invocation::new(args, Arc::clone(&self.stopper), service).run().into())
    }

    fn resolve(&mut self, _env: Env, code: u32) -> napi::Result<u32> {
        Ok(code)
    }
}
