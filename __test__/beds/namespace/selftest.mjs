// Proves that the bed is what tests take it for. Run: `node __test__/beds/namespace/selftest.mjs` (USB_BED names another binary).

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import test from 'node:test'
import { findBinary, openNamespaceBed } from './index.mjs'

const PAIRS = 10_000
const isRoot = process.getuid() === 0

function machine() {
  return {
    mounts: readFileSync('/proc/self/mountinfo', 'utf8'),
    sys: ['/sys/bus', '/sys/devices', '/dev'].map((directory) => readdirSync(directory)),
    usb: existsSync('/sys/bus/usb/devices') && readdirSync('/sys/bus/usb/devices'),
    sockets: readdirSync(tmpdir()).filter((name) => name.startsWith('usb-bed-')),
  }
}

function processesIn(mountNamespace) {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/ns/mnt`) === mountNamespace
    } catch {
      return false
    }
  })
}

async function until(condition, what, timeoutMs = 10_000) {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `${what} within ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Runs a test in a bed of its own and checks that nothing is left of it. */
function bedTest(name, options, body) {
  test(name, async (context) => {
    const before = machine()
    const bed = await openNamespaceBed(options)
    try {
      await body(bed, context)
    } finally {
      await bed.close()
    }
    assert.deepEqual(processesIn(bed.info.namespaces.mnt), [], 'a process is left in the bed')
    assert.deepEqual(machine(), before, 'the machine has changed')
  })
}

async function logged(log) {
  log.endInput()
  await log.exit
  return log.stdout.drain().map((line) => JSON.parse(line))
}

const read = async (bed, path) => (await bed.exec(['cat', path])).stdout
const keyOf = ({ action, devpath, busnum, devnum }) => `${action} ${devpath} ${busnum} ${devnum}`

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]

async function burstIsHeard(bed, context, entry, pauses) {
  const log = await bed.startLog()
  const since = (await bed.control('ledger')).next
  const burst = bed.burst({ pairs: PAIRS, entry, controller: 1, ...pauses })
  const asked = performance.now()
  const { devices } = await bed.control('info')
  const answered = performance.now() - asked
  assert.ok(devices.length >= 1)
  const { sent, first_ns, last_ns } = await burst
  const heard = await logged(log)
  const ledger = await bed.ledger({ since })
  assert.equal(sent, 2 * PAIRS)
  assert.equal(ledger.length, sent)
  assert.deepEqual(heard.filter((line) => line.overflow || line.refused), [])
  assert.deepEqual(heard.map(keyOf), ledger.map(keyOf), 'what was heard is what was sent, in its order')
  const late = heard.map((line, index) => line.monotonic_ns - ledger[index].monotonic_ns)
  const rate = Math.round(sent / ((last_ns - first_ns) / 1e9))
  context.diagnostic(`${entry}: ${rate} events/s, heard ${(median(late) / 1000).toFixed(0)} µs later (median), control answered in ${answered.toFixed(1)} ms`)
}

for (const unprivileged of isRoot ? [false, true] : [true]) {
  const mode = unprivileged ? 'unprivileged' : 'privileged'

  bedTest(`${mode}: a keyboard comes and goes in the kernel's order`, { unprivileged }, async (bed) => {
    const log = await bed.startLog()
    const handle = await bed.plug({ kind: 'keyboard', controller: 1, port: '4', serial: 'kbd-1' })
    assert.equal(handle.name, '2-4')
    assert.equal(handle.devnum, 2)
    const entry = `/sys/bus/usb/devices/${handle.name}`
    assert.equal(await read(bed, `${entry}/idVendor`), '0627\n')
    assert.equal(await read(bed, `${entry}/serial`), 'kbd-1\n')
    assert.equal(await read(bed, `${entry}/bConfigurationValue`), '1\n')
    assert.equal(await read(bed, `${entry}/2-4:1.0/bInterfaceProtocol`), '01\n')
    assert.match(await read(bed, `${entry}/uevent`), /DEVNAME=bus\/usb\/002\/002\n/)
    assert.equal((await bed.exec(['test', '-e', '/dev/bus/usb/002/002'])).code, 0)
    await bed.unplug(handle)
    assert.equal((await bed.exec(['ls', '/sys/bus/usb/devices'])).stdout.includes('2-4'), false)
    assert.equal((await bed.exec(['test', '-e', '/dev/bus/usb/002/002'])).code, 1)
    const heard = await logged(log)
    assert.deepEqual(heard.map((line) => line.action), ['add', 'bind', 'unbind', 'remove'])
    assert.ok(heard.every((line, index) => index === 0 || line.seqnum > heard[index - 1].seqnum))
    assert.equal(heard[0].product, '627/1/100')
    const again = await bed.plug({ kind: 'keyboard', controller: 1, port: '4' })
    assert.equal(again.devnum, 3)
  })

  bedTest(`${mode}: a hub takes what hangs on it along`, { unprivileged }, async (bed) => {
    const hub = await bed.plug({ kind: 'hub', port: '1' })
    await bed.plug({ kind: 'storage', port: '1.2' })
    await bed.plug({ kind: 'serial', port: '1.4' })
    await assert.rejects(bed.plug({ kind: 'mouse', port: '3.1' }), /no hub 1-3/)
    await assert.rejects(bed.plug({ kind: 'mouse', port: '1.2' }), /taken/)
    await bed.unplug(hub)
    const ledger = await bed.ledger()
    assert.deepEqual(
      ledger.map(({ action, name }) => `${action} ${name}`),
      ['add 1-1', 'add 1-1.2', 'add 1-1.4', 'remove 1-1.2', 'remove 1-1.4', 'remove 1-1'],
    )
  })

  bedTest(`${mode}: losses, repeats, ghosts and forgeries`, { unprivileged }, async (bed) => {
    const log = await bed.startLog()
    await bed.control('silent_plug', { name: '1-1', vendor_id: '1d50', product_id: '6018' })
    assert.equal(await read(bed, '/sys/bus/usb/devices/1-1/idVendor'), '1d50\n')
    await bed.control('uevent_only', { name: '1-1', action: 'add' })
    await bed.control('silent_unplug', { name: '1-1' })
    await bed.control('uevent_only', { name: '1-1', action: 'remove' })
    const ghost = await bed.plug({ kind: 'mouse', port: '2', interfaces_follow: false })
    await bed.unplug(ghost, { entry: 'kept' })
    assert.equal(await read(bed, '/sys/bus/usb/devices/1-2/idVendor'), '0627\n')
    await bed.plug({ kind: 'tablet', port: '2', interfaces_follow: false })
    await bed.control('other', { count: 12 })
    await bed.control('raw', { text_hex: Buffer.from('add@/x\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0ACTION=add\0').toString('hex') })
    await bed.control('forge', { text: 'add@/forged\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0' })
    await bed.control('forge', { text: 'add@/forged\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0', port: log.ready.port })
    const heard = await logged(log)
    assert.deepEqual(
      heard.map((line) => (line.refused ? 'refused' : `${line.action} ${line.devpath?.split('/').pop()}`)),
      ['add 1-1', 'remove 1-1', 'add 1-2', 'remove 1-2', 'add 1-2', 'add undefined', 'refused', 'refused'],
    )
    await assert.rejects(bed.control('nonsense'), /nonsense/)
  })

  bedTest(`${mode}: strings and descriptors may be hostile`, { unprivileged }, async (bed) => {
    const bytes = '0a1b5b33316d00eda080'
    await bed.plug({ port: '1', vendor_id: 1, product_id: 2, product: { bytes_hex: bytes }, descriptors: '0001' })
    const { stdout } = await bed.exec(['od', '-An', '-tx1', '-v', '/sys/bus/usb/devices/1-1/product'])
    assert.equal(stdout.replace(/\s/g, ''), `${bytes}0a`)
    assert.equal((await bed.exec(['stat', '-c', '%s', '/sys/bus/usb/devices/1-1/descriptors'])).stdout, '2\n')
  })

  bedTest(`${mode}: ${PAIRS} pairs flat out with the entries removed are all heard`, { unprivileged }, (bed, context) =>
    burstIsHeard(bed, context, 'removed'))

  // Without SO_RCVBUFFORCE the buffer holds some 6,500 messages, which a busy machine can fill in 30 ms.
  const pauses = unprivileged ? { pause_every: 1000, pause_ms: 20 } : {}
  bedTest(`${mode}: ${PAIRS} pairs as fast as the buffer takes them with the entries kept are all heard`, { unprivileged }, (bed, context) =>
    burstIsHeard(bed, context, 'kept', pauses))

  bedTest(`${mode}: a burst keeps to a rate and visits several places`, { unprivileged }, async (bed) => {
    const { sent, first_ns, last_ns } = await bed.burst({ pairs: 100, rate_per_second: 1000, names: ['1-1', '2-1', '3-1'] })
    assert.equal(sent, 200)
    assert.ok(last_ns - first_ns > 190e6, `${last_ns - first_ns} ns`)
    const ledger = await bed.ledger()
    assert.deepEqual(ledger.slice(0, 6).map(({ action, name, pair }) => `${action} ${name} ${pair}`), [
      'add 1-1 0', 'add 2-1 1', 'add 3-1 2', 'remove 1-1 0', 'remove 2-1 1', 'remove 3-1 2',
    ])
    await assert.rejects(bed.burst({ pairs: 1, name: '9-1' }), /9-1/)
  })

  bedTest(`${mode}: a deaf program sees devices and hears nothing`, { unprivileged, deaf: true }, async (bed) => {
    const hearing = await bed.startLog()
    const deaf = bed.spawn([findBinary(), 'log'])
    await deaf.waitForLine((line) => line.includes('listening'))
    await bed.plug({ kind: 'mouse' })
    assert.equal(await read(bed, '/sys/bus/usb/devices/1-1/idProduct'), '0001\n')
    assert.deepEqual(await logged(deaf), [])
    assert.equal((await logged(hearing)).length, 2)
    assert.notEqual(bed.info.deaf_namespaces.net, bed.info.namespaces.net)
  })

  bedTest(`${mode}: without devfs there is no /dev/bus`, { unprivileged, devfs: false }, async (bed) => {
    await bed.plug({ kind: 'mouse' })
    assert.notEqual((await bed.exec(['ls', '/dev/bus'])).code, 0)
  })

  bedTest(`${mode}: close ends what a program left behind`, { unprivileged }, async (bed) => {
    const { stdout } = await bed.exec(['sh', '-c', 'setsid sleep 1000 >/dev/null 2>&1 & echo $!'])
    assert.ok(existsSync(`/proc/${stdout.trim()}`))
    const stopped = bed.spawn(['sleep', '1000'])
    stopped.kill('SIGSTOP')
    await bed.close()
    assert.equal((await stopped.exit).signal, 'SIGKILL')
  })

  bedTest(`${mode}: a server on the loopback answers, deaf or not`, { unprivileged, deaf: unprivileged }, async (bed) => {
    const server = bed.spawn([process.execPath, '-e', 'require("net").createServer((s) => s.end("hello")).listen(6379, "127.0.0.1", () => console.log("up"))'])
    await server.waitForLine((line) => line === 'up')
    const client = 'require("net").connect(6379, "127.0.0.1").pipe(process.stdout)'
    assert.equal((await bed.exec([process.execPath, '-e', client])).stdout, 'hello\n')
  })

  test(`${mode}: a bed ends with the process that opened it`, async () => {
    const before = machine()
    const script = `
      import { openNamespaceBed } from ${JSON.stringify(new URL('./index.mjs', import.meta.url).href)}
      const bed = await openNamespaceBed({ unprivileged: ${unprivileged} })
      bed.spawn(['sh', '-c', 'setsid sleep 1000 & sleep 1000'])
      console.log(bed.info.namespaces.mnt)
      bed.burst({ pairs: 1e6 }).catch(() => {})`
    const opener = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [namespace] = await once(opener.stdout.setEncoding('utf8'), 'data')
    await until(() => processesIn(namespace.trim()).length >= 4, 'the bed is full')
    opener.kill('SIGKILL')
    await until(() => processesIn(namespace.trim()).length === 0, 'the bed has ended')
    await until(() => machine().sockets.length === before.sockets.length, 'the socket is gone')
    assert.deepEqual(machine(), before)
  })

  test(`${mode}: run passes exit codes and signals on`, async () => {
    const switches = unprivileged ? ['--unprivileged'] : []
    const run = (...command) => {
      const socket = `${tmpdir()}/usb-bed-${process.pid}-${mode}.sock`
      return spawn(findBinary(), ['run', '--control', socket, ...switches, '--', ...command], { stdio: ['ignore', 'pipe', 'inherit'] })
    }
    assert.deepEqual(await once(run('sh', '-c', 'exit 7'), 'exit'), [7, null])
    const asked = run('sh', '-c', 'trap "exit 9" USR1; echo ready; while :; do sleep 0.01; done')
    await once(asked.stdout, 'data')
    asked.kill('SIGUSR1')
    assert.deepEqual(await once(asked, 'exit'), [9, null])
  })

  if (isRoot) {
    bedTest(`${mode}: nobody runs without any capability`, { unprivileged }, async (bed) => {
      const { stdout } = await bed.exec(['sh', '-c', 'id -u; id -G; grep -E "CapEff|CapPrm|CapAmb|NoNewPrivs" /proc/self/status'], { user: 'nobody' })
      assert.equal(stdout.replace(/\s+/g, ' '), '65534 65534 CapPrm: 0000000000000000 CapEff: 0000000000000000 CapAmb: 0000000000000000 NoNewPrivs: 1 ')
    })
  }
}
