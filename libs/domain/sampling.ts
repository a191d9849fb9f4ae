// Which chunks are read back when only a sample is wanted: a function of the chunk's id, so every verifier agrees.

/** FNV-1a, 32 bits (Fowler, Noll, Vo): spreads ids evenly; no secret depends on it. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

export function isSampled(chunk: string, verify: 'full' | 'sample' | 'none', percent: number): boolean {
  switch (verify) {
    case 'full':
      return true
    case 'none':
      return false
    case 'sample':
      return (hashOf(chunk) % 10_000) / 100 < percent
  }
}
