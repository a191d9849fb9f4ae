// What a check found.
export interface Violation {
  /** END: what must hold beyond the numbered invariants, such as convergence and no mistakes of the program. */
  readonly invariant: 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'L1' | 'END'
  readonly text: string
}
