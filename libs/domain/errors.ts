// The one catalogue of error codes; docs/errors.md is checked against it. `retry` says what the program may do:
// again   the same request may work soon (bounded, with back-off)
// item    this item failed; others go on
// relist  the item is another version now: it is listed again
// pause   the job pauses (not counted as a failure), a person must act, then it resumes
// never   a person must act before anything works

export type Retry = 'again' | 'item' | 'relist' | 'pause' | 'never'

export interface ErrorEntry {
  readonly retry: Retry
  /** What happened and what to do, in plain words. */
  readonly help: string
}

const entry = (retry: Retry, help: string): ErrorEntry => ({ retry, help })

export const errorCatalogue = {
  // source
  SOURCE_MISSING: entry('never', 'The source does not exist. Check the path, or whether the file system is mounted.'),
  SOURCE_NOT_A_TREE: entry('never', 'The source is not a directory. Give the directory that holds the file.'),
  SOURCE_EMPTY: entry('never', 'The source was not empty before and is now. Check that it is still mounted.'),
  SOURCE_REPLACED: entry(
    'never',
    'The source root is not the directory the job was made for. Check mounts, or use --job NEW.',
  ),
  SOURCE_UNREADABLE: entry('item', 'The item cannot be read. Check its permissions and the disk, then run again.'),
  SOURCE_READ_ERROR: entry('again', 'The source answered a read with an error (EIO, ESTALE, time-out).'),
  SOURCE_SHORT_READ: entry('relist', 'The item gave fewer bytes than its size says. It is listed again.'),
  SOURCE_CHANGED: entry('relist', 'The item changed while it was read. It is listed again, at most 3 times.'),
  SOURCE_VANISHED: entry('relist', 'The item was listed and is gone now.'),
  SOURCE_STALLED: entry('again', 'The source gave no byte for 25 s.'),
  SPECIAL_FILE: entry('item', 'Pipes, sockets and devices are listed and not moved.'),
  OTHER_FILE_SYSTEM: entry('item', 'Another file system is mounted here; it is listed and not entered.'),
  SYMLINK_SKIPPED: entry('item', 'Links are skipped, as --symlinks skip asks.'),
  IN_MANIFEST: entry(
    'item',
    'Links and empty directories have no object on S3; the report lists them. --store-entries makes small objects.',
  ),
  NAME_NOT_FOUND: entry(
    'item',
    'The list of --files-from names it, and the source has no such item. Check the spelling, or take it off the list.',
  ),
  RESERVED_NAME: entry(
    'item',
    'The name `.waybill` at the root is used by waybill itself on file targets. Rename the item.',
  ),
  LOCATION_REFUSED: entry(
    'never',
    'Locations in requests are `@connection/relative/path` of connections that every process has in its configuration.',
  ),
  SIGNAL_FAILED: entry(
    'again',
    'A configured signal of the load of the source did not answer. Until it does, the source is read at the floor rate.',
  ),
  SIGNAL_UNREADABLE: entry(
    'again',
    'A configured signal of the load of the source answered with something that is no number. Check what it prints.',
  ),
  // target
  TARGET_MISSING_BUCKET: entry('never', 'The bucket does not exist. Create it first; waybill creates none.'),
  TARGET_NOT_WRITABLE: entry('never', 'The target cannot be written. Check its path and permissions.'),
  TARGET_DENIED: entry('never', 'The target refused the credentials or the right. Check keys, policy and clock.'),
  TARGET_WRONG_REGION: entry(
    'never',
    'The bucket is in another region. Set --target-region; redirects are not followed.',
  ),
  TARGET_OVERLAPS: entry('never', 'Source and target lie within each other. Choose another target.'),
  TARGET_UNREACHABLE: entry('again', 'The target cannot be reached. Check the endpoint and the network.'),
  TARGET_CERTIFICATE: entry(
    'never',
    'The certificate of the target is not trusted. Give the CA with --ca-file, or check the name and the date.',
  ),
  TARGET_BUSY: entry('again', 'The target asked to slow down or had an inner error (429, 500, 502, 503, 504).'),
  TARGET_TIMEOUT: entry('again', 'The target took no byte for 25 s or gave no answer for 60 s.'),
  TARGET_REFUSED_DIGEST: entry('again', 'The target received other bytes than were sent and refused them.'),
  TARGET_REFUSED: entry('item', 'The target refused the request for this item.'),
  TARGET_EXISTS: entry('item', 'Another object is there under this key. --overwrite different replaces it.'),
  TARGET_FULL: entry('pause', 'The target is full. Make space and run the same command again.'),
  CREDENTIALS_MISSING: entry('never', 'No credentials for the target were found. Set a profile, or the AWS variables.'),
  CREDENTIALS_EXPIRED: entry('pause', 'The credentials expired. Renew them and run the same command again.'),
  TARGET_MISSING: entry('item', 'The object is not at the target.'),
  TARGET_REPLACED: entry('item', 'Another version of the object is at the target than the one that was written.'),
  TARGET_SHORT_READ: entry('again', 'The target gave fewer bytes than it announced.'),
  TARGET_SIZE_DIFFERS: entry('item', 'The stored object has more or fewer bytes than the item.'),
  TARGET_UNREADABLE: entry('again', 'The stored bytes cannot be read back.'),
  TARGET_WRITE_ERROR: entry('again', 'The target answered a write with an error.'),
  UPLOAD_LOST: entry('relist', 'The upload is gone (aborted from outside or expired). A new one is opened.'),
  PART_REFUSED: entry('again', 'The target refused parts when the upload was completed. They are sent again.'),
  ITEM_TOO_LARGE: entry('item', 'The item is larger than the target can hold.'),
  KEY_TOO_LONG: entry('item', 'The name makes a key longer than the target can hold.'),
  DIGEST_MISMATCH: entry('item', 'The stored bytes differ from those read at the source.'),
  READ_PATH_ERROR: entry(
    'item',
    'The first read gave other bytes than are stored, a second one over a new connection the right ones. Check the network and memory on the way.',
  ),
  OWNER_NOT_SET: entry('item', 'The owner could not be set (not root). The bytes are there.'),
  ATTRIBUTES_NOT_SET: entry('item', 'Mode or time could not be set at the target. The bytes are there.'),
  TARGET_FOLDS_NAMES: entry('item', 'The target does not tell names apart that differ in case or in Unicode form.'),
  VERIFY_SKIPPED: entry('item', 'The stored bytes were not read back, as --verify none or sample asks.'),
  MARK_NOT_KEPT: entry('item', 'The target keeps no extended attributes: objects carry no mark of their job.'),
  TARGET_UNCONDITIONAL: entry(
    'item',
    'The target ignores If-None-Match or If-Match: waybill looks before it writes, two writers at once could collide.',
  ),
  TARGET_UNCHECKED: entry('item', 'The target does not check what it receives against SHA-256; reading back does.'),
  TARGET_NO_RANGES: entry('item', 'The target gives no ranges: objects of more chunks are read whole for each chunk.'),
  TARGET_NO_PART_COPY: entry('item', 'The target copies no parts: a repair sends the whole object again.'),
  TARGET_ODD_LISTING: entry('item', 'The target lists some names in another form or order than they were written.'),
  TARGET_HIDES_UPLOADS: entry('item', 'The target does not list unfinished uploads: some may be left behind.'),
  TARGET_CLOCK: entry('item', 'The clocks of this machine and of the target differ by more than a minute.'),
  // work
  ABORTED: entry('again', 'The work was given up: pause, rate, fence or shutdown.'),
  CLAIM_LOST: entry('again', 'Another process took this partition over; what this one does for it counts no more.'),
  CANCELLED: entry('item', 'The job was cancelled before this item was done.'),
  TAKEOVERS_EXHAUSTED: entry('item', 'Twenty workers were lost while they worked on this chunk.'),
  // log, store, state
  LOG_DAMAGED: entry('never', 'The event log is damaged before its end. Restore the named segment from a copy.'),
  LOG_FULL: entry('pause', 'The disk of the state folder is full. Make space and run the same command again.'),
  LOG_UNREACHABLE: entry('again', 'The event log cannot be reached.'),
  LOG_DENIED: entry(
    'never',
    'The brokers of the event log refused the credentials or the right, or their certificate is not trusted.',
  ),
  INSTANCE_TAKEN: entry(
    'never',
    'Another process runs under the instance name of this one. Give each process of the cluster a name of its own.',
  ),
  LOG_WRITE_ERROR: entry(
    'never',
    'The disk of the state folder failed a write of the event log. Check the disk, then run again.',
  ),
  LOG_NEWER: entry('never', 'The state was written by a newer version of waybill. Use that version.'),
  REGISTRY_UNREACHABLE: entry('again', 'The schema registry cannot be reached. Check its URL and the network.'),
  REGISTRY_DENIED: entry(
    'never',
    'The schema registry refused the credentials or the right, or its certificate is not trusted.',
  ),
  SCHEMA_INCOMPATIBLE: entry(
    'never',
    'The schema registry holds another schema for this event, to which ours is no compatible version. Another program may use the subject.',
  ),
  STORE_DAMAGED: entry('again', 'The state store is damaged. It is moved aside and rebuilt from the log.'),
  STORE_FULL: entry('pause', 'The disk of the state folder is full. Make space and run the same command again.'),
  STORE_REFUSED: entry(
    'never',
    'The state store cannot be opened. Check permissions, mount and limits (open files) of the state folder.',
  ),
  STATE_NOT_WRITABLE: entry(
    'never',
    'The state folder cannot be made or written. Check its path and permissions, or give another one with --state-dir.',
  ),
  JOB_HELD: entry(
    'never',
    'Another process works on this job or from this state folder. Wait for it, or stop it first.',
  ),
  JOB_COPIED: entry(
    'never',
    'This folder is a copy of a job, made by `waybill log export` to look at. The job goes on where it was copied from.',
  ),
  JOB_UNKNOWN: entry('never', 'There is no such job here. `waybill jobs list` shows those of a state folder.'),
  JOB_STATE: entry('never', 'The job is in a state that does not allow this.'),
  JOB_DIFFERS: entry('never', 'The job exists with other options. Use the same options, or --job NEW.'),
  JOB_UNFINISHED: entry(
    'never',
    'The job has a pass that is not complete. Let migrate finish it first; then it can be verified.',
  ),
  ITEM_UNKNOWN: entry(
    'never',
    'The job lists no item of this name. Names are relative to the source; the report shows how they are written.',
  ),
  EVENT_POISON: entry(
    'never',
    'The log holds a record that does not decode or contradicts itself, whoever wrote it. Its job stops.',
  ),
  // api
  API_UNREACHABLE: entry('again', 'No process answers there. Check the address, and whether the process runs.'),
  API_DENIED: entry('never', 'The API refused the token. Set WAYBILL_TOKEN to a token of the needed scope.'),
  API_REFUSED: entry('never', 'The API refused the request.'),
  API_NOT_STARTED: entry('never', 'The API cannot listen there. Check the address, the port and who uses it already.'),
  // usage, report
  USAGE: entry('never', 'The command line is not understood. `waybill --help` shows what there is.'),
  NOT_SUPPORTED: entry('never', 'This is not supported yet.'),
  CONFIG_INVALID: entry('never', 'The configuration is not valid.'),
  NOTHING_MATCHED: entry('never', 'Nothing matched the selection.'),
  REPORT_INVALID: entry('never', 'The report was changed or is not complete. Do not trust it.'),
  REPORT_UNREADABLE: entry('never', 'The report file cannot be read. Check the path and its permissions.'),
  REPORT_NOT_WRITTEN: entry(
    'never',
    'The report cannot be written. Check path, permissions and space; `waybill report show` writes it again.',
  ),
  KEY_INVALID: entry('never', 'The key file does not hold an Ed25519 key of the needed kind.'),
  NODE_TOO_OLD: entry('never', 'waybill needs Node 22.18 or newer.'),
  INTERNAL: entry('never', 'A mistake in waybill. Please report it with the log.'),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorCatalogue

export type Facts = Readonly<Record<string, string | number | boolean | null | readonly number[]>>

/** An operating error: fixed code and help, facts as fields. Facts never hold secrets. */
export class WaybillError extends Error {
  readonly code: ErrorCode
  readonly facts: Facts

  constructor(code: ErrorCode, facts: Facts = {}, options: ErrorOptions = {}) {
    super(`${code}: ${errorCatalogue[code].help}`, options)
    this.name = 'WaybillError'
    this.code = code
    this.facts = facts
  }

  get retry(): Retry {
    return errorCatalogue[this.code].retry
  }
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code)
}

/** The code of anything thrown; what is not ours is INTERNAL. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof WaybillError ? error.code : 'INTERNAL'
}
