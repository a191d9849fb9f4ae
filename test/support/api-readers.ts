// A crowd at the API, as a process of its own: readers of event streams and a steady number of requests a second. Prints
// one JSON object when the time is over: `node test/support/api-readers.ts ADDRESS JOB READERS REQUESTS_A_SECOND SECONDS`.
import { Agent, request } from 'undici'

const [, , address = '', job = '', readersText = '0', perSecondText = '0', secondsText = '0'] = process.argv
const [readers, perSecond, seconds] = [Number(readersText), Number(perSecondText), Number(secondsText)]
const paths = [
  `/migrations/${job}`,
  '/migrations',
  `/migrations/${job}/report`,
  `/migrations/${job}/chunks?limit=50`,
  '/metrics',
]

const stop = new AbortController()
const streams = new Agent({ connections: readers + 1, bodyTimeout: 0, headersTimeout: 60_000 })
const asking = new Agent({ connections: 32 })
const told = { opened: 0, events: 0, requests: 0, errors: 0, lost: 0 }
const times: number[] = []

async function read(): Promise<void> {
  try {
    const answer = await request(`${address}/migrations/${job}/events?from=now`, {
      dispatcher: streams,
      headers: { accept: 'text/event-stream' },
      signal: stop.signal,
    })
    if (answer.statusCode !== 200) throw new Error(String(answer.statusCode))
    told.opened += 1
    for await (const piece of answer.body) told.events += String(piece).split('\ndata: ').length - 1
    told.lost += 1
  } catch {
    // The end of the time ends all streams; before it one is lost.
    if (!stop.signal.aborted) told.lost += 1
  }
}

async function ask(path: string): Promise<void> {
  const startedAt = performance.now()
  try {
    const { statusCode, body } = await request(`${address}${path}`, { dispatcher: asking })
    await body.dump({ limit: 1024 * 1024 })
    if (statusCode !== 200) told.errors += 1
  } catch {
    told.errors += 1
  }
  told.requests += 1
  times.push(performance.now() - startedAt)
}

const reading = Array.from({ length: readers }, read)
while (told.opened + told.lost < readers) await new Promise((resolve) => setTimeout(resolve, 50))
console.log('open')
const startedAt = performance.now()
const asked: Promise<void>[] = []
for (let sent = 0; performance.now() - startedAt < seconds * 1000; ) {
  const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond)
  for (; sent < due; sent += 1) asked.push(ask(paths[sent % paths.length] ?? ''))
  await new Promise((resolve) => setTimeout(resolve, 5))
}
await Promise.all(asked)
stop.abort()
await Promise.allSettled(reading)
times.sort((a, b) => a - b)
const quantile = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
const { user, system } = process.cpuUsage()
console.log(JSON.stringify({ ...told, p50Ms: quantile(0.5), p99Ms: quantile(0.99), cpuSeconds: (user + system) / 1e6 }))
process.exit(0)
