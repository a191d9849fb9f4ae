// The row of a job in its first pass, probed and not listed yet.
import type { JobRow } from '#schemas/rows'
import { smallRequest } from '#test/support/memory-migration'

export const accepted: JobRow = {
  request: smallRequest,
  control: 'running',
  controlActor: '',
  controlReason: '',
  controlCode: null,
  throughputBytesPerSecond: null,
  sourcePeakBytesPerSecond: null,
  workersMax: null,
  priority: 'normal',
  abilities: null,
  findings: [],
  sourceRoot: '',
  readView: '',
  pass: 1,
  passesCompleted: 0,
  isLastPassCancelled: false,
  probedForPass: 1,
  lastPage: null,
  vanished: 0,
  listingFindings: [],
  round: 1,
  roundCause: 'first',
  mayRepair: true,
  roundPass: 0,
  commands: [],
}
