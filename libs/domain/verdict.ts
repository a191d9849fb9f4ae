// What folding one event did. Early, late, duplicate and stale are normal (rule 4) and change nothing.

export type Verdict =
  | { readonly kind: 'folded' }
  /** The same was folded before. */
  | { readonly kind: 'known' }
  /** Made under a claim, attempt or state that no longer stands, or not yet. */
  | { readonly kind: 'stale' }
  /** Contradicts what was folded: a person must look. */
  | { readonly kind: 'poison'; readonly reason: string }

export const folded: Verdict = { kind: 'folded' }
export const known: Verdict = { kind: 'known' }
export const stale: Verdict = { kind: 'stale' }
export const poison = (reason: string): Verdict => ({ kind: 'poison', reason })
