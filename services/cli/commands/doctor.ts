// waybill doctor [LOCATION...]: what could stand in the way of a job, looked at without moving anything.
import { showText } from '#libs/domain/name-text'
import type { ExitCode } from '#libs/domain/report'
import { reportMembers } from '#libs/report/header'
import {
  type Check,
  checkNode,
  checkOpenFiles,
  checkPlaces,
  checkSource,
  checkStateFolder,
  checkTarget,
  compareClocks,
} from '../checks.ts'
import { checkCluster } from '../cluster-checks.ts'
import { isOfCluster, stateFolderOfCluster } from '../cluster-settings.ts'
import type { Command, CommandInput } from '../command.ts'
import { connectSource, connectTarget } from '../connections.ts'
import { type Location, locationText, parseLocation } from '../locations.ts'
import { measureSource } from '../measure-source.ts'
import { checkApart } from '../preflight.ts'
import { software } from '../software.ts'
import { stateFolderOf } from '../state-folder.ts'

/** Names the scratch folder of the probe at the target. */
const jobOfDoctor = 'doctor'

/** A store is a target; of several folders the last one is, as in the order of migrate. */
function isTarget(location: Location, index: number, count: number): boolean {
  return location.kind === 's3' || (count > 1 && index === count - 1)
}

async function checkLocations(input: CommandInput): Promise<readonly Check[]> {
  const { words, aliases, settings, signal } = input
  const locations = words.map((word) => parseLocation(word, aliases))
  const checks: Check[] = []
  for (const [index, location] of locations.entries()) {
    const name = showText(locationText(location))
    if (isTarget(location, index, locations.length)) {
      checks.push(await checkTarget(name, await connectTarget(input, location, jobOfDoctor), signal))
      continue
    }
    const source = connectSource(location)
    checks.push(await checkSource(name, source))
    const isReadable = checks.at(-1)?.result === 'ok'
    const isMeasured = settings['measure-source'] && isReadable && location.kind === 'files'
    if (isMeasured) checks.push(await measureSource(input, location, source))
    await source.close()
  }
  const [first, second] = [locations[0], locations.at(-1)]
  if (locations.length > 1 && first !== undefined && second !== undefined)
    checks.push(await checkPlaces('places', () => checkApart(first, second)))
  return checks
}

const marks: Readonly<Record<Check['result'], string>> = { ok: 'ok  ', warning: 'warn', failure: 'FAIL' }

export const doctor: Command = async (input) => {
  const { settings, terminal } = input
  const { version, node, platform } = software()
  const isCluster = isOfCluster(input)
  const located = await checkLocations(input)
  const checks: readonly Check[] = [
    checkNode(node),
    ...(await checkStateFolder(isCluster ? stateFolderOfCluster(input, '') : stateFolderOf(input))),
    await checkOpenFiles(),
    ...(isCluster ? await checkCluster(input) : []),
    ...located,
    ...compareClocks(located),
  ]
  const failures = checks.filter(({ result }) => result === 'failure')
  const exitCode: ExitCode = failures.length > 0 ? 3 : 0
  if (settings.json) {
    const told = checks.map(({ abilities, ...check }) => ({
      ...check,
      abilities: abilities === null ? null : reportMembers(abilities),
    }))
    await terminal.result(`${JSON.stringify({ exit_code: exitCode, version, node, platform, checks: told })}\n`)
    return exitCode
  }
  const columns = Math.max(...checks.map(({ name }) => name.length)) + 2
  const lines = checks.map(({ name, result, told }) => ` ${marks[result]}  ${name.padEnd(columns)}${showText(told)}`)
  const verdict =
    exitCode === 0 ? 'Nothing stands in the way.' : `${failures.length} of ${checks.length} checks failed.`
  await terminal.result(`${[`waybill ${version} on ${platform}`, ...lines, verdict].join('\n')}\n`)
  return exitCode
}
