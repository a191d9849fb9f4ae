// The machine's randomness behind the type of the clock's file: the one place that asks for it.
import type { Random } from './clock.ts'

export const systemRandom: Random = Math.random
