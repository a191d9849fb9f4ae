import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { invalidByte, readShownName, showName, showText, unitsOf } from '#libs/domain/name-text'

const asBytes = fc.uint8Array({ maxLength: 40 })

test('two different names never look the same', () => {
  fc.assert(
    fc.property(asBytes, asBytes, (left, right) => {
      assert.equal(showName(left) === showName(right), Buffer.from(left).equals(right))
    }),
  )
  assert.notEqual(showName(Buffer.from('%FF')), showName(Buffer.from([0xff])))
  fc.assert(fc.property(asBytes, (name) => Buffer.from(name).equals(readShownName(showName(name)) ?? Buffer.from('?'))))
  assert.equal(readShownName('50%'), null)
})

test('what is shown cannot act on a terminal or hide', () => {
  const odd = ['\u001b[2J', 'a\nb', '\u202egpj.exe', 'a\u200bb', '\u0085', '\ufeff', 'é', '日本']
  assert.deepEqual(
    odd.map((name) => showName(Buffer.from(name))),
    ['%1B[2J', 'a%0Ab', '%E2%80%AEgpj.exe', 'a%E2%80%8Bb', '%C2%85', '%EF%BB%BF', 'é', '日本'],
  )
  fc.assert(fc.property(asBytes, (name) => assert.match(showName(name), /^[^\p{C}\p{Zl}\p{Zp}]*$/u)))
  assert.equal(showText('49 %\u0007'), '49 %%07')
})

test('valid UTF-8 gives its code points, everything else single bytes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', '\u0000', 'é', '߿', 'ࠀ', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}')),
      (letters) => {
        const text = letters.join('')
        assert.deepEqual(
          [...Array.from(unitsOf(Buffer.from(text)))],
          Array.from(text, (character) => character.codePointAt(0)),
        )
      },
    ),
  )
  for (const bytes of [
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xe0, 0x80, 0x80],
    [0xff],
    [0xc3],
  ]) {
    assert.deepEqual(
      Array.from(unitsOf(Uint8Array.from(bytes))),
      bytes.map((byte) => invalidByte + byte),
    )
  }
})
