// A bucket as a target. Each role gets connections of its own; the verifier's are never the writer's.
import { WaybillError } from '#libs/domain/errors'
import type { Target } from '../target.ts'
import type { Address } from './address.ts'
import { openConnection } from './connection.ts'
import { openControl, planAddress } from './control.ts'
import { createKeyEncoding } from './keys.ts'
import { type ClockCorrection, LeanClient } from './lean.ts'
import { openReader } from './reader.ts'
import type { S3Settings } from './settings.ts'
import { openSurvey } from './survey.ts'
import { openUploads } from './uploads.ts'
import { openWriter, type RoleContext } from './writer.ts'

/** A difference of clocks below this needs no correction: S3 takes time stamps that are up to 15 minutes off. */
const correctedFromMs = 60_000

/** The prefix with its closing slash. @throws WaybillError CONFIG_INVALID for segments that stores change or refuse. */
function closedPrefix(prefix: string): string {
  const closed = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
  const segments = closed.split('/').slice(0, -1)
  const isOdd = segments.some((segment) => segment === '' || segment === '.' || segment === '..')
  if (isOdd || !closed.isWellFormed() || /[\0-\x1f\x7f]/.test(closed)) {
    throw new WaybillError('CONFIG_INVALID', { prefix, reason: 'prefix with an empty, dotted or unprintable segment' })
  }
  return closed
}

function roleOf(settings: S3Settings, address: Address, correction: ClockCorrection): RoleContext {
  const connection = openConnection(settings)
  const control = openControl(settings, connection, address.origin)
  const { deadlines, clock, objectOptions } = settings
  const { identities } = control
  const client = new LeanClient({ address, connection, identities, correction, deadlines, clock })
  return {
    address,
    control,
    client,
    deadlines,
    connection,
    objectOptions,
    close: async () => {
      control.close()
      await connection.close()
    },
  }
}

/**
 * Asks the SDK for region and endpoint; makes no request to the store.
 * @throws WaybillError CONFIG_INVALID for a prefix, region, endpoint or profile that cannot be used.
 */
export async function openS3Target(settings: S3Settings): Promise<Target> {
  const prefix = closedPrefix(settings.prefix)
  const correction: ClockCorrection = { offsetMs: 0 }
  const address = await planAddress(settings, prefix)
  const role = (clockOffsetMs: number): RoleContext => {
    if (Math.abs(clockOffsetMs) > correctedFromMs) correction.offsetMs = clockOffsetMs
    return roleOf(settings, address, correction)
  }
  return {
    keys: createKeyEncoding(Buffer.byteLength(prefix)),
    survey: () => openSurvey(role(0), settings),
    writer: (abilities) => openWriter(role(abilities.clockOffsetMs), abilities),
    uploads: (abilities) => openUploads(role(abilities.clockOffsetMs), abilities, settings.clock),
    reader: (abilities) => openReader(role(abilities.clockOffsetMs), abilities),
  }
}
