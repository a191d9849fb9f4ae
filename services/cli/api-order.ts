// A job as the API is asked for it.
import { encryptions, objectOptionsOf } from '#libs/domain/object-options'
import type { MigrationRequest } from '#schemas/api/migration'
import type { JobRequest } from '#schemas/records'

/** As the API takes it: rounded so that the same whole bytes a second come out again. */
export const gigabytesPerHour = (bytesPerSecond: number): number => ((bytesPerSecond + 0.5) * 3600) / 1e9

function objectMembers({ targetOptions }: JobRequest): Partial<MigrationRequest> {
  const { storageClass, encryption, encryptionKey, metadata, tags } = objectOptionsOf(targetOptions)
  const sse = encryptions.find((word) => word === encryption)
  return {
    ...(storageClass === null ? {} : { storage_class: storageClass }),
    ...(sse === undefined ? {} : { sse }),
    ...(encryptionKey === null ? {} : { sse_kms_key_id: encryptionKey }),
    ...(metadata.length === 0 ? {} : { metadata: Object.fromEntries(metadata) }),
    ...(tags.length === 0 ? {} : { tags: Object.fromEntries(tags) }),
  }
}

function selectionMembers(request: JobRequest): Partial<MigrationRequest> {
  const { rules, sizeBytesMin, sizeBytesMax, modifiedAfterMs } = request
  return {
    ...(rules.length === 0 ? {} : { rules: [...rules] }),
    ...(sizeBytesMin === null ? {} : { min_size_bytes: sizeBytesMin }),
    ...(sizeBytesMax === null ? {} : { max_size_bytes: sizeBytesMax }),
    ...(modifiedAfterMs === null ? {} : { modified_after: new Date(modifiedAfterMs).toISOString() }),
  }
}

function limitMembers(request: JobRequest): Partial<MigrationRequest> {
  const { throughputBytesPerSecond: limit, throughputTimetable, sourcePeakBytesPerSecond: peak, workersMax } = request
  return {
    ...(limit === null ? {} : { throughput_limit_gb_per_hour: gigabytesPerHour(limit) }),
    ...(throughputTimetable === null ? {} : { throughput_timetable: throughputTimetable }),
    ...(peak === null ? {} : { source_peak_gb_per_hour: gigabytesPerHour(peak) }),
    ...(workersMax === null ? {} : { max_parallel_workers: workersMax }),
    ...(request.errorsMax === null ? {} : { max_errors: request.errorsMax }),
  }
}

/** The body of POST /migrations that asks for the same as `request`. @param job null: the API names it */
export function apiOrderOf(request: JobRequest, job: string | null): MigrationRequest {
  const { verify } = request
  return {
    source_path: request.source,
    target_path: request.target,
    ...(job === null ? {} : { job_id: job }),
    chunk_bytes: request.chunkBytes,
    symlinks: request.symlinks,
    store_entries: request.storesEntries,
    overwrite: request.overwrite,
    verify,
    ...(verify === 'sample' ? { sample_percent: request.samplePercent } : {}),
    reconcile: request.reconcile,
    priority: request.priority,
    ...selectionMembers(request),
    ...limitMembers(request),
    ...objectMembers(request),
  }
}
