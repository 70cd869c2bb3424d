// The QEMU process.

import { spawn } from 'node:child_process'

import { Qmp } from './qmp.mjs'

const consoleTailLength = 16_384
const qemu = 'qemu-system-x86_64'
// QEMU's fd numbers for the two socket pairs that `stdio` below makes: no socket files, so nothing to remove afterwards.
const agentFd = 3
const qmpFd = 4
/** Where a sound card plays. */
export const silence = 'silence'

/** The PCI address at which a controller sits, as it appears in sysfs paths. */
export function controllerAddress(index) {
  return `0000:00:${(0x10 + index).toString(16)}.0`
}

export function startMachine({ kernel, initramfs, controllers, memoryMb, commandLine }) {
  const args = [
    ['-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '1', '-m', String(memoryMb)],
    ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
    ['-kernel', kernel, '-initrd', initramfs, '-append', commandLine],
    ['-chardev', `socket,id=qmp,fd=${qmpFd}`, '-mon', 'chardev=qmp,mode=control'],
    ['-chardev', `socket,id=agent,fd=${agentFd}`, '-device', 'virtio-serial-pci,max_ports=2', '-device', 'virtserialport,nr=1,chardev=agent'],
    ['-fsdev', 'local,id=root,path=/,security_model=none,readonly=on,multidevs=remap', '-device', 'virtio-9p-pci,fsdev=root,mount_tag=root'],
    ['-device', 'virtio-rng-pci', '-audiodev', `none,id=${silence}`],
    ...Array.from({ length: controllers }, (_, index) => {
      const slot = controllerAddress(index).slice(8, 10)
      return ['-device', `qemu-xhci,id=xhci${index},addr=0x${slot},p2=15,p3=15`]
    }),
  ].flat()

  // The kernel ends QEMU together with us, whatever ends us: SIGKILL and a crash leave nothing behind either.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', qemu, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] })
  let tail = ''
  const keepTail = (chunk) => {
    tail = (tail + chunk).slice(-consoleTailLength)
  }
  child.stdout.setEncoding('utf8').on('data', keepTail)
  child.stderr.setEncoding('utf8').on('data', keepTail)

  const killAtExit = () => child.kill('SIGKILL')
  process.on('exit', killAtExit)
  const exited = new Promise((resolve) => {
    child.on('error', (error) => {
      tail += error.code === 'ENOENT' ? 'setpriv is missing: apt-get install util-linux' : error.message
      resolve()
    })
    child.on('close', resolve)
  }).finally(() => process.off('exit', killAtExit))

  const consoleTail = () => {
    if (new RegExp(`failed to execute ${qemu}: No such file`).test(tail)) return `${qemu} is missing: apt-get install qemu-system-x86`
    return tail.trim() || '(the console is empty)'
  }

  return {
    qmp: new Qmp(child.stdio[qmpFd]),
    agentSocket: child.stdio[agentFd],
    exited,
    consoleTail,
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
