import { readFileSync } from 'node:fs'

/** Ticks of /proc are 10 ms on every Linux. */
const ticksPerSecond = 100

/** User and system time of a process so far, in seconds (proc(5)). */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
