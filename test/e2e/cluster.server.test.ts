import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { instanceOf, watchCluster } from '#test/support/cluster-watch'
import { compareFolders } from '#test/support/foreign-tools'
import { withKafka } from '#test/support/kafka-cluster'
import { makeMixedTree } from '#test/support/mixed-tree'
import { startServeCluster } from '#test/support/serve-cluster'

const MiB = 1024 * 1024
const takeoverMsMax = 60_000

withKafka(() => {
  test('a worker killed in mid-run is replaced by the other, and everything is verified once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'waybill-cluster-'))
    const target = join(folder, 'target')
    mkdirSync(target)
    const sizes = { smallFiles: 200, middleFiles: 4, largeFilesBytes: [60 * MiB] }
    const tree = makeMixedTree(join(folder, 'source'), { seed: 4, ...sizes })
    const cluster = await startServeCluster({
      folder: join(folder, 'cluster'),
      counts: { coordinator: 1, worker: 2, verifier: 1 },
      source: [`location = ${JSON.stringify(tree.folder)}`],
      target: [`location = ${JSON.stringify(target)}`],
      serve: ['source_rate = "4MB/s"', 'concurrency = 2'],
      partitions: { jobs: 2, chunks: 8 },
    })
    const watch = await watchCluster(cluster.kafka.brokers, cluster.topicPrefix)
    try {
      await cluster.submit('loss', ['--chunk-size', '5MiB'])
      const first = await watch.until(({ type, claim }) => type === 'ChunkTransferred' && instanceOf(claim) === 'w1', {
        from: 0,
        msMax: takeoverMsMax,
      })
      assert.ok(first !== null, 'w1 moves chunks')
      const [from, lost] = [watch.seen.length, new Set(watch.partitionsOf('w1'))]
      await cluster.member('w1').kill()
      const taken = await watch.until(
        ({ type, verdict, topic, partition, claim }) =>
          type === 'PartitionClaimed' &&
          verdict === 'folded' &&
          topic === 'chunks' &&
          lost.has(partition) &&
          instanceOf(claim) === 'w2',
        { from, msMax: takeoverMsMax },
      )
      assert.ok(taken !== null, 'w2 takes over what w1 had')
      const run = await cluster.wait('loss', '2min')
      assert.deepEqual({ exit: run.exit_code, listed: run.items.listed }, { exit: 0, listed: tree.entries })
      assert.deepEqual(compareFolders(tree.folder, target), [])
      await watch.caughtUp()
      const proven = new Set<string>()
      const again = watch.seen.filter(({ type, verdict, chunk }) => {
        if (verdict === 'folded' && type === 'ChunkVerified') proven.add(chunk)
        return verdict === 'folded' && type === 'ChunkLeased' && proven.has(chunk)
      })
      assert.deepEqual(again, [], 'no verified chunk is moved again')
      assert.deepEqual(
        cluster.members.flatMap(({ name, ends }) => ends.map((end) => [name, end.code, end.notices])),
        [],
      )
    } finally {
      await watch.close()
      await cluster.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
