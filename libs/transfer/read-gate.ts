// The worker's tap on the source (I7). A grant fills a token bucket, no valid grant empties it. The bucket holds 2 % of
// the rate, so in any second no more than 102 % of the rate pass (token bucket: rate x window + depth, RFC 2697 without
// colours); the rest up to 105 % is room for reads that start late. A slice is a quarter of that, so that a timer which
// fires 15 ms late on a busy machine loses nothing, and so that what several readers were let through with and read late
// is little: slices of 1.25 % cost a quarter less processor time at low rates, and had a second of 105.8 % at a load of 10.
// The gate and not the caller decides how much may be read at once, at the moment it lets the caller through: a slice cut
// for an earlier, higher rate would break the bound.
import type { Clock } from '#libs/runtime/clock'
import { AdmissionQueue } from './admission-queue.ts'

/** Also the most that is read and hashed in one piece: 1 MiB takes about 1 ms of the loop. */
const sliceBytesMax = 1024 * 1024
const pageBytes = 4096
const sliceShare = 0.005
const depthShare = 0.02

export interface Grant {
  /** null: unlimited; 0 admits nothing. */
  readonly bytesPerSecond: number | null
  readonly validUntilMonotonicMs: number
}

export interface ReadGate {
  /** Replaces the grant that stood before, without giving its unused tokens to the new one. */
  grant(grant: Grant): void
  /** True while a grant is valid that admits anything. */
  hasGrant(): boolean
  /** The most that `take` admits at once under the current grant: at most 1 MiB, and at most 0.5 % of the rate. */
  sliceBytes(): number
  /**
   * Waits, first come, first served, and resolves with how many bytes may be read now: at least 1, at most `bytesWanted`
   * and at most a slice. Waits for as long as no grant is valid. Rejects with the signal's reason.
   */
  take(bytesWanted: number, signal: AbortSignal): Promise<number>
}

const noGrant: Grant = { bytesPerSecond: 0, validUntilMonotonicMs: Number.NEGATIVE_INFINITY }

function sliceOf(bytesPerSecond: number | null): number {
  if (bytesPerSecond === null) return sliceBytesMax
  const share = Math.min(sliceBytesMax, Math.floor(bytesPerSecond * sliceShare))
  // Whole pages where the rate allows it; below 800 KiB/s the bound matters more than the shape of the reads.
  return share >= pageBytes ? share - (share % pageBytes) : Math.max(1, share)
}

class BucketGate implements ReadGate {
  readonly #clock: Clock
  readonly #queue = new AdmissionQueue()
  #grant = noGrant
  #tokens = 0
  #filledAtMs: number
  /** When the earliest sleep that was asked for ends; waking too often is harmless, too late is not. */
  #wakesAtMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
    this.#filledAtMs = clock.monotonic()
  }

  grant(grant: Grant): void {
    this.#fill()
    if (!this.#isValid()) this.#tokens = 0
    this.#grant = grant
    this.#tokens = grant.bytesPerSecond === null ? 0 : Math.min(this.#tokens, grant.bytesPerSecond * depthShare)
    this.#serve()
  }

  hasGrant(): boolean {
    return this.#isValid() && this.#grant.bytesPerSecond !== 0
  }

  sliceBytes(): number {
    return sliceOf(this.#grant.bytesPerSecond)
  }

  take(bytesWanted: number, signal: AbortSignal): Promise<number> {
    if (bytesWanted < 1) throw new RangeError('nothing is wanted')
    const admitted = this.#queue.enter(() => this.#admit(bytesWanted), signal)
    this.#sleepIfLacking()
    return admitted
  }

  #isValid(): boolean {
    return this.#clock.monotonic() < this.#grant.validUntilMonotonicMs
  }

  /** Tokens since the last call, and only for the time in which the grant was valid. */
  #fill(): void {
    const { bytesPerSecond, validUntilMonotonicMs } = this.#grant
    const nowMs = this.#clock.monotonic()
    const filledMs = Math.min(nowMs, validUntilMonotonicMs) - this.#filledAtMs
    this.#filledAtMs = nowMs
    if (bytesPerSecond === null || filledMs <= 0) return
    this.#tokens = Math.min(bytesPerSecond * depthShare, this.#tokens + (bytesPerSecond * filledMs) / 1000)
  }

  #admit(bytesWanted: number): number | null {
    if (!this.hasGrant()) return null
    const bytes = Math.min(bytesWanted, this.sliceBytes())
    if (this.#grant.bytesPerSecond === null) return bytes
    this.#fill()
    if (this.#tokens < bytes) return null
    this.#tokens -= bytes
    return bytes
  }

  #serve(): void {
    this.#queue.serve()
    this.#sleepIfLacking()
  }

  /** Without a valid grant nothing needs to be woken: the next grant does it. */
  #sleepIfLacking(): void {
    const { bytesPerSecond } = this.#grant
    if (this.#queue.length === 0 || !this.hasGrant() || bytesPerSecond === null) return
    const lacking = Math.max(0, this.sliceBytes() - this.#tokens)
    const waitMs = Math.max(1, Math.ceil((lacking / bytesPerSecond) * 1000))
    const wakesAtMs = this.#clock.monotonic() + waitMs
    if (this.#wakesAtMs <= wakesAtMs) return
    this.#wakesAtMs = wakesAtMs
    // Cannot reject: the sleep has no signal.
    void this.#clock.sleep(waitMs).then(() => {
      if (this.#wakesAtMs === wakesAtMs) this.#wakesAtMs = Number.POSITIVE_INFINITY
      this.#serve()
    })
  }
}

/** A gate without a grant: nothing passes before the first one. */
export function createReadGate(clock: Clock): ReadGate {
  return new BucketGate(clock)
}
