import { sourceContract } from '#test/contracts/source.contract'
import { TreeFixture } from './tree-fixture.ts'

sourceContract('files', () => Promise.resolve(new TreeFixture()))
