// Read by Node 22.18 and newer only (waybill.js sees to that).
const { enableCompileCache } = require('node:module')
const { homedir } = require('node:os')
const { join } = require('node:path')

// Compiled code is kept in the user's own folder: /tmp, Node's default, may be filled by others. It saves a third of the
// start; where the folder cannot be written Node goes on without.
enableCompileCache(join(homedir(), '.cache', 'waybill', 'compiled'))

import('../dist/services/cli/main.js').catch((error) => {
  const isUnbuilt = error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes('services/cli/main.js')
  process.stderr.write(
    isUnbuilt
      ? 'waybill: the program is not built; in a checkout run npm run build, or npm run waybill.\n'
      : `waybill: INTERNAL: the program cannot be loaded: ${error.message}\n`,
  )
  process.exitCode = 1
})
