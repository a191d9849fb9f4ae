// What kafkajs offers and a process of a cluster must not use.
import { type Finding, findingAt, isBelow, isProgram, type Rule, type SourceFile, visit } from './source-file.ts'

/** Its methods, and why each is not called. */
const traps: ReadonlyMap<string, string> = new Map([
  ['consumer', 'it sends no heartbeat while it handles records, ends silently, and does not stop a zombie'],
  ['deleteTopics', 'a producer that sent to a topic since deleted fails for every topic from then on'],
  ['deleteTopicRecords', 'the log is the audit trail and the only state'],
  ['setOffsets', 'positions are kept with the state that was folded, not by a group'],
  ['transaction', 'readers would wait for one that never ends'],
])

function trapCalls(file: SourceFile): readonly Finding[] {
  const found: Finding[] = []
  visit(file, {
    CallExpression: ({ callee, start }) => {
      if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return
      const reason = traps.get(callee.property.name)
      if (reason !== undefined) found.push(findingAt(file, start, `calls ${callee.property.name}: ${reason}`))
    },
  })
  return found
}

const sample = (path: string, text: string): readonly { path: string; text: string }[] => [{ path, text: `${text}\n` }]

export const kafkaRules: readonly Rule[] = [
  {
    promise: 'kafkajs gives connections, a producer and an admin, and nothing that can lose or stop records',
    reason: 'its consumer, and commands that take away what is in a topic, have traps that no test can close',
    check: (tree) =>
      tree.filter(({ path }) => isProgram(path) && isBelow(path, 'libs/log')).flatMap((file) => trapCalls(file)),
    bad: [
      sample('libs/log/kafka/a.ts', 'const consumer = kafka.consumer({ groupId })'),
      sample('libs/log/kafka/a.ts', 'await admin.deleteTopics({ topics })'),
    ],
    good: [
      sample('libs/log/kafka/a.ts', 'const producer = kafka.producer({ idempotent: true })'),
      sample('test/libs/log/kafka/a.test.ts', 'await admin.deleteTopics({ topics })'),
    ],
  },
]
