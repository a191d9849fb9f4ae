// Puts some files, settles them and writes one part, saying of each step how it ended; started by failing-disk.test.ts
// under strace. Arguments: root, number of files, abilities as JSON (else it probes).
import { codeOf } from '#libs/domain/errors'
import { openFileTarget } from '#libs/target/files/file-target'
import { neverAborted } from '#test/contracts/target-fixture'
import { dress, job, probed, request } from './file-fixture.ts'

const [root = '', count = '1', given] = process.argv.slice(2)

async function say(step: string, work: () => Promise<readonly string[]>): Promise<void> {
  const end = await work()
    .then((notes) => ['done', ...notes].join(' '))
    .catch(codeOf)
  process.stdout.write(`${step} ${end}\n`)
}

const target = openFileTarget({ root, job })
const abilities = given === undefined ? await probed(target) : JSON.parse(given)
const writer = target.writer(abilities)
await writer.takeOver('claim-1', neverAborted)
const keys = Array.from({ length: Number(count) }, (_, index) => Buffer.from(`folder/file-${index}`))

await say('put', async () => {
  const notes: string[] = []
  for (const key of keys) notes.push(...(await writer.put(request(key, 'bytes'), neverAborted)).notes)
  return notes
})
await say('settle', async () => {
  await writer.settle(keys, neverAborted)
  return []
})
await say('part', async () => {
  const open = { key: Buffer.from('large'), size: 5, dress: dress(), copiesParts: false }
  const upload = await target.uploads(abilities).open(open, neverAborted)
  const { body, digest } = request('', 'bytes')
  await writer.writePart({ key: open.key, upload, part: 1, offset: 0, body, digest }, neverAborted)
  return []
})
await writer.close()
