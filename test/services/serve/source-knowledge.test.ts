import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectionSettings, ProtectionSettings, RoleName } from '#libs/runtime/cluster-settings'
import { silentLogger } from '#libs/runtime/logger'
import { systemClock } from '#libs/runtime/system-clock'
import { configuredSources } from '#services/serve/source-knowledge'

const connection = (name: string, protection?: ProtectionSettings): readonly [string, ConnectionSettings] => {
  const plain = { name, place: { kind: 'files', path: '/' }, profile: null, verifyProfile: null } as const
  return [name, protection === undefined ? plain : { ...plain, protection }]
}

const words = ['/bin/echo', '0.9'] as const
const command = { kind: 'command', name: 'nas-command', threshold: 0.7, words, timeoutMs: 5_000 } as const
const connections = new Map([connection('nas', { peakBytesPerSecond: 7, signals: [command] }), connection('plain')])

function sourcesOf(roles: readonly RoleName[]): ReturnType<typeof configuredSources> {
  return configuredSources({ settings: { connections, roles }, clock: systemClock, logger: silentLogger })
}

test('what a connection is configured with is known of the source by that name, and of no other', async () => {
  const { knowledge, run } = sourcesOf(['coordinator'])
  assert.deepEqual(knowledge.peak('@nas'), { bytesPerSecond: 7, isMeasured: false })
  assert.deepEqual([knowledge.peak('@plain'), knowledge.peak('/mnt/nas')], [null, null])
  assert.deepEqual(knowledge.levels('@plain'), [])
  const stop = new AbortController()
  const running = run(stop.signal)
  while (knowledge.levels('@nas')[0]?.value !== 0.9) await systemClock.sleep(20)
  stop.abort()
  await running
})

test('only coordinators ask the signals', async () => {
  await sourcesOf(['worker', 'verifier']).run(new AbortController().signal)
})
