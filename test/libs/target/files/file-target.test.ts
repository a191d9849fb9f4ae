import { mkdtempSync, rmSync } from 'node:fs'
import fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
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
        // Birth times are counted in ticks of the kernel, and the new file may be given the old one's inode number.
        await setTimeout(15)
        await fs.rm(path, { force: true })
        await fs.writeFile(path, body)
      },
      remove: (key) => fs.rm(join(root, key.toString())),
      close: async () => rmSync(folder, { recursive: true }),
    })
  },
})
