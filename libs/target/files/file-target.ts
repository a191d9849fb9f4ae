// A directory as target. Every port of libs/target/target.ts; see the head of each file for how:
//
// file-writer, direct-write            whole items and parts
// publication, settling, lookup        final names, durability, looking
// file-uploads, upload-file            items of more than one chunk
// file-reader, aligned-buffers         reading back, past the page cache
// file-survey, file-probe, file-listing what the file system can do, what is in it
// file-root, file-keys, temporary-files ways into the tree, and our own folder in it
// file-dress, file-errors, file-calls  seals and metadata, errors, system calls
import { randomBytes } from 'node:crypto'
import type { Target } from '../target.ts'
import { AlignedBuffers } from './aligned-buffers.ts'
import { prepareRoot } from './file-dress.ts'
import { fileKeys } from './file-keys.ts'
import { FileReader } from './file-reader.ts'
import { FileRoot } from './file-root.ts'
import { FileSurvey } from './file-survey.ts'
import { FileUploads } from './file-uploads.ts'
import { FileWriter } from './file-writer.ts'
import { fileName } from './temporary-files.ts'

export interface FileTargetOptions {
  /** The directory; it and those above it are made by the first write. Links in this path are followed. */
  readonly root: string
  /** Name of the job: a word that is a file name. */
  readonly job: string
  /** Names for uploads, each new: letters, digits, `_` and `-`. */
  readonly nextUploadId?: () => string
}

/** Opens nothing yet. @throws INTERNAL for a job name that is no file name. */
export function openFileTarget(options: FileTargetOptions): Target {
  fileName(options.job)
  const root = new FileRoot(options.root, (made, isNew) => prepareRoot(made, options.job, isNew))
  const buffers = new AlignedBuffers()
  const nextUploadId = options.nextUploadId ?? ((): string => `u${randomBytes(8).toString('hex')}`)
  return {
    keys: fileKeys,
    survey: () => new FileSurvey(root, options.job),
    writer: (abilities) => new FileWriter(root, options.job, abilities, buffers),
    uploads: (abilities) => new FileUploads(root, options.job, abilities, nextUploadId),
    reader: (abilities) => new FileReader(root, buffers, abilities.bypassesCache),
  }
}
