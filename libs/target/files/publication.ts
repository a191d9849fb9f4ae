// Giving a finished temporary file its final name: the one step that readers of the target see.
//
// absent  link(2): atomic, fails when anything is there
// match   what is there is compared with the seal, then renamed over. Between the two a stranger may come: no call of the
//         kernel compares and renames at once (the probe says replacesOnlyIfMatch: false). An object that is gone
//         hinders nothing: it is written as if `absent` had been asked for.
// Where there are no hard links (FAT, some FUSE) the adapter looks and renames (createsOnlyIfAbsent: false).
import { WaybillError } from '#libs/domain/errors'
import type { Bytes } from '#schemas/avro'
import type { Condition } from '../target.ts'
import type { FileCalls } from './file-calls.ts'
import { kindOf, sealOf } from './file-dress.ts'
import { isAbsent, isNotEmpty, isPresent } from './file-errors.ts'
import { lookAt } from './lookup.ts'

export interface Publication {
  readonly temporary: Bytes
  /** Path in an open directory: no link is followed on the way. */
  readonly final: Bytes
  /** Seal of the temporary file. */
  readonly seal: string
  readonly condition: Condition
  readonly hasHardLinks: boolean
}

async function create(calls: FileCalls, publication: Publication): Promise<'created' | 'adopted'> {
  const { temporary, final, seal, hasHardLinks } = publication
  if (!hasHardLinks) {
    if ((await lookAt(calls, final)) !== null) throw new WaybillError('TARGET_EXISTS')
    await calls.rename(temporary, final)
    return 'created'
  }
  try {
    await calls.link(temporary, final)
    return 'created'
  } catch (error) {
    if (!isPresent(error)) throw error
    const found = await lookAt(calls, final)
    if (found !== null && sealOf(found) === seal) return 'adopted'
    throw new WaybillError('TARGET_EXISTS', {}, { cause: error })
  }
}

/** An emptied directory may give way to a file; one that holds anything stays. */
async function giveWay(calls: FileCalls, final: Bytes): Promise<void> {
  try {
    await calls.removeDirectory(final)
  } catch (error) {
    if (isNotEmpty(error)) throw new WaybillError('TARGET_EXISTS', { reason: 'directory_not_empty' }, { cause: error })
    throw error
  }
}

/**
 * Makes the file readable under its final name; the temporary name is gone afterwards.
 * @returns adopted when the same file was there under that name already (an earlier try, or a predecessor).
 * @throws TARGET_EXISTS, or the system's error. The temporary file then stays, for the caller to remove.
 */
export async function publish(calls: FileCalls, publication: Publication): Promise<'created' | 'adopted'> {
  const { temporary, final, condition, seal } = publication
  const found = condition.kind === 'match' ? await lookAt(calls, final) : null
  let result: 'created' | 'adopted'
  if (condition.kind === 'absent' || found === null) {
    result = await create(calls, publication)
  } else if (sealOf(found) === seal) {
    result = 'adopted'
  } else if (sealOf(found) !== condition.seal) {
    throw new WaybillError('TARGET_EXISTS')
  } else if (kindOf(found) === 'directory') {
    await giveWay(calls, final)
    result = await create(calls, publication)
  } else {
    await calls.rename(temporary, final)
    return 'created'
  }
  await removeName(calls, temporary)
  return result
}

async function removeName(calls: FileCalls, path: Bytes): Promise<void> {
  try {
    await calls.unlink(path)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
}
