// The Avro schema of every event as a file: for registries, and for readers that share no code with this project.
import { toAvsc } from '#schemas/avro'
import { eventRecords } from '#schemas/events'
import { eventTypes } from '#schemas/wire'

/** Text of each file of schemas/avsc by its name. */
export function avscFiles(): ReadonlyMap<string, string> {
  return new Map(
    eventTypes.map((type) => [`${type}.avsc`, `${JSON.stringify(toAvsc(eventRecords[type]), undefined, 2)}\n`]),
  )
}
