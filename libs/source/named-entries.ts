// A source of which some names were asked for (--files-from): a name that it lacks is an entry that failed, in its place in
// the order, and not an absence (I2). Everything else is the source's own.
//
// The cursor says which entry was given last, and where the source's own listing goes on. It begins with a zero byte, which
// no name holds, so that a cursor that the source itself gave is known as such: a walk that began without this goes on so.
import type { NameList } from '#libs/domain/name-list'
import { compareOrder, orderOf } from '#libs/domain/name-order'
import { type Bytes, noBytes } from '#schemas/avro'
import type { ListLimits, Source, SourceEntry, SourcePage } from './source.ts'

const slash = '/'.charCodeAt(0)
const lengthBytes = 4

interface Place {
  /** Order of the entry that was given last. */
  readonly last: Bytes
  /** Cursor of the source's own listing; null: its start. */
  readonly inner: Bytes | null
}

function cursorOf({ last, inner }: Place): Bytes {
  const head = Buffer.alloc(1 + lengthBytes)
  head.writeUInt32BE(last.length, 1)
  return Buffer.concat([head, last, inner ?? noBytes])
}

function placeOf(cursor: Bytes | null): Place | null {
  if (cursor === null || cursor[0] !== 0) return null
  const start = 1 + lengthBytes
  const end = start + cursor.readUInt32BE(1)
  return { last: cursor.subarray(start, end), inner: end === cursor.length ? null : cursor.subarray(end) }
}

const nothing = { size: 0, mtimeNs: '0', ctimeNs: '0', inode: '0:0' }

/** An entry for a name as the list writes it: a directory's ends with a slash. */
function lackedEntry(name: Bytes): SourceEntry {
  const isDirectory = name.at(-1) === slash
  return {
    name: isDirectory ? name.subarray(0, -1) : name,
    kind: isDirectory ? 'directory' : 'file',
    identity: nothing,
    attributes: { mode: 0, uid: 0, gid: 0 },
    link: null,
    outcome: 'failed',
    code: 'NAME_NOT_FOUND',
  }
}

const orderOfEntry = ({ name, kind }: SourceEntry): Bytes => orderOf(name, kind)

class NamedSource implements Source {
  readonly #source: Source
  readonly #names: NameList

  constructor(source: Source, names: NameList) {
    this.#source = source
    this.#names = names
  }

  describe(): ReturnType<Source['describe']> {
    return this.#source.describe()
  }

  async list(cursor: Bytes | null, limits: ListLimits, signal: AbortSignal): Promise<SourcePage> {
    const place = placeOf(cursor)
    // A walk that the source alone began is in the middle of the list: which names it passed is not known.
    if (cursor !== null && place === null) return this.#source.list(cursor, limits, signal)
    const inner = place?.inner ?? null
    const last = place?.last ?? noBytes
    const page = await this.#source.list(inner, limits, signal)
    const own = page.entries.filter((entry) => compareOrder(orderOfEntry(entry), last) > 0)
    const end = page.entries.at(-1)
    const bound = page.cursor === null || end === undefined ? null : orderOfEntry(end)
    const merged = await this.#merge(own, { last, bound }, limits)
    const given = merged.entries.at(-1)
    if (merged.isCut && given !== undefined) {
      return { entries: merged.entries, cursor: cursorOf({ last: orderOfEntry(given), inner }) }
    }
    const next = page.cursor === null ? null : cursorOf({ last: bound ?? last, inner: page.cursor })
    return { entries: merged.entries, cursor: next }
  }

  /** The source's entries and the names that it lacks, both behind `last` and up to `bound`, until a page is full. */
  async #merge(
    own: readonly SourceEntry[],
    { last, bound }: { readonly last: Bytes; readonly bound: Bytes | null },
    limits: ListLimits,
  ): Promise<{ readonly entries: readonly SourceEntry[]; readonly isCut: boolean }> {
    const listed = new Set(own.map(({ name }) => name.toString('latin1')))
    const entries: SourceEntry[] = []
    let nameBytes = 0
    let next = 0
    const isFull = (): boolean => entries.length >= limits.entriesMax || nameBytes >= limits.nameBytesMax
    const give = (entry: SourceEntry): void => {
      entries.push(entry)
      nameBytes += entry.name.length + (entry.link?.length ?? 0)
    }
    for (const found of this.#names.behind(last)) {
      const name = Buffer.from(found)
      if (bound !== null && compareOrder(name, bound) > 0) break
      if (!(await this.#isLacked(name, listed))) continue
      for (
        let entry = own[next];
        entry !== undefined && compareOrder(orderOfEntry(entry), name) < 0;
        entry = own[next]
      ) {
        if (isFull()) return { entries, isCut: true }
        give(entry)
        next += 1
      }
      if (isFull()) return { entries, isCut: true }
      give(lackedEntry(name))
    }
    for (const entry of own.slice(next)) {
      if (isFull()) return { entries, isCut: true }
      give(entry)
    }
    return { entries, isCut: false }
  }

  async #isLacked(name: Bytes, listed: ReadonlySet<string>): Promise<boolean> {
    const isDirectory = name.at(-1) === slash
    const bare = isDirectory ? name.subarray(0, -1) : name
    if (!isDirectory && listed.has(name.toString('latin1'))) return false
    const found = await this.#source.look(bare)
    // What cannot be looked at fails with the directory above it.
    return found === null || (isDirectory && found.kind !== 'directory' && found.outcome === null)
  }

  look(name: Bytes): ReturnType<Source['look']> {
    return this.#source.look(name)
  }

  open(...call: Parameters<Source['open']>): ReturnType<Source['open']> {
    return this.#source.open(...call)
  }

  readNow(...call: Parameters<NonNullable<Source['readNow']>>): boolean {
    return this.#source.readNow?.(...call) ?? false
  }

  close(): Promise<void> {
    return this.#source.close()
  }
}

/** `source`, with an entry for each of `names` that it lacks. */
export function withNamedEntries(source: Source, names: NameList): Source {
  return new NamedSource(source, names)
}
