//! Names and clock of the machine.

use std::time::Duration;

use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::System::SystemInformation::GetTickCount64;

const MACHINE: &str = r"SOFTWARE\Microsoft\Cryptography";
const BOOTS: &str = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters";

/// Names the kernel's run, by the machine and the number of its boots, which Windows counts; empty where it does not. The time of
/// the boot would not do: it moves whenever the clock is set.
pub(crate) fn boot_id() -> String {
    let machine = LOCAL_MACHINE.open(MACHINE).and_then(|key| key.get_string("MachineGuid"));
    let boot = LOCAL_MACHINE.open(BOOTS).and_then(|key| key.get_u32("BootId"));
    match (machine, boot) {
        (Ok(machine), Ok(boot)) => format!("{machine}-{boot}"),
        _ => String::new(),
    }
}

/// What this machine calls itself.
pub(crate) fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// Time since the start of the machine. Goes on while it sleeps, as a server's clock does.
pub(crate) fn since_boot() -> Duration {
    // SAFETY: reads a counter, and takes no argument.
    Duration::from_millis(unsafe { GetTickCount64() })
}
