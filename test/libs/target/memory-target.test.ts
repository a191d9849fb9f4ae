import { openMemoryTarget } from '#libs/target/memory-target'
import { targetContract } from '#test/contracts/target.contract'

targetContract({
  name: 'memory',
  partBytes: 5_000,
  knowsParts: true,
  open: () => {
    const target = openMemoryTarget()
    return Promise.resolve({
      target,
      job: 'a-job',
      replace: async (key, body) => target.store.replace(key, body),
      remove: async (key) => {
        target.store.remove(key)
      },
      close: () => Promise.resolve(),
    })
  },
})
