// Checks of source and target before anything is written, shared by migrate, plan and doctor.
import type { Stats } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { WaybillError } from '#libs/domain/errors'
import type { Source, SourceDescription } from '#libs/source/source'
import { type Location, locationText } from './locations.ts'

interface Real {
  /** Without links, also for what is still to be made. */
  readonly path: string
  /** `device:inode` of the folder and of all that is above it, as far as they exist. */
  readonly identities: readonly string[]
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')

async function statOf(path: string): Promise<Stats | null> {
  try {
    return await stat(path)
  } catch (error) {
    // Who may not look there cannot be told what it is; opening it says why.
    if (isAbsent(error) || (error instanceof Error && 'code' in error && error.code === 'EACCES')) return null
    throw error
  }
}

/** The path without links: that of its deepest part that exists, and the rest as it is. */
async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    const parent = dirname(path)
    if (parent === path || !(error instanceof Error && 'code' in error)) throw error
    return join(await resolved(parent), relative(parent, path))
  }
}

async function realOf(path: string): Promise<Real> {
  const real = await resolved(path)
  const identities: string[] = []
  for (let at = real; ; at = dirname(at)) {
    const found = await statOf(at)
    if (found !== null) identities.push(`${found.dev}:${found.ino}`)
    else if (identities.length > 0) identities.push('')
    if (at === dirname(at)) return { path: real, identities }
  }
}

const isWithin = (inner: string, outer: string): boolean =>
  inner === outer || inner.startsWith(outer.endsWith('/') ? outer : `${outer}/`)

/** True when one lies within the other, by name or, through a bind mount, by what is there. */
async function overlaps(source: string, target: string): Promise<boolean> {
  const [a, b] = await Promise.all([realOf(source), realOf(target)])
  if (isWithin(a.path, b.path) || isWithin(b.path, a.path)) return true
  const [rootOfSource = ''] = a.identities
  // A target that is still to be made has no identity of its own; its first one is that of a folder above it.
  const rootOfTarget = (await statOf(b.path)) === null ? '' : (b.identities[0] ?? '')
  return (
    (rootOfSource !== '' && b.identities.includes(rootOfSource)) ||
    (rootOfTarget !== '' && a.identities.includes(rootOfTarget))
  )
}

/** Throws TARGET_OVERLAPS when source and target are folders that lie within each other. */
export async function checkApart(source: Location, target: Location): Promise<void> {
  if (source.kind !== 'files' || target.kind !== 'files') return
  if (await overlaps(source.path, target.path)) {
    throw new WaybillError('TARGET_OVERLAPS', { source: source.path, target: target.path })
  }
}

/** Looks at the source and its place beside the target. Throws SOURCE_MISSING, SOURCE_NOT_A_TREE, TARGET_OVERLAPS, ... */
export async function checkEnds(
  ends: { readonly source: Location; readonly target: Location },
  source: Source,
): Promise<SourceDescription> {
  try {
    const description = await source.describe()
    await checkApart(ends.source, ends.target)
    return description
  } catch (error) {
    if (!(error instanceof WaybillError) || 'source' in error.facts) throw error
    throw new WaybillError(error.code, { source: locationText(ends.source), ...error.facts }, { cause: error })
  }
}
