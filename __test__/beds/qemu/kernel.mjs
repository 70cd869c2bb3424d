// Debian's kernel from the cache, and the order in which its modules must be loaded.

import { execFile } from 'node:child_process'
import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const checkout = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '')
export const cacheDirectory = path.join(checkout, '.cache/qemu')

const kernelDirectory = path.join(cacheDirectory, 'kernel')
const setup = 'scripts/setup/qemu-kernel.sh'

/**
 * Fetches the kernel if the cache has none, or one that another version of the set-up has made. The result's `modulePlan(name)` lists what to load
 * for a module, itself last.
 */
export async function openKernel() {
  await promisify(execFile)('sh', [path.join(checkout, setup)]).catch((cause) => {
    throw new Error(`no kernel for the QEMU bed: ${setup} failed: ${String(cause.stderr || cause.message).trim()}`, { cause })
  })
  const modules = new Map()
  for (const file of await readdir(path.join(kernelDirectory, 'modules'), { recursive: true })) {
    if (file.endsWith('.ko')) modules.set(moduleName(path.basename(file, '.ko')), path.join(kernelDirectory, 'modules', file))
  }
  const dependencies = new Map()

  async function modulePlan(name, seen = new Set()) {
    const canonical = moduleName(name)
    if (seen.has(canonical)) return []
    seen.add(canonical)
    const file = modules.get(canonical)
    if (!file) throw new Error(`the QEMU bed's kernel has no module ${name}`)
    if (!dependencies.has(canonical)) dependencies.set(canonical, readDependencies(file))
    const plan = []
    for (const dependency of await dependencies.get(canonical)) plan.push(...(await modulePlan(dependency, seen)))
    return [...plan, { name: canonical, file }]
  }

  return {
    image: path.join(kernelDirectory, 'vmlinux'),
    release: (await readFile(path.join(kernelDirectory, 'release'), 'utf8')).trim(),
    modulePlan,
  }
}

function moduleName(name) {
  return name.replaceAll('-', '_')
}

// The unpacked package has no modules.dep; each module tells its own needs in the ELF section .modinfo.
async function readDependencies(file) {
  const elf = await readFile(file)
  const table = Number(elf.readBigUInt64LE(0x28))
  const entrySize = elf.readUInt16LE(0x3a)
  const count = elf.readUInt16LE(0x3c)
  const section = (index) => {
    const header = table + index * entrySize
    return { name: elf.readUInt32LE(header), offset: Number(elf.readBigUInt64LE(header + 24)), size: Number(elf.readBigUInt64LE(header + 32)) }
  }
  const names = section(elf.readUInt16LE(0x3e))
  for (let index = 0; index < count; index++) {
    const { name, offset, size } = section(index)
    const start = names.offset + name
    if (elf.toString('latin1', start, start + 9) !== '.modinfo\0') continue
    const entries = elf.toString('latin1', offset, offset + size).split('\0')
    const depends = entries.find((entry) => entry.startsWith('depends='))
    return depends ? depends.slice('depends='.length).split(',').filter(Boolean) : []
  }
  throw new Error(`${file} has no .modinfo section`)
}
