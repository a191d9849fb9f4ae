import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf } from '#libs/domain/errors'
import { parseListing } from '#libs/target/s3/listing'

const page = (inner: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</ListBucketResult>\n`
const contents = (key: string, size = 3): string =>
  `<Contents><ChecksumAlgorithm>SHA256</ChecksumAlgorithm><ETag>&quot;ab&quot;</ETag><Key>${key}</Key><Size>${size}</Size></Contents>`

test('objects come with key, size and tag, and the page says whether more follow', () => {
  const parsed = parseListing(
    page(`<IsTruncated>true</IsTruncated>${contents('p/a')}${contents('p/b', 0)}<Prefix>p/</Prefix>`),
  )
  assert.deepEqual(parsed, {
    isTruncated: true,
    objects: [
      { key: 'p/a', size: 3, tag: '"ab"' },
      { key: 'p/b', size: 0, tag: '"ab"' },
    ],
  })
  assert.deepEqual(parseListing(page('<IsTruncated>false</IsTruncated>')), { isTruncated: false, objects: [] })
})

test('keys are as they were written, whatever they hold', () => {
  const keyOf = (inner: string): string | undefined => parseListing(page(inner)).objects[0]?.key
  assert.equal(keyOf(contents('a&amp;amp;&lt;b&gt;&apos;&#39;&#x1F600; c')), `a&amp;<b>''\u{1f600} c`)
  assert.equal(keyOf(contents('&lt;IsTruncated&gt;true')), '<IsTruncated>true')
  assert.equal(keyOf(`${contents('a%2Bb+c%C3%A9')}<EncodingType>url</EncodingType>`), 'a+b cé')
  assert.equal(keyOf(contents('a%2Bb+c')), 'a%2Bb+c')
})

test('what is not a whole listing is an unreadable answer', () => {
  const broken = [
    '',
    '<html><body>Please sign in</body></html>',
    page(contents('a')).slice(0, -30),
    page('<Contents><Key>a</Key>'),
    page('<Contents><Size>3</Size></Contents>'),
    page('<Contents><Key>a</Key><Size>many</Size></Contents>'),
    page(contents('&#x110000;')),
    page(`${contents('%C3')}<EncodingType>url</EncodingType>`),
  ]
  for (const xml of broken)
    assert.throws(
      () => parseListing(xml),
      (error) => codeOf(error) === 'TARGET_BUSY',
      xml,
    )
})
