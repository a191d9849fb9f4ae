// What an entry of the source comes to before anything is read: whether it is moved, or why not, and in how many chunks.

import { ownChunks } from '#libs/domain/plan'
import type { SourceEntry } from '#libs/source/source'
import type { KeyEncoding } from '#libs/target/target'
import type { JobRequest, ListedItem, Outcome, TargetAbilities } from '#schemas/records'

/** Bounds of one look into the source: a page holds 1,000 items and 256 KiB encoded, with room for vanished ones. */
export const listLimits = { entriesMax: 900, nameBytesMax: 96 * 1024 } as const

/**
 * Bound on what the items of one page take beside their fixed fields, vanished ones and parents included: with those of
 * 1,000 items (some 230 bytes each) the page stays well under the 512 KiB of an event.
 */
export const pageBytesMax = 128 * 1024

/** Encoded bytes of an item beside its fixed fields. */
export function ownBytes({ name, link, bad }: Pick<ListedItem, 'name' | 'link' | 'bad'>): number {
  return name.length + (link?.length ?? 0) + (bad?.length ?? 0) * 2
}

export interface JudgedBy {
  readonly keys: KeyEncoding
  readonly request: Pick<JobRequest, 'symlinks' | 'storesEntries' | 'chunkBytes'>
  /** null: the target was not tried yet. */
  readonly abilities: Pick<TargetAbilities, 'kind' | 'objectBytesMax'> | null
}

function judge(
  { keys, request, abilities }: JudgedBy,
  entry: SourceEntry,
): { readonly outcome: Outcome | null; readonly code: string | null } {
  if (entry.outcome !== null) return { outcome: entry.outcome, code: entry.code }
  if (entry.kind === 'symlink' && request.symlinks === 'skip') return { outcome: 'skipped', code: 'SYMLINK_SKIPPED' }
  if (entry.kind !== 'file' && abilities?.kind === 's3' && !request.storesEntries) {
    return { outcome: 'skipped', code: 'IN_MANIFEST' }
  }
  const key = keys.keyOf(entry.name, entry.kind)
  if ('code' in key) return { outcome: 'failed', code: key.code }
  if (abilities !== null && entry.identity.size > abilities.objectBytesMax) {
    return { outcome: 'failed', code: 'ITEM_TOO_LARGE' }
  }
  return { outcome: null, code: null }
}

/**
 * What of a page of the source a job lists: what it selects, and directories that the walk was to enter and could not read.
 * Nobody knows what they hold, so that they are told whatever the filters say of their own names.
 */
export function listedEntries(
  entries: readonly SourceEntry[],
  selects: (entry: SourceEntry) => boolean,
): readonly SourceEntry[] {
  return entries.filter((entry) => selects(entry) || (entry.kind === 'directory' && entry.outcome === 'failed'))
}

export type FreshItem = Omit<ListedItem, 'item'>

/** The entry as an item that no pass has seen before. */
export function freshItem(by: JudgedBy, entry: SourceEntry): FreshItem {
  const { outcome, code } = judge(by, entry)
  const { name, kind, identity, attributes, link } = entry
  const chunks = outcome === null ? ownChunks(kind, identity.size, by.request.chunkBytes) : 0
  const none = { replaces: null, previous: null, carried: null, bad: null }
  return { generation: 1, name, kind, identity, attributes, link, ...none, outcome, code, chunks }
}
