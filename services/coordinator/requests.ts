// Answers to JobRequested, from whoever it came.
import type { PlacedDraft } from '#libs/log/event-writer'
import type { RequestRow } from '#schemas/rows'
import { type CoordinatorContext, onJobs } from './context.ts'

/** Accepts the request, or rejects it with a code. */
export function answerRequest(
  owner: Pick<CoordinatorContext, 'job' | 'jobs' | 'listings'>,
  { request, partition, position }: RequestRow,
  refusal: string | null,
): PlacedDraft {
  const places = { requestPartition: partition, requestPosition: position }
  return onJobs(
    owner,
    refusal === null ? { type: 'JobAccepted', request, ...places } : { type: 'JobRejected', code: refusal, ...places },
  )
}
