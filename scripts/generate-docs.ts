// Writes the pages of docs/ that are made from code: `npm run generate`.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { descriptionText } from '#services/api/openapi'
import { optionsPage } from '#services/cli/options-page'
import { errorsPage } from './errors-page.ts'

const folder = join(import.meta.dirname, '../docs')

mkdirSync(folder, { recursive: true })
const pages = { 'errors.md': errorsPage(), 'options.md': optionsPage(), 'openapi.json': descriptionText() }
for (const [name, text] of Object.entries(pages)) {
  writeFileSync(join(folder, name), text)
  console.log(`docs/${name}`)
}
