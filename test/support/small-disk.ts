// A file system of few bytes or few inodes that can be made larger while it is in use. Needs the right to mount.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'

export interface DiskSize {
  readonly bytes: number
  /** 0: no limit. */
  readonly inodes: number
}

export interface SmallDisk {
  readonly folder: string
  resize(size: DiskSize): void
  unmount(): void
}

const optionsOf = ({ bytes, inodes }: DiskSize): string => `size=${bytes},nr_inodes=${inodes}`

/** Why no disk can be mounted here, or null when it can. */
export function smallDiskAbsence(): string | null {
  return process.getuid?.() === 0 ? null : 'mounting a tmpfs needs root'
}

/** Mounts a tmpfs at `folder`, which is made. Throws where that is not allowed. */
export function mountSmallDisk(folder: string, size: DiskSize): SmallDisk {
  mkdirSync(folder)
  execFileSync('mount', ['-t', 'tmpfs', '-o', optionsOf(size), 'waybill-test', folder])
  let isMounted = true
  const unmount = (): void => {
    if (isMounted) execFileSync('umount', ['-l', folder])
    isMounted = false
  }
  process.once('exit', unmount)
  return {
    folder,
    resize: (next) => {
      execFileSync('mount', ['-o', `remount,${optionsOf(next)}`, folder])
    },
    unmount: () => {
      process.removeListener('exit', unmount)
      unmount()
    },
  }
}
