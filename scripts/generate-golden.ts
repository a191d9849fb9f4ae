// Writes test/schemas/golden/unreleased.json: what the events of the coming release look like as bytes. With a release
// the file is renamed to its version and never written again: logs that people keep hold these bytes.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { WaybillEvent } from '#schemas/events'
import { encodeEvent, eventTypes } from '#schemas/wire'
import { bareSample, fullSample, plain } from '#test/support/event-samples'

const row = (event: WaybillEvent): string =>
  JSON.stringify({ wire: encodeEvent(event).toString('hex'), value: plain(event) })

const rows = eventTypes.flatMap((type) => [row(fullSample(type)), row(bareSample(type))])
writeFileSync(join(import.meta.dirname, '../test/schemas/golden/unreleased.json'), `[\n${rows.join(',\n')}\n]\n`)
console.log(`${rows.length} golden events`)
