// Tells when the machine was too busy to be judged: a timer of this process that fires late was not given a processor.
const everyMs = 10
const latenessMsMax = 50

export interface MachineWatch {
  /** Whether a timer was late by more than 50 ms in the stretch; times as `process.hrtime`, in ms. */
  wasDisturbed(fromMs: number, untilMs: number): boolean
  stop(): void
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export function watchMachine(): MachineWatch {
  const disturbances: { readonly fromMs: number; readonly untilMs: number }[] = []
  let last = monotonicMs()
  const timer = setInterval(() => {
    const now = monotonicMs()
    if (now - last > everyMs + latenessMsMax) disturbances.push({ fromMs: last, untilMs: now })
    last = now
  }, everyMs)
  return {
    wasDisturbed: (fromMs, untilMs) => disturbances.some((one) => one.fromMs < untilMs && one.untilMs > fromMs),
    stop: () => clearInterval(timer),
  }
}
