// Two timers of kafkajs 2.2.4, corrected in the running process, because a patch of the package's files needs an install
// script. Its requests are dated by the machine's clock, so the machine's clock is asked here, too.
//
// * It looks for waiting requests on a timer that it also sets when none waits, with a delay in the past: an idle
//   connection then wakes each millisecond (3 % of a core). Here the timer is set only when a request waits.
// * It looks ten times a second whether an answer is overdue, over each connection. Once a second is enough for limits of
//   seconds, and halves what an idle process costs.
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'
import { systemClock } from '#libs/runtime/system-clock'

const overdueEveryMs = 1000

/** Ends the looking of a queue. */
const looking = new WeakMap<RequestQueue, AbortController>()
let isCorrected = false

async function lookForOverdue(queue: RequestQueue, stop: AbortSignal): Promise<void> {
  while (queue.isConnected()) {
    try {
      await systemClock.sleep(overdueEveryMs, stop)
    } catch {
      // The connection has ended.
      return
    }
    for (const request of queue.inflight.values()) {
      if (systemClock.now() - request.sentAt > request.requestTimeout) request.timeoutRequest()
    }
  }
}

export function correctIdleTimer(): void {
  if (isCorrected) return
  isCorrected = true
  const { scheduleCheckPendingRequests, destroy } = RequestQueue.prototype
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) scheduleCheckPendingRequests.call(this)
  }
  RequestQueue.prototype.destroy = function (this: RequestQueue): void {
    looking.get(this)?.abort()
    destroy.call(this)
  }
  RequestQueue.prototype.scheduleRequestTimeoutCheck = function (this: RequestQueue): void {
    if (!this.enforceRequestTimeout) return
    this.destroy()
    const stop = new AbortController()
    looking.set(this, stop)
    void lookForOverdue(this, stop.signal)
  }
}
