// When the guest's kernel began to broadcast each uevent.
//
// The bed's ledger is no time to measure from: the kernel serves the sockets of a group from the youngest to the oldest and gives way to whom it has woken in
// between, so with one processor the ledger's witness, who has listened longest, stamps a uevent some 10 ms late, often after JavaScript has had it.

const tracing = '/sys/kernel/tracing';

/** Has the kernel note each broadcast from here on. */
export async function recordBroadcasts(bed) {
  await must(
    bed,
    `mountpoint -q ${tracing} || mount -t tracefs none ${tracing} && cd ${tracing} && echo mono >trace_clock &&
    echo 'p:broadcast netlink_broadcast group=$arg4:u32' >kprobe_events && echo 1 >events/kprobes/broadcast/enable`,
  );
}

/** The moments, ascending, in ns of CLOCK_MONOTONIC. What udevd and others broadcast is not among them: uevents of devices come from the kernel's own workers. */
export async function recordedBroadcasts(bed) {
  const text = await must(bed, `grep ' broadcast: ' ${tracing}/trace | grep -w 'group=1' | grep kworker`);
  return text
    .trim()
    .split('\n')
    .map((line) => Number(/(\d+\.\d+): broadcast:/.exec(line)[1]) * 1e9);
}

/** When the broadcast began that a ledger entry tells of: a uevent is served to everybody before the next one's turn. */
export function broadcastOf(entry, moments) {
  const began = moments.findLast((moment) => moment <= Number(entry.monotonic_ns));
  if (began === undefined) throw new Error(`no broadcast was recorded before ${entry.action} of ${entry.devpath}`);
  return began;
}

async function must(bed, command) {
  const { code, stdout, stderr } = await bed.shell(command, { cwd: '/' });
  if (code !== 0) throw new Error(`tracing in the guest: ${stderr || stdout}`);
  return stdout;
}
