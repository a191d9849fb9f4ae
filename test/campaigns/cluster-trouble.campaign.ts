// One process has trouble of its own: a read that hangs in the kernel while its heartbeats go on, and a store whose disk is
// full. It ends or waits with its own code, and the job ends verified once a person, or a supervisor, has acted.
import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { byteMeterAbsence, mountByteMeter } from '../support/byte-meter.ts'
import { type Campaign, runCampaign } from '../support/campaign.ts'
import { makeLongTree, ownEnds, promiseEnd, withCluster } from '../support/cluster-campaign.ts'
import { instanceOf } from '../support/cluster-watch.ts'
import { mountSmallDisk, smallDiskAbsence } from '../support/small-disk.ts'

const MiB = 1024 * 1024
const waitMsMax = 180_000
const serve = ['source_rate = "2MB/s"', 'concurrency = 2']

/** Lines of a member's log that have all the words; the file is small. */
function linesWith(file: string, ...words: readonly string[]): readonly string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => words.every((word) => line.includes(word)))
}

async function hangRead(campaign: Campaign): Promise<void> {
  const absence = byteMeterAbsence()
  if (absence !== null) {
    campaign.note(absence)
    return
  }
  const real = join(campaign.folder, 'hang-source')
  makeLongTree(real, campaign, 80 * MiB, 50)
  const meter = await mountByteMeter(real, { traces: true })
  meter.setFaults([{ kind: 'hang', path: 'large-0', offset: 31 * MiB }])
  try {
    const counts = { coordinator: 1, worker: 2, verifier: 1 } as const
    await withCluster(campaign, { bytes: 0, counts, serve, source: meter.folder }, async (world) => {
      const { cluster, watch } = world
      await cluster.submit('hang', ['--chunk-size', '5MiB'])
      // Part 7 of the file holds byte 31 MiB: nobody can finish it.
      const workers = cluster.membersOf('worker')
      const startMs = performance.now()
      let told: readonly { readonly name: string; readonly line: string }[] = []
      while (told.length === 0 && performance.now() - startMs < waitMsMax) {
        await sleep(250)
        told = workers.flatMap(({ name, logFile }) =>
          linesWith(logFile, 'did not return').map((line) => ({ name, line })),
        )
      }
      const [first] = told
      if (first === undefined) throw new Error('no worker said that a call did not return')
      const toldMs = performance.now()
      const from = watch.seen.length
      // Of its leases that are open the oldest is the one that hangs.
      const open = new Set(watch.leasesOf(first.name).map(({ chunk }) => chunk))
      const leased = watch.seen.find(
        ({ type, verdict, chunk, claim }) =>
          type === 'ChunkLeased' && verdict === 'folded' && open.has(chunk) && instanceOf(claim) === first.name,
      )
      const taken = await watch.until(
        ({ type, verdict, topic, claim }) =>
          type === 'PartitionClaimed' && verdict === 'folded' && topic === 'chunks' && instanceOf(claim) !== '',
        { from, msMax: waitMsMax },
      )
      meter.setFaults([])
      await promiseEnd(world, 'hang', '10min')
      const transfers = watch.seen.filter(
        ({ type, atMs }) => type === 'ChunkTransferred' && leased !== undefined && atMs > leased.atMs && atMs < toldMs,
      )
      campaign.promise('a read that hangs is given up after 25 s, the process ends, and its chunks go to others', {
        holds: taken !== null && JSON.parse(first.line).code === 'SOURCE_STALLED',
        figures: `${first.name}: the lease stood ${((leased === undefined ? 0 : toldMs - leased.atMs) / 1000).toFixed(1)} s when it gave up (25 s and 5 s for the call to return); ${transfers.length} chunks moved meanwhile; claimed anew ${taken === null ? 'never' : `${((taken.atMs - toldMs) / 1000).toFixed(1)} s after that by ${instanceOf(taken.claim)}`}; own ends ${
          ownEnds(world)
            .map((end) => end.slice(0, 60))
            .join(' | ') || 'none'
        }`,
      })
    })
  } finally {
    await meter.unmount()
  }
}

/** Writes until nothing more fits. */
function fillDisk(file: string): void {
  for (const bytes of [MiB, 4096, 1]) {
    try {
      for (;;) appendFileSync(file, Buffer.alloc(bytes))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    }
  }
}

async function fillDisks(campaign: Campaign): Promise<void> {
  const absence = smallDiskAbsence()
  if (absence !== null) {
    campaign.note(`skipped: ${absence}`)
    return
  }
  const disks = join(campaign.folder, 'disks')
  mkdirSync(disks)
  const names = ['c1', 'w1', 'v1'] as const
  const mounted = names.map((name) => mountSmallDisk(join(disks, name), { bytes: 96 * MiB, inodes: 0 }))
  const small = new Set<string>(names)
  const counts = { coordinator: 1, worker: 2, verifier: 1 } as const
  const stateFolderOf = (name: string): string =>
    join(small.has(name) ? disks : join(campaign.folder, 'others'), name, 'state')
  try {
    await withCluster(campaign, { bytes: 120 * MiB, counts, serve, stateFolderOf }, async (world) => {
      const { cluster, watch } = world
      await cluster.submit('disk', ['--chunk-size', '5MiB'])
      await watch.until(({ type }) => type === 'ChunkTransferred', { from: 0, msMax: waitMsMax })
      for (const name of names) fillDisk(join(disks, name, 'filler'))
      const from = watch.seen.length
      await sleep(10_000)
      campaign.note(
        `${watch.seen.length - from} events in 10 s with full disks: a store has room set aside for its log`,
      )
      // Whoever starts on a full disk has nothing set aside.
      for (const name of names) await cluster.member(name).kill()
      for (const name of names) {
        fillDisk(join(disks, name, 'filler'))
        cluster.member(name).start()
      }
      await sleep(campaign.isQuick ? 30_000 : 60_000)
      const ends = cluster.members.map(({ name, ends: own }) => `${name} ${own.length}`).join(', ')
      const codes = new Set(
        names.flatMap((name) =>
          cluster
            .member(name)
            .ends.map(
              ({ code, notices }) =>
                `${name}: exit ${code} ${/[A-Z]+_[A-Z_]+/.exec(notices)?.[0] ?? notices.slice(-120)}`,
            ),
        ),
      )
      for (const name of names) rmSync(join(disks, name, 'filler'))
      const resumed = watch.seen.length
      const run = await promiseEnd(world, 'disk', '5min')
      campaign.promise(
        'a store whose disk is full ends its process with a code of its own, and restarts are all that is needed',
        {
          holds: run.exit_code === 0 && [...codes].every((code) => /_FULL|NOT_WRITABLE/.test(code)) && codes.size > 0,
          figures: `ends while the disks were full: ${ends}; ${[...codes].join('; ')}; ${watch.seen.length - resumed} events after there was room`,
        },
      )
    })
  } finally {
    for (const disk of mounted) disk.unmount()
  }
}

await runCampaign('cluster-trouble', async (campaign) => {
  await hangRead(campaign)
  await fillDisks(campaign)
})
