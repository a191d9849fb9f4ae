// A log with a registry before it, on whichever log and registry a test names.
import type { TestContext } from 'node:test'
import type { EventLog } from '#libs/log/event-log'
import { openMemoryLog } from '#libs/log/memory-log'
import { openRegisteredLog, type RegisteredLogOptions } from '#libs/log/registry/registered-log'
import type { RegistryAddress } from '#libs/log/registry/registry-address'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { counts } from '#test/contracts/log-fixture'
import { type MemoryRegistry, type MemoryRegistryOptions, startMemoryRegistry } from '#test/support/memory-registry'

export function addressOf(url: string, changes: Partial<RegistryAddress> = {}): RegistryAddress {
  return { url, auth: null, caFile: null, clock: systemClock, logger: silentLogger, ...changes }
}

const never = new AbortController().signal

export async function openTestRegisteredLog(
  t: TestContext,
  inner: EventLog,
  address: RegistryAddress,
  options: RegisteredLogOptions = {},
): Promise<EventLog> {
  const log = await openRegisteredLog(inner, address, never, options)
  t.after(() => log.close())
  return log
}

export async function startTestRegistry(t: TestContext, options: MemoryRegistryOptions = {}): Promise<MemoryRegistry> {
  const registry = await startMemoryRegistry(options)
  t.after(() => registry.close())
  return registry
}

export function memoryLog(): EventLog {
  return openMemoryLog({ partitionCounts: counts })
}
