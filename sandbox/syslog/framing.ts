/** A frame that is no frame. After one the stream has no known beginning any more and has to be closed. */
export type FrameFault = 'frame_empty' | 'frame_truncated' | 'length_not_a_number' | 'length_too_large'

/** RFC 5425 §4.3.1: receivers must take 2048 octets and should take 8192; syslog-ng's default is 64 KiB. */
export const MAX_FRAME_BYTES = 64 * 1024

const SPACE = 0x20
const ZERO = 0x30
const NINE = 0x39

/**
 * Octet counting, `MSG-LEN SP SYSLOG-MSG` (RFC 6587 §3.4.1, RFC 5425 §4.3): frames come out whole, however the bytes were
 * cut into packets. Strict: no line feed between frames, no leading zero, no length above the limit.
 */
export class OctetFrames {
  private readonly maxBytes: number
  private pending: Buffer = Buffer.alloc(0)
  private fault: FrameFault | undefined

  constructor(maxBytes = MAX_FRAME_BYTES) {
    this.maxBytes = maxBytes
  }

  /** Frames completed by these bytes; `fault` once the stream cannot be followed any further. */
  push(bytes: Buffer): { frames: Buffer[]; fault: FrameFault | undefined } {
    const frames: Buffer[] = []
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes])
    while (this.fault === undefined) {
      const head = this.head()
      if (head === undefined || this.pending.length < head.at + head.length) break
      frames.push(this.pending.subarray(head.at, head.at + head.length))
      this.pending = this.pending.subarray(head.at + head.length)
    }
    return { frames, fault: this.fault }
  }

  /** What the connection's end means for what is left. */
  end(): FrameFault | undefined {
    return this.fault ?? (this.pending.length > 0 ? 'frame_truncated' : undefined)
  }

  private head(): { at: number; length: number } | undefined {
    let length = 0
    for (let at = 0; at < this.pending.length; at++) {
      const byte = this.pending[at] as number
      if (byte === SPACE && at > 0) return { at: at + 1, length }
      if (byte < ZERO || byte > NINE) return this.fail('length_not_a_number')
      if (byte === ZERO && at === 0) return this.fail('frame_empty')
      length = length * 10 + (byte - ZERO)
      if (length > this.maxBytes) return this.fail('length_too_large')
    }
    return undefined
  }

  private fail(fault: FrameFault): undefined {
    this.fault = fault
    return undefined
  }
}
