// Proves the QEMU bed itself: node __test__/beds/qemu/selftest.mjs [rounds]. Prints what it took; ends with 1 on the first thing that is not so.

import assert from 'node:assert/strict'

import { openQemuBed } from './index.mjs'

const composite = [
  '0902620003010080fa',
  // Two interfaces joined by an association (a serial line), and a vendor-specific one.
  '080b000202020100', '0904000001020201000524001001', '0424020205240600010524010001', '0705830308000a',
  '09040100020a000000', '0705020200020007058102000200', '0904020000ff000000',
].join('')

const hostileStrings = [
  Array.from('line\nbreak\t\u0000\u001b[31mred\u007f', (character) => character.charCodeAt(0)),
  Array.from({ length: 126 }, (_, at) => 0x4e00 + at),
  [0x41, 0xd800, 0x42, 0xdc00, 0x2028, 0x202e, 0xfeff, 0xffff],
]

const checks = {
  async 'processes speak at the same time, and stdin reaches each'(bed) {
    const cats = Array.from({ length: 4 }, () => bed.spawn(['cat']))
    for (const [index, cat] of cats.entries()) cat.write(`hello ${index}`)
    for (const [index, cat] of cats.entries()) assert.equal((await cat.stdout.next()).value, `hello ${index}`)
    for (const cat of cats) cat.endInput()
    for (const cat of cats) assert.deepEqual(await cat.exit, { code: 0, signal: null })
  },

  async 'a megabyte goes in and comes out whole'(bed) {
    const sum = bed.spawn(['sh', '-c', 'tee /tmp/big | cat; wc -c </tmp/big >&2; rm /tmp/big'])
    const line = 'x'.repeat(1023)
    for (let count = 0; count < 1024; count++) sum.write(line)
    sum.endInput()
    let lines = 0
    for await (const echoed of sum.stdout) lines += echoed === line ? 1 : 0
    await sum.exit
    assert.deepEqual([lines, sum.stderrText().trim()], [1024, String(1024 * 1024)])
  },

  async 'signals, exit codes and impossible programs are told apart'(bed) {
    const sleeper = bed.spawn(['sleep', '100'])
    sleeper.kill('SIGTERM')
    assert.deepEqual(await sleeper.exit, { code: null, signal: 'SIGTERM' })
    assert.equal((await bed.shell('exit 7')).code, 7)
    const missing = await bed.exec(['/no/such/program'])
    assert.deepEqual([missing.code, /ENOENT/.test(missing.stderr)], [127, true])
  },

  async 'node runs as nobody'(bed) {
    const script = "console.log(JSON.stringify([process.getuid(), require('fs').readFileSync('/proc/self/status', 'utf8').match(/CapEff:\\s*(\\w+)/)[1]]))"
    const { stdout, stderr } = await bed.exec(['node', '-e', script], { user: 'nobody', cwd: '/' })
    assert.deepEqual([stdout.trim(), stderr], ['[65534,"0000000000000000"]', ''])
  },

  async 'redis-server answers on 127.0.0.1'(bed) {
    const server = bed.spawn(['redis-server', '--port', '6399', '--save', '', '--dir', '/tmp'])
    await server.waitForLine((line) => /ready to accept connections/i.test(line))
    assert.equal((await bed.exec(['redis-cli', '-p', '6399', 'ping'])).stdout, 'PONG\n')
    server.kill()
    assert.equal((await server.exit).code, 0)
  },

  async 'keyboard, storage and serial on root ports and behind a hub'(bed) {
    const hub = await bed.plug({ kind: 'hub', controller: 0, port: '1' })
    const handles = await Promise.all([
      bed.plug({ kind: 'keyboard', controller: 1, port: '1', serial: 'KBD-ROOT' }),
      bed.plug({ kind: 'storage', controller: 2, port: '2', serial: 'DISK-ROOT' }),
      bed.plug({ kind: 'serial', controller: 3, port: '3', serial: 'TTY-ROOT' }),
      bed.plug({ kind: 'keyboard', controller: 0, port: '1.1', serial: 'KBD-HUB' }),
      bed.plug({ kind: 'storage', controller: 0, port: '1.2', serial: 'DISK-HUB' }),
      bed.plug({ kind: 'serial', controller: 0, port: '1.3', serial: 'TTY-HUB' }),
    ])
    for (const handle of handles) {
      const { devpath } = await bed.settle(handle, 'bind')
      const { stdout } = await bed.shell(`cd /sys${devpath} && cat serial idVendor busnum devnum`)
      const [serial, vendor, bus, address] = stdout.trim().split('\n')
      assert.deepEqual([serial, /^[0-9a-f]{4}$/.test(vendor)], [handle.serial, true])
      const node = `/dev/bus/usb/${bus.padStart(3, '0')}/${address.padStart(3, '0')}`
      assert.equal((await bed.shell(`[ -c ${node} ]`)).code, 0, node)
    }
    const [rootKeyboard, rootDisk, rootLine, ...behindHub] = handles
    for (const handle of [rootKeyboard, rootDisk, rootLine]) await bed.unplug(handle)
    await bed.unplug(hub)
    for (const handle of [...handles, hub]) await bed.settle(handle, 'gone')
    for (const handle of behindHub) await bed.unplug(handle)
  },

  async '8 cycles over 4 controllers in parallel'(bed) {
    const before = bed.ledger().length
    await Promise.all([0, 1, 2, 3].map(async (controller) => {
      await bed.cycle({ kind: 'keyboard', controller, port: '1', serial: `CYCLE-${controller}` })
      await bed.cycle({ kind: 'serial', controller, port: '2', serial: `CYCLE-${controller}` })
    }))
    const actions = bed.ledger().slice(before).map(({ action }) => action).sort().join(' ')
    assert.equal(actions, `${'add '.repeat(8)}${'remove '.repeat(8)}`.trim())
  },

  async 'three synthetic devices show their strings'(bed) {
    const handles = [
      await bed.plugSynthetic({ deviceDescriptor: { vid: 0x1234, pid: 0xabcd, bDeviceClass: 0xef, bDeviceSubClass: 2, bDeviceProtocol: 1 }, configurations: [composite], strings: ['Maker', 'Composite', 'SYN-1'] }),
      await bed.plugSynthetic({ deviceDescriptor: { vid: 0x1234, pid: 0x0002 } }),
      await bed.plugSynthetic({ deviceDescriptor: { vid: 0xffff, pid: 0xffff }, strings: hostileStrings, speed: 'super' }),
    ]
    const shown = []
    for (const handle of handles) {
      const { devpath } = await bed.settle(handle, 'bind')
      const script = `const fs = require('fs'); const out = { interfaces: fs.readdirSync('.').filter((name) => /:/.test(name)).length }
        for (const name of ['speed', 'manufacturer', 'product', 'serial']) try { out[name] = fs.readFileSync(name, 'utf8').replace(/\\n$/, '') } catch { out[name] = null }
        console.log(JSON.stringify(out))`
      shown.push(JSON.parse((await bed.exec(['node', '-e', script], { cwd: `/sys${devpath}` })).stdout))
      console.log(`      ${JSON.stringify(shown.at(-1))}`)
    }
    assert.deepEqual(shown[0], { interfaces: 3, speed: '480', manufacturer: 'Maker', product: 'Composite', serial: 'SYN-1' })
    assert.deepEqual(shown[1], { interfaces: 1, speed: '480', manufacturer: null, product: null, serial: null })
    assert.deepEqual([shown[2].speed, shown[2].product.length], ['5000', 126])
    await Promise.all(handles.map((handle) => bed.unplug(handle)))
    await Promise.all(handles.map((handle) => bed.settle(handle, 'gone')))
  },

  async '50 devices at once'(bed) {
    const hubs = await Promise.all(Array.from({ length: 7 }, (_, at) => bed.plug({ kind: 'hub', controller: at % 4, port: String(5 + (at >> 2)) })))
    const kinds = ['keyboard', 'mouse', 'tablet', 'serial', 'storage']
    const requests = hubs.flatMap(({ controller, port }, hub) => Array.from({ length: 8 }, (_, at) => {
      return { kind: kinds[(hub + at) % kinds.length], controller, port: `${port}.${at + 1}`, serial: `MANY-${hub}-${at}` }
    })).slice(0, 50)
    const handles = await Promise.all(requests.map((request) => bed.plug(request)))
    await Promise.all(handles.map((handle) => bed.settle(handle, 'bind', 60_000)))
    const { stdout } = await bed.shell('cat /sys/bus/usb/devices/*/serial | grep -c ^MANY-')
    assert.equal(stdout.trim(), '50')
    await Promise.all(hubs.map((hub) => bed.unplug(hub)))
    await Promise.all([...handles, ...hubs].map((handle) => bed.settle(handle, 'gone', 60_000)))
  },

  async 'gadgets of configfs attach on dummy_hcd, each on its own port'(bed) {
    const handles = [
      await bed.plugGadget({ functions: ['acm', 'mass_storage'], strings: ['Maker', 'Stick', 'GADGET-1'] }),
      await bed.plugGadget({ functions: ['hid'], strings: ['Maker', 'Keyboard', 'GADGET-2'] }),
    ]
    for (const [index, handle] of handles.entries()) {
      const { devpath, product } = await bed.settle(handle, 'bind')
      const { stdout } = await bed.shell(`cd /sys${devpath} && cat serial && ls -d *:*`)
      assert.deepEqual([product.slice(0, 9), stdout.trim().split('\n').length], ['1d6b/104/', index === 0 ? 4 : 2])
      assert.match(stdout, new RegExp(`^${handle.serial}\n`))
    }
    for (const handle of handles) await bed.unplug(handle)
    await Promise.all(handles.map((handle) => bed.settle(handle, 'gone')))
    assert.equal((await bed.shell('ls /sys/kernel/config/usb_gadget')).stdout, '')
    await assert.rejects(bed.plugGadget({ functions: ['telepathy'] }), /no function telepathy; there are acm/)
  },
}

const rounds = Number(process.argv[2] ?? 1)
for (let round = 0; round < rounds; round++) {
  for (const udev of [false, true]) {
    const opening = performance.now()
    const bed = await openQemuBed({ udev, gadgets: true })
    try {
      console.log(`udev=${udev}: open in ${since(opening)}`)
      assert.equal((await bed.shell('pgrep -c systemd-udevd')).stdout.trim() !== '0', udev)
      for (const [name, check] of Object.entries(checks)) {
        const start = performance.now()
        await check(bed).catch((error) => {
          throw new Error(`${name} (udev=${udev})\nconsole: ${bed.consoleTail()}`, { cause: error })
        })
        console.log(`  ${since(start).padStart(7)}  ${name}`)
      }
    } finally {
      await bed.close()
    }
  }
}

function since(start) {
  return `${((performance.now() - start) / 1000).toFixed(2)} s`
}
