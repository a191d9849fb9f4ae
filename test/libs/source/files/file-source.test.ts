import { systemClock } from '#libs/runtime/system-clock'
import { sourceContract } from '#test/contracts/source.contract'
import { TreeFixture } from './tree-fixture.ts'

sourceContract('files', () => Promise.resolve(new TreeFixture()))
sourceContract('files treated as remote', () => Promise.resolve(new TreeFixture({ isRemote: true })))
sourceContract('files whose calls stay on the loop', () => Promise.resolve(new TreeFixture({ clock: systemClock })))
