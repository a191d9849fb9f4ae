// Connections of the roles to the target, each made when it is first needed and the probe's result is folded.
import { WaybillError } from '#libs/domain/errors'
import { keyOf } from '#libs/domain/keys'
import type { Projection } from '#libs/projection/projection'
import type { Target, TargetReader, TargetSurvey, TargetUploads, TargetWriter } from '#libs/target/target'
import type { TargetAbilities } from '#schemas/records'
import { createOnce } from './once.ts'

export interface Clients {
  readonly survey: TargetSurvey
  readonly writer: () => Promise<TargetWriter>
  readonly uploads: () => Promise<TargetUploads>
  readonly reader: () => Promise<TargetReader>
  close(): Promise<void>
}

export interface ClientOptions {
  readonly job: string
  readonly target: Target
  readonly readTarget: Target
}

export function openClients(options: ClientOptions, projection: Projection): Clients {
  const abilities = async (): Promise<TargetAbilities> => {
    const row = await projection.rows.get(keyOf.job(options.job))
    if (row?.abilities == null) throw new WaybillError('INTERNAL', { job: options.job })
    return row.abilities
  }
  const { target, readTarget } = options
  const survey = target.survey()
  const writer = createOnce(async () => target.writer(await abilities()))
  const uploads = createOnce(async () => target.uploads(await abilities()))
  const reader = createOnce(async () => readTarget.reader(await abilities()))
  return {
    survey,
    writer: writer.get,
    uploads: uploads.get,
    reader: reader.get,
    async close() {
      await survey.close()
      for (const client of [writer.made(), uploads.made(), reader.made()])
        if (client !== null) await (await client).close()
    },
  }
}
