// Which version this is, read from the package the program was installed from.
import { readFileSync } from 'node:fs'

export interface Software {
  readonly version: string
  readonly node: string
  readonly platform: string
}

function readVersion(): string {
  // services/cli in a checkout, dist/services/cli when installed.
  for (const place of ['../../package.json', '../../../package.json']) {
    try {
      const text = readFileSync(new URL(place, import.meta.url), 'utf8')
      const { name, version } = JSON.parse(text) as { name?: string; version?: string }
      if (name === 'waybill' && version !== undefined) return version
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
  return 'unknown'
}

export function software(): Software {
  return { version: readVersion(), node: process.versions.node, platform: `${process.platform} ${process.arch}` }
}
