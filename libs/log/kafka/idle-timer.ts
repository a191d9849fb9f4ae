// kafkajs 2.2.4 looks for waiting requests on a timer that it also sets when none waits, with a delay in the past: an idle
// connection then wakes each millisecond (3 % of a core). Here the timer is set only when a request waits. The method is
// corrected in the running process, because a patch of the package's files needs an install script.
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

let isCorrected = false

export function correctIdleTimer(): void {
  if (isCorrected) return
  isCorrected = true
  const schedule = RequestQueue.prototype.scheduleCheckPendingRequests
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this)
  }
}
