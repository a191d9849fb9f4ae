// Writes schemas/avsc from schemas/events.ts: `npm run generate`. test/schemas/avsc.test.ts fails when they differ.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { avscFiles } from './avsc-files.ts'

const folder = join(import.meta.dirname, '../schemas/avsc')
const files = avscFiles()

mkdirSync(folder, { recursive: true })
for (const name of readdirSync(folder)) {
  if (!files.has(name)) rmSync(join(folder, name))
}
for (const [name, text] of files) writeFileSync(join(folder, name), text)
console.log(`${files.size} schemas in schemas/avsc`)
