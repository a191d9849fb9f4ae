// A signal by HTTP: a URL that answers a number or JSON, or a Prometheus query. Redirects are not followed, so that an answer
// comes from where the operator said; a token goes out with the request and into no message.
import { readFile } from 'node:fs/promises'
import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { WaybillError } from '#libs/domain/errors'
import type { LoadSignal } from '../load-signal.ts'
import { answerBytesMax, readAnswer, readQueryAnswer } from './answer.ts'

export interface HttpSettings {
  readonly name: string
  readonly threshold: number
  /** Of the answer, or with a query of the Prometheus server, without `/api/v1/query`. */
  readonly url: string
  /** PromQL; null: the URL itself answers. */
  readonly query: string | null
  /** File that holds a bearer token, read for each request. */
  readonly tokenFile: string | null
  /** CA certificates (PEM file) beside the system's. */
  readonly caFile: string | null
  readonly timeoutMs: number
}

function addressOf({ url, query }: HttpSettings): URL {
  if (query === null) return new URL(url)
  const address = new URL(url)
  address.pathname = `${address.pathname.replace(/\/$/, '')}/api/v1/query`
  address.searchParams.set('query', query)
  return address
}

async function headersOf({ name, tokenFile }: HttpSettings): Promise<Record<string, string>> {
  const accept = { accept: 'application/json, text/plain' }
  if (tokenFile === null) return accept
  try {
    return { ...accept, authorization: `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}` }
  } catch (cause) {
    throw new WaybillError('SIGNAL_FAILED', { name, problem: 'the token file cannot be read' }, { cause })
  }
}

async function trustOf({ name, caFile }: HttpSettings): Promise<{ ca?: Buffer }> {
  if (caFile === null) return {}
  try {
    return { ca: await readFile(caFile) }
  } catch (cause) {
    throw new WaybillError('SIGNAL_FAILED', { name, problem: 'the file of certificates cannot be read' }, { cause })
  }
}

async function ask(settings: HttpSettings, outer: AbortSignal): Promise<string> {
  const { name, timeoutMs } = settings
  const address = addressOf(settings)
  const request = address.protocol === 'https:' ? requestTls : requestPlain
  const signal = AbortSignal.any([outer, AbortSignal.timeout(timeoutMs)])
  const options = { headers: await headersOf(settings), signal, agent: false, ...(await trustOf(settings)) } as const
  const failed = (problem: string, cause?: unknown): WaybillError =>
    new WaybillError('SIGNAL_FAILED', { name, problem }, { cause })
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      if (outer.aborted) reject(outer.reason)
      else reject(failed(signal.aborted ? 'no answer in time' : 'the server cannot be reached', error))
    }
    const sent = request(address, options, (response) => {
      if (response.statusCode !== 200) {
        response.resume()
        reject(failed(`the server answered ${response.statusCode}`))
        return
      }
      const pieces: Buffer[] = []
      let bytes = 0
      response.on('data', (piece: Buffer) => {
        bytes += piece.length
        pieces.push(piece)
        if (bytes <= answerBytesMax) return
        reject(failed(`the answer has more than ${answerBytesMax} bytes`))
        sent.destroy()
      })
      response.on('end', () => resolve(Buffer.concat(pieces).toString('utf8')))
      response.on('error', fail)
    })
    sent.on('error', fail)
    sent.end()
  })
}

export function openHttpSignal(settings: HttpSettings): LoadSignal {
  const { name, threshold, query } = settings
  const readText = query === null ? readAnswer : readQueryAnswer
  return { name, threshold, read: async (signal) => readText(name, await ask(settings, signal)) }
}
