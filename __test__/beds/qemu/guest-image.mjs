// The initramfs: busybox, our two guest programs, the modules that reach the root file system, and guest/init.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { cacheDirectory } from './kernel.mjs'

const sources = fileURLToPath(new URL('./guest/', import.meta.url))
const busybox = '/bin/busybox'
const bootModules = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay']
const programs = { agent: ['agent.c', 'link.c', 'process.c', 'uevents.c'], synthetic: ['synthetic.c'] }
const units = ['bed-agent.service', 'bed.target', 'masked']
const staleAfterMs = 3_600_000

/** Path of an initramfs for this kernel and these sources; built once for each content. */
export async function buildGuestImage(kernel) {
  if (!existsSync(busybox)) throw new Error(`the QEMU bed needs ${busybox}: apt-get install busybox-static`)
  const plan = []
  for (const name of bootModules) {
    for (const module of await kernel.modulePlan(name)) if (!plan.some((known) => known.name === module.name)) plan.push(module)
  }
  const digest = createHash('sha256').update(kernel.release).update(await readFile(fileURLToPath(import.meta.url)))
  for (const file of (await readdir(sources)).sort()) digest.update(file).update(await readFile(path.join(sources, file)))
  const { size, mtimeMs } = await stat(busybox)
  digest.update(`${size} ${mtimeMs}`)
  const image = path.join(cacheDirectory, `initramfs-${digest.digest('hex').slice(0, 16)}.cpio`)
  if (existsSync(image)) return image

  await mkdir(cacheDirectory, { recursive: true })
  const work = await mkdtemp(path.join(cacheDirectory, 'build-'))
  try {
    const entries = [
      { name: 'bin', directory: true },
      { name: 'bin/busybox', data: await readFile(busybox) },
      { name: 'init', data: await readFile(path.join(sources, 'init')) },
      { name: 'modules', directory: true },
      { name: 'units', directory: true },
    ]
    for (const [program, files] of Object.entries(programs)) entries.push({ name: program, data: await compile(program, files, work) })
    for (const file of units) entries.push({ name: `units/${file}`, data: await readFile(path.join(sources, file)) })
    for (const [index, { name, file }] of plan.entries()) {
      entries.push({ name: `modules/${String(index).padStart(2, '0')}-${name}.ko`, data: await readFile(file) })
    }
    const draft = path.join(work, 'initramfs')
    await writeFile(draft, cpio(entries))
    await rename(draft, image)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  await dropStaleImages(image)
  return image
}

async function compile(program, files, work) {
  const output = path.join(work, program)
  const flags = ['-static', '-O2', '-Wall', '-Wextra', '-s', '-o', output]
  await promisify(execFile)('gcc', [...flags, ...files.map((file) => path.join(sources, file))]).catch((cause) => {
    if (cause.code === 'ENOENT') throw new Error('the QEMU bed needs gcc: apt-get install gcc libc6-dev linux-libc-dev', { cause })
    throw new Error(`${program} for the QEMU bed does not compile: ${cause.stderr}`, { cause })
  })
  return readFile(output)
}

// A run that started a moment ago may still be reading an image of another version.
async function dropStaleImages(current) {
  for (const file of await readdir(cacheDirectory)) {
    const image = path.join(cacheDirectory, file)
    if (!file.startsWith('initramfs-') || image === current) continue
    const age = Date.now() - (await stat(image).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs
    if (age > staleAfterMs) await rm(image, { force: true })
  }
}

/** The kernel's "newc" archive. */
function cpio(entries) {
  const parts = []
  const add = (name, mode, data) => {
    const fields = [0, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0]
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`
    parts.push(Buffer.from(header.padEnd(Math.ceil(header.length / 4) * 4, '\0'), 'latin1'), data)
    parts.push(Buffer.alloc(-data.length & 3))
  }
  for (const { name, directory, data } of entries) add(name, directory ? 0o040755 : 0o100755, data ?? Buffer.alloc(0))
  add('TRAILER!!!', 0, Buffer.alloc(0))
  return Buffer.concat(parts)
}
