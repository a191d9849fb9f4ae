// What one option is: where it belongs, and how its texts become a value and back.
import { type Parsed, parsed } from '#libs/domain/quantity'
import type { CommandName } from './commands.ts'
import type { ValueType } from './value-types.ts'

export const optionGroups = ['selection', 'copy', 'S3', 'proof', 'limits', 'command', 'output', 'run'] as const
export type OptionGroup = (typeof optionGroups)[number]

/** Commands that make a job. */
export const moving = ['migrate', 'plan', 'jobs submit'] as const satisfies readonly CommandName[]

interface OptionPlace {
  readonly group: OptionGroup
  readonly commands: readonly CommandName[] | 'all'
  readonly help: string
  /** One character, for `-q`. */
  readonly short?: string
  /** Set on the command line only: an environment or a file from elsewhere must not change what is selected or asked. */
  readonly isTypedOnly?: boolean
}

export interface OptionEntry<T> extends OptionPlace {
  readonly type: Pick<ValueType<unknown>, 'placeholder' | 'words' | 'completion'>
  readonly isRepeatable: boolean
  readonly initial: T
  /** The value that the given texts make; one text unless the option is repeatable. */
  read(texts: readonly string[]): Parsed<T>
  /** The texts that make the value; none for "not set". */
  show(value: T): readonly string[]
}

export function one<T>(type: ValueType<T>, initial: NoInfer<T>, place: OptionPlace): OptionEntry<T> {
  const read = (texts: readonly string[]): Parsed<T> => type.parse(texts.at(-1) ?? '')
  return { ...place, type, isRepeatable: false, initial, read, show: (value) => [type.show(value)] }
}

/** An option that may be left out altogether. */
export function optional<T>(type: ValueType<T>, place: OptionPlace): OptionEntry<T | null> {
  const read = (texts: readonly string[]): Parsed<T | null> => type.parse(texts.at(-1) ?? '')
  const show = (value: T | null): readonly string[] => (value === null ? [] : [type.show(value)])
  return { ...place, type, isRepeatable: false, initial: null, read, show }
}

export function many<T>(type: ValueType<T>, place: OptionPlace): OptionEntry<readonly T[]> {
  const read = (texts: readonly string[]): Parsed<readonly T[]> => {
    const values: T[] = []
    for (const each of texts) {
      const result = type.parse(each)
      if (!result.ok) return result
      values.push(result.value)
    }
    return parsed(values)
  }
  return { ...place, type, isRepeatable: true, initial: [], read, show: (values) => values.map(type.show) }
}
