// "Did you mean": the nearest known word, when it is near enough to be a slip of the fingers.

const typedCharactersMax = 40

/** Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours count 1 each. */
function distance(left: string, right: string): number {
  let before: number[] = []
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= right.length; column += 1) {
      const isSame = left[row - 1] === right[column - 1]
      let best = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (isSame ? 0 : 1),
      )
      const isSwap = row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      if (isSwap) best = Math.min(best, (before[column - 2] ?? 0) + 1)
      current.push(best)
    }
    before = previous
    previous = current
  }
  return previous[right.length] ?? 0
}

/**
 * The known word nearest to the typed one: the only one it begins, else one within a third of its length in edits (at
 * least 1, at most 3); null when there is none.
 */
export function nearest(typed: string, known: readonly string[]): string | null {
  if (typed.length > typedCharactersMax) return null
  const letters = typed.replace(/^-+/, '').length
  const begun = known.filter((word) => word.toLowerCase().startsWith(typed.toLowerCase()))
  if (letters > 1 && begun.length === 1) return begun[0] ?? null
  const limit = Math.min(3, Math.max(1, Math.floor(letters / 3)))
  let best: string | null = null
  let bestDistance = limit + 1
  for (const word of known) {
    const candidate = distance(typed.toLowerCase(), word.toLowerCase())
    if (candidate < bestDistance) {
      best = word
      bestDistance = candidate
    }
  }
  return best
}
