import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { codeOf } from '#libs/domain/errors'
import { systemClock } from '#libs/runtime/system-clock'
import { openCommandSignal } from '#libs/source/signals/command-signal'
import { deviceOf, mountSourceOf, openDiskSignal, parseDiskstats } from '#libs/source/signals/disk-signal'
import { openHttpSignal } from '#libs/source/signals/http-signal'
import { openPressureSignal, parsePressure } from '#libs/source/signals/pressure-signal'
import { createVirtualClock } from '#test/support/virtual-clock'

const never = new AbortController().signal

async function refusalOf(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => assert.fail('nothing was thrown'),
    (thrown: unknown) => thrown,
  )
  assert.ok(!inspect(error).includes('secret'), 'a cause holds what the command printed')
  const { problem } = (error as { facts?: { problem?: string } }).facts ?? {}
  return `${codeOf(error)}: ${problem}`
}

function inFolder<T>(act: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-signals-'))
  return act(folder).finally(() => rmSync(folder, { recursive: true, force: true }))
}

// Pressure

test('pressure is the share of time between two looks, and the kernel mean at the first', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'io')
    const clock = createVirtualClock()
    const signal = openPressureSignal({ clock, path })
    writeFileSync(
      path,
      'some avg10=0.47 avg60=1.21 avg300=1.28 total=279308161\nfull avg10=0.00 avg60=0.04 avg300=0.13 total=5\n',
    )
    assert.deepEqual(await signal.read(never), { value: 0.47, bytesPerSecond: null })
    await clock.advance(2_000)
    writeFileSync(
      path,
      'some avg10=9.99 avg60=1.21 avg300=1.28 total=280308161\nfull avg10=0.00 avg60=0.04 avg300=0.13 total=5\n',
    )
    assert.deepEqual(await signal.read(never), { value: 50, bytesPerSecond: null })
  }))

test('pressure that is not told, or told in another form, is an error of its own', () =>
  inFolder(async (folder) => {
    const clock = createVirtualClock()
    const missing = openPressureSignal({ clock, path: join(folder, 'none') })
    assert.equal(await refusalOf(missing.read(never)), 'SIGNAL_FAILED: this kernel tells no pressure')
    assert.throws(() => parsePressure('nothing of the kind'), { code: 'SIGNAL_UNREADABLE' })
  }))

test('pressure of this machine can be read', async (context) => {
  const signal = openPressureSignal({ clock: systemClock })
  const code = await signal.read(never).then(
    (reading) => assert.ok(reading !== null && reading.value >= 0 && reading.value <= 100),
    (error: unknown) => codeOf(error),
  )
  if (code === 'SIGNAL_FAILED') context.skip('this kernel tells no pressure')
})

// Disk

const diskstats = `   7       0 loop0 21377 17 6780248 2458 3126 20597 3675368 9085 0 2928 12292 0 0 0 0 168 748
 254       0 vda 2331327 151268 253904658 2311488 1403555 1133947 280090480 1328703 0 491016 3905451 1104601 449 411974048 156148 298924 109110
`

test('counters of a disk are found by its number', () => {
  assert.deepEqual(parseDiskstats(diskstats, '254:0'), { busyMs: 491_016, bytes: (253_904_658 + 280_090_480) * 512 })
  assert.equal(parseDiskstats(diskstats, '8:0'), null)
  assert.throws(() => parseDiskstats('254 0 vda x', '254:0'), { code: 'SIGNAL_UNREADABLE' })
})

test('device numbers are those of the kernel, and a file system without one leads to its disk', () => {
  assert.equal(deviceOf(0xfe00n), '254:0')
  assert.match(readFileSync('/proc/self/mountinfo', 'utf8'), / - /)
  const info = '36 35 0:32 / /mnt rw,noatime shared:1 - btrfs /dev/sda2 rw\n37 35 0:44 / /nfs rw - nfs4 host:/x rw\n'
  assert.equal(mountSourceOf(info, '0:32'), '/dev/sda2')
  assert.equal(mountSourceOf(info, '0:44'), 'host:/x')
  assert.equal(mountSourceOf(info, '0:99'), null)
})

test('the disk under this repository can be read twice, and tells a share and bytes', async (context) => {
  const signal = openDiskSignal({ path: import.meta.dirname, clock: systemClock })
  try {
    assert.equal(await signal.read(never), null)
  } catch (error) {
    assert.equal(codeOf(error), 'SIGNAL_FAILED')
    context.skip('on no disk that the kernel counts')
    return
  }
  await systemClock.sleep(200)
  const reading = await signal.read(never)
  assert.ok(reading !== null && reading.value >= 0 && reading.value <= 1 && (reading.bytesPerSecond ?? -1) >= 0)
})

test('a source on no disk is an error of its own', async () => {
  const { dev } = statSync('/proc')
  assert.ok(dev > 0)
  const signal = openDiskSignal({ path: '/proc', clock: systemClock })
  assert.equal(await refusalOf(signal.read(never)), 'SIGNAL_FAILED: the source is on no disk of this machine')
})

// Command

const commandOf = (words: readonly [string, ...string[]], timeoutMs = 5_000): ReturnType<typeof openCommandSignal> =>
  openCommandSignal({ name: 'load', threshold: 1, words, timeoutMs })

test('a command answers a number, or JSON with the bytes of all', async () => {
  assert.deepEqual(await commandOf(['/bin/echo', '0.25']).read(never), { value: 0.25, bytesPerSecond: null })
  const words = ['/bin/echo', '{"value": 3, "bytes_per_second": 1e9}'] as const
  assert.deepEqual(await commandOf(words).read(never), { value: 3, bytesPerSecond: 1e9 })
  assert.deepEqual(await commandOf(['/bin/echo', '$(id) `id`; true']).read(never).catch(codeOf), 'SIGNAL_UNREADABLE')
})

test('a command that fails, prints something else or does not end is refused with its reason, without what it printed', async () => {
  const refusals = [
    [['/bin/sh', '-c', 'echo secret >&2; exit 3', 'secret argument'], 'SIGNAL_FAILED: the command ended with 3'],
    [['/nonexistent/program'], 'SIGNAL_FAILED: the command failed: ENOENT'],
    [['/bin/echo', 'secret'], 'SIGNAL_UNREADABLE: neither a number nor JSON'],
    [['/bin/echo', '"7"'], 'SIGNAL_UNREADABLE: neither a number nor an object'],
    [['/bin/echo', '{"value": null}'], 'SIGNAL_UNREADABLE: "value" is no number'],
    [['/bin/echo', '{"value": 1, "bytes_per_second": "x"}'], 'SIGNAL_UNREADABLE: "bytes_per_second" is no number'],
    [['/bin/echo', '1e999'], 'SIGNAL_UNREADABLE: neither a number nor an object'],
    [['/bin/sh', '-c', 'head -c 70000 /dev/zero'], 'SIGNAL_FAILED: the command printed more than 65536 bytes'],
  ] as const
  for (const [words, refusal] of refusals) assert.equal(await refusalOf(commandOf(words).read(never)), refusal)
  const startedMs = performance.now()
  const hanging = commandOf(['/bin/sleep', '30'], 100)
  assert.equal(await refusalOf(hanging.read(never)), 'SIGNAL_FAILED: the command took too long')
  assert.ok(performance.now() - startedMs < 5_000)
})

test('a command is ended when its caller gives up, and the reason is the caller’s', async () => {
  const stop = new AbortController()
  const reading = commandOf(['/bin/sleep', '30']).read(stop.signal)
  stop.abort(new Error('given up'))
  await assert.rejects(reading, /^Error: given up$/)
})

// HTTP

async function withServer<T>(listener: RequestListener, act: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await act(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const plain = { name: 'load', threshold: 1, query: null, tokenFile: null, caFile: null, timeoutMs: 500 }

test('a URL answers a number, with the token that its file holds', () =>
  inFolder(async (folder) => {
    const tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, 'planted\n')
    chmodSync(tokenFile, 0o600)
    await withServer(
      (request, response) => response.end(request.headers.authorization === 'Bearer planted' ? '17' : '0'),
      async (url) => {
        assert.equal((await openHttpSignal({ ...plain, url, tokenFile }).read(never))?.value, 17)
        assert.equal((await openHttpSignal({ ...plain, url }).read(never))?.value, 0)
      },
    )
  }))

test('a Prometheus query gives its scalar, or the highest of its vector', () =>
  withServer(
    (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
      const [scalar, vector] = [
        { resultType: 'scalar', result: [1, '0.5'] },
        { resultType: 'vector', result: [{ value: [1, '0.25'] }, { value: [1, '0.75'] }] },
      ]
      const data = searchParams.get('query') === 'scalar(up)' ? scalar : vector
      response.end(JSON.stringify(pathname === '/prom/api/v1/query' ? { status: 'success', data } : {}))
    },
    async (server) => {
      const url = `${server}/prom/`
      assert.equal((await openHttpSignal({ ...plain, url, query: 'scalar(up)' }).read(never))?.value, 0.5)
      assert.equal((await openHttpSignal({ ...plain, url, query: 'rate(x[1m])' }).read(never))?.value, 0.75)
    },
  ))

test('a server that fails, redirects, hangs, says too much or nothing of use is refused with its reason', () =>
  withServer(
    (request, response) => {
      if (request.url === '/500') response.writeHead(500).end('secret')
      if (request.url === '/302') response.writeHead(302, { location: '/number' }).end()
      if (request.url === '/large') response.end('1'.repeat(70_000))
      if (request.url === '/text') response.end('secret')
      if (request.url?.startsWith('/empty') === true)
        response.end('{"status":"success","data":{"resultType":"vector","result":[]}}')
      if (request.url?.startsWith('/nan') === true)
        response.end('{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}')
      if (request.url?.startsWith('/error') === true) response.end('{"status":"error","error":"secret"}')
    },
    async (url) => {
      const refusals = [
        [{ url: `${url}/500` }, 'SIGNAL_FAILED: the server answered 500'],
        [{ url: `${url}/302` }, 'SIGNAL_FAILED: the server answered 302'],
        [{ url: `${url}/large` }, 'SIGNAL_FAILED: the answer has more than 65536 bytes'],
        [{ url: `${url}/hang` }, 'SIGNAL_FAILED: no answer in time'],
        [{ url: `${url}/text` }, 'SIGNAL_UNREADABLE: neither a number nor JSON'],
        [{ url: `${url}/empty`, query: 'x' }, 'SIGNAL_UNREADABLE: the query found nothing'],
        [{ url: `${url}/nan`, query: 'x' }, 'SIGNAL_UNREADABLE: the query found what is no number'],
        [{ url: `${url}/error`, query: 'x' }, 'SIGNAL_UNREADABLE: the query did not succeed'],
        [{ url: 'http://127.0.0.1:1/' }, 'SIGNAL_FAILED: the server cannot be reached'],
        [{ url, tokenFile: '/nonexistent' }, 'SIGNAL_FAILED: the token file cannot be read'],
      ] as const
      for (const [settings, refusal] of refusals) {
        assert.equal(await refusalOf(openHttpSignal({ ...plain, ...settings }).read(never)), refusal)
      }
    },
  ))
