// Two timers of kafkajs 2.2.4, corrected in the running process, because a patch of the package's files needs an install
// script.
//
// * It looks for waiting requests on a timer that it also sets when none waits, with a delay in the past: an idle
//   connection then wakes each millisecond (3 % of a core). Here the timer is set only when a request waits.
// * It looks ten times a second whether an answer is overdue, over each connection. Once a second is enough for limits of
//   seconds, and halves what an idle process costs.
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

const overdueEveryMs = 1000

let isCorrected = false

function lookForOverdue(queue: RequestQueue): void {
  for (const request of queue.inflight.values()) {
    if (Date.now() - request.sentAt > request.requestTimeout) request.timeoutRequest()
  }
  if (!queue.isConnected()) queue.destroy()
}

export function correctIdleTimer(): void {
  if (isCorrected) return
  isCorrected = true
  const schedule = RequestQueue.prototype.scheduleCheckPendingRequests
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this)
  }
  RequestQueue.prototype.scheduleRequestTimeoutCheck = function (this: RequestQueue): void {
    if (!this.enforceRequestTimeout) return
    this.destroy()
    this.requestTimeoutIntervalId = setInterval(() => lookForOverdue(this), overdueEveryMs)
  }
}
