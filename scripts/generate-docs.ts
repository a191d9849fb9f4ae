// Writes the pages of docs/ that are made from code: `npm run generate`.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorsPage } from './errors-page.ts'

const folder = join(import.meta.dirname, '../docs')

mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'errors.md'), errorsPage())
console.log('docs/errors.md')
