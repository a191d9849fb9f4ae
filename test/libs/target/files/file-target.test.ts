import { mkdtempSync, rmSync } from 'node:fs'
import fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { openFileTarget } from '#libs/target/files/file-target'
import { targetContract } from '#test/contracts/target.contract'

targetContract({
  name: 'files',
  partBytes: 300_000,
  knowsParts: false,
  open: () => {
    const folder = mkdtempSync(join(tmpdir(), 'waybill-target-'))
    const root = join(folder, 'made', 'on demand')
    return Promise.resolve({
      target: openFileTarget({ root, job: 'a-job' }),
      job: 'a-job',
      replace: async (key, body) => {
        const path = join(root, key.toString())
        await fs.mkdir(dirname(path), { recursive: true })
        await fs.rm(path, { force: true })
        await fs.writeFile(path, body)
      },
      remove: (key) => fs.rm(join(root, key.toString())),
      close: async () => rmSync(folder, { recursive: true }),
    })
  },
})
