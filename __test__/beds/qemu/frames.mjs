// The frames on the line to the guest agent; guest/link.h describes them.

export const frameType = { spawn: 1, stdin: 2, kill: 3, ready: 10, started: 11, stdout: 12, stderr: 13, exit: 14, failed: 15, taken: 16, uevent: 17 }
export const frameLimit = 128 * 1024
const headerLength = 9

export function encodeFrame(kind, id, payload) {
  const rest = headerLength - 4 + payload.length
  if (rest > frameLimit) throw new RangeError(`a frame of ${rest} bytes is too long for the guest agent`)
  const header = Buffer.alloc(headerLength)
  header.writeUInt32LE(rest, 0)
  header.writeUInt8(kind, 4)
  header.writeUInt32LE(id, 5)
  return Buffer.concat([header, payload])
}

/** Cuts what arrives into frames, whatever the pieces. */
export class FrameReader {
  #rest = Buffer.alloc(0)

  /** The frames that are whole now. */
  push(chunk) {
    const frames = []
    let buffer = this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk
    while (buffer.length >= headerLength) {
      const end = buffer.readUInt32LE(0) + 4
      if (buffer.length < end) break
      frames.push({ kind: buffer.readUInt8(4), id: buffer.readUInt32LE(5), payload: buffer.subarray(headerLength, end) })
      buffer = buffer.subarray(end)
    }
    this.#rest = buffer
    return frames
  }
}
