// The fence at the target for a coordinator that may have lost its claim without knowing (architecture.md "Moving bytes"):
// whatever changes the target waits until the claim is known to stand.
import type { TargetUploads } from './target.ts'

/** `mustStillHold` is asked before each request that changes the target; what it throws ends the request. */
export function fencedUploads(inner: TargetUploads, mustStillHold: () => Promise<void>): TargetUploads {
  const held = async <T>(call: () => Promise<T>): Promise<T> => {
    await mustStillHold()
    return call()
  }
  return {
    find: (key, signal) => inner.find(key, signal),
    open: (request, signal) => held(() => inner.open(request, signal)),
    seal: (request, signal) => held(() => inner.seal(request, signal)),
    abort: (key, upload, signal) => held(() => inner.abort(key, upload, signal)),
    sweep: (mayAbort, signal) => held(() => inner.sweep(mayAbort, signal)),
    finishDirectories: (entries, signal) => held(() => inner.finishDirectories(entries, signal)),
    close: () => inner.close(),
  }
}
