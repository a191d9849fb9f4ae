#!/usr/bin/env node
// Plain old JavaScript that any Node can read: an old one must get a clear answer, not a syntax error. Newer code begins
// in start.js.
var parts = process.versions.node.split('.')
var major = Number(parts[0])
var minor = Number(parts[1])
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    // biome-ignore lint/style/useTemplate: an old Node has to read this file
    'waybill: NODE_TOO_OLD: waybill needs Node 22.18 or newer, and this is Node ' + process.versions.node + '.\n',
  )
  process.exitCode = 2
} else {
  require('./start.js')
}
