// A process that writes files and parts until it is killed; started by claims.test.ts.
import { openFileTarget } from '#libs/target/files/file-target'
import { neverAborted } from '#test/contracts/target-fixture'
import { seededBytes } from '#test/support/seeded-bytes'
import { dress, job, probed, request } from './file-fixture.ts'

const filesMax = 100_000
const root = process.argv[2] ?? ''
const target = openFileTarget({ root, job })
const abilities = await probed(target)
const writer = target.writer(abilities)
await writer.takeOver('claim-1', neverAborted)
const open = { key: Buffer.from('large'), size: 1_000_000, dress: dress(), copiesParts: false }
await target.uploads(abilities).open(open, neverAborted)
for (let index = 0; index < filesMax; index += 1) {
  await writer.put(request(`files/${index}`, seededBytes(`${index}`, 300_000 + index)), neverAborted)
  if (index === 0) process.stdout.write('started\n')
}
