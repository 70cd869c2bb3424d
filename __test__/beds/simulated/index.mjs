// The simulated bed: the same face as the others, over the addon's own simulated source. For what comes behind the
// sources; it proves nothing about hearing.

import { Program } from '../namespace/program.mjs';

const KINDS = {
  keyboard: { vendorId: 0x0627, productId: 0x0001, product: 'QEMU USB Keyboard', interfaces: [{ class: 3, subclass: 1, protocol: 1 }] },
  storage: { vendorId: 0x46f4, productId: 0x0001, product: 'QEMU USB HARDDRIVE', interfaces: [{ class: 8, subclass: 6, protocol: 80 }] },
  serial: { vendorId: 0x0403, productId: 0x6001, product: 'QEMU USB SERIAL', interfaces: [{ class: 255, subclass: 255, protocol: 255 }] },
  hub: { vendorId: 0x0409, productId: 0x55aa, product: 'QEMU USB Hub', deviceClass: 9, interfaces: [{ class: 9, subclass: 0, protocol: 0 }] },
};

export function openSimulatedBed() {
  return new SimulatedBed();
}

class SimulatedBed {
  kind = 'simulated';
  #observer;
  #programs = new Set();

  spawn(argv, options) {
    const [command, ...args] = argv;
    const program = new Program(command, args, options);
    this.#programs.add(program);
    program.exit.finally(() => this.#programs.delete(program));
    return program;
  }

  observedBy(observer) {
    this.#observer = observer;
  }

  async plug({ kind, controller = 0, port, serial }) {
    const name = `${201 + controller}-${port}`;
    await this.#observer.ask('simulateAttach', { device: { name, manufacturer: 'QEMU', speed: '480', serialNumber: serial, ...KINDS[kind] } });
    return { kind, controller, port, name, serial };
  }

  async unplug({ name }) {
    await this.#observer.ask('simulateDetach', { port: name });
  }

  async close() {
    for (const program of this.#programs) program.kill('SIGKILL');
    await Promise.all([...this.#programs].map((program) => program.exit));
  }
}
