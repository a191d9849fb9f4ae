// Bodies that go past the page cache while they are written: every length and place, with and without O_DIRECT.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf, isCode, neverAborted } from '#test/contracts/target-fixture'
import { seededBytes } from '#test/support/seeded-bytes'
import { absent, dress, openWriter, request, scratch } from './file-fixture.ts'

const MiB = 1024 * 1024
const ways = [true, false]

for (const isDirect of ways) {
  const way = isDirect ? 'past the page cache' : 'through the page cache'

  test(`whole items of any length are stored exactly, ${way}`, async (t) => {
    const root = scratch(t)
    const { target, abilities } = await openWriter(t, root)
    const writer = target.writer({ ...abilities, bypassesCache: abilities.bypassesCache && isDirect })
    t.after(() => writer.close())
    for (const length of [MiB - 1, MiB, MiB + 1, 2 * MiB + 4_095, 3 * MiB + 4_096]) {
      const body = seededBytes(`${length}`, length)
      await writer.put(request(`item-${length}`, body), neverAborted)
      assert.ok(readFileSync(join(root, `item-${length}`)).equals(body), `${length} bytes`)
    }
  })

  test(`many parts at once, ending and beginning anywhere, become one object, ${way}`, async (t) => {
    const root = scratch(t)
    const { target, abilities } = await openWriter(t, root)
    const writer = target.writer({ ...abilities, bypassesCache: abilities.bypassesCache && isDirect })
    t.after(() => writer.close())
    const uploads = target.uploads(abilities)
    for (const partBytes of [MiB + 512, 2 * MiB]) {
      const body = seededBytes(`${partBytes}`, 19 * MiB + 77)
      const open = { key: Buffer.from(`of-${partBytes}`), size: body.length, dress: dress(), copiesParts: false }
      const upload = await uploads.open(open, neverAborted)
      const numbers = Array.from({ length: Math.ceil(body.length / partBytes) }, (_, index) => index + 1)
      const sent = numbers.map(async (part) => {
        const offset = (part - 1) * partBytes
        const bytes = body.subarray(offset, offset + partBytes)
        const digest = digestOf(bytes)
        const { tag } = await writer.writePart(
          { key: open.key, upload, part, offset, body: bytes, digest },
          neverAborted,
        )
        return { part, tag, digest, length: bytes.length }
      })
      const parts = await Promise.all(sent)
      await uploads.seal({ ...open, upload, parts, condition: absent, claim: 'claim-1' }, neverAborted)
      assert.ok(readFileSync(join(root, `of-${partBytes}`)).equals(body), `parts of ${partBytes}`)
    }
  })
}

test('a part that is given up in the middle ends soon and holds no buffer back', async (t) => {
  const { target, abilities, writer } = await openWriter(t, scratch(t))
  const body = seededBytes('given up', 24 * MiB)
  const open = { key: Buffer.from('large'), size: body.length, dress: dress(), copiesParts: false }
  const upload = await target.uploads(abilities).open(open, neverAborted)
  const part = { key: open.key, upload, part: 1, offset: 0, body, digest: digestOf(body) }
  for (let index = 0; index < 20; index += 1) {
    const given = new AbortController()
    const writing = writer.writePart(part, given.signal)
    setImmediate(() => given.abort())
    await writing.then(
      () => undefined,
      (error: unknown) => assert.ok(isCode('ABORTED')(error)),
    )
  }
  await writer.writePart(part, neverAborted)
})
