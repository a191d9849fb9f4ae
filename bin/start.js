// Read by Node 22.18 and newer only (waybill.js sees to that).
import('../dist/services/cli/main.js').catch((error) => {
  const isUnbuilt = error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes('services/cli/main.js')
  process.stderr.write(
    isUnbuilt
      ? 'waybill: the program is not built; in a checkout run npm run build, or npm run waybill.\n'
      : `waybill: INTERNAL: the program cannot be loaded: ${error.message}\n`,
  )
  process.exitCode = 1
})
