// A store that is kept only to be looked at: a fold of the log of a cluster, brought up to date each time. It is a cache,
// so whatever is wrong with it, it is made anew.
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf } from '#libs/domain/errors'
import type { StateStore } from '#libs/store/state-store'
import { openEmbeddedStore, type TopicIds } from './adapters.ts'
import { makeFolder } from './folders.ts'
import { tryLock } from './native.ts'

export interface LookFolder {
  store(): StateStore
  /** False: another process looks too, and this one folds into a store that is removed afterwards. */
  readonly isKept: boolean
  /** Closes the store and opens an empty one in its place. */
  renew(): Promise<void>
  close(): Promise<void>
}

interface Place {
  readonly folder: string
  readonly isKept: boolean
  readonly release: () => Promise<void>
}

/** The folder, when nobody else holds it; a temporary one else. Throws the system's error when neither can be made. */
async function takePlace(folder: string): Promise<Place> {
  await makeFolder(folder, 0o700)
  const fd = openSync(join(folder, 'lock'), 'a', 0o600)
  if (tryLock(fd)) return { folder, isKept: true, release: async () => closeSync(fd) }
  closeSync(fd)
  const temporary = await mkdtemp(join(tmpdir(), 'waybill-look-'))
  return { folder: temporary, isKept: false, release: () => rm(temporary, { recursive: true, force: true }) }
}

const storeOf = ({ folder }: Place): string => join(folder, 'store')
const idsFile = ({ folder }: Place): string => join(folder, 'topics.json')

async function forget(place: Place, topicIds: TopicIds | null): Promise<void> {
  await rm(storeOf(place), { recursive: true, force: true })
  await writeFile(idsFile(place), JSON.stringify(topicIds), { mode: 0o600 })
}

async function openAt(place: Place, topicIds: TopicIds | null): Promise<LookFolder> {
  let store = await openEmbeddedStore(storeOf(place)).catch(async (error: unknown) => {
    if (codeOf(error) !== 'STORE_DAMAGED') throw error
    await forget(place, topicIds)
    return openEmbeddedStore(storeOf(place))
  })
  return {
    store: () => store,
    isKept: place.isKept,
    async renew() {
      await store.close()
      await forget(place, topicIds)
      store = await openEmbeddedStore(storeOf(place))
    },
    async close() {
      await store.close()
      await place.release()
    },
  }
}

/**
 * Opens the store below `folder`; what was folded of topics with other ids is forgotten.
 * @throws WaybillError STORE_FULL, STORE_REFUSED; the system's error when the folder cannot be made
 */
export async function openLookFolder(folder: string, topicIds: TopicIds | null): Promise<LookFolder> {
  const place = await takePlace(folder)
  try {
    const known = await readFile(idsFile(place), 'utf8').catch(() => '')
    if (known !== JSON.stringify(topicIds)) await forget(place, topicIds)
    return await openAt(place, topicIds)
  } catch (error) {
    await place.release()
    throw error
  }
}
