// Names that Linux can hold and that something on the way may not: one segment each, as bytes.

const raw = (...parts: readonly (string | number)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))))

const controls = Array.from({ length: 31 }, (_, index) => index + 1)

/** Not UTF-8: lone bytes, overlong forms, encoded surrogates, a letter cut in two. Some show alike and are different. */
const notUtf8: readonly Buffer[] = [
  raw('f', 0xff, 'o'),
  raw('f', 0xfe, 'o'),
  raw(0xff, 0xfe),
  raw('overlong-', 0xc0, 0xaf),
  raw('surrogate-', 0xed, 0xa0, 0x80),
  raw('surrogate-pair-', 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80),
  raw('beyond-', 0xf4, 0x90, 0x80, 0x80),
  raw('cut-', 0xc3),
  raw('latin1-', 0xe9, '.txt'),
]

const invisible: readonly Buffer[] = [
  raw('new\nline'),
  raw('tab\tbed'),
  raw('carriage\rreturn'),
  raw('both\r\nends'),
  raw(0x7f, 'del'),
  raw(...controls, 'controls'),
  raw('\u001b[31mred\u001b[0m'),
  raw('\u001b]0;title\u0007'),
  raw('back\bspace'),
  raw('\u202etxt.exe'),
  raw('zero\u200bwidth'),
  raw('\ufeffmark'),
  raw('line\u2028separator'),
  raw('next\u0085line'),
  raw('nonchar-\uffff'),
  raw('replacement-\ufffd'),
]

const speaking: readonly Buffer[] = [
  raw('NFC-é'.normalize('NFC')),
  raw('NFC-é'.normalize('NFD')),
  raw('Case'),
  raw('case'),
  raw('CASE'),
  raw('emoji-\u{1f469}\u200d\u{1f680}'),
  raw('\u{1f4e6}'),
  raw('日本語'),
  raw('مرحبا'),
]

const shells: readonly Buffer[] = [
  ' leading',
  'trailing ',
  'trailing.',
  '...',
  '..a',
  '.hidden',
  '-rf',
  '--help',
  '~',
  'a:b',
  'back\\slash',
  'quote"d',
  "quote'd",
  'star*',
  '[ab]',
  '{a,b}',
  '$(touch x)',
  '`id`',
  'semi;colon',
  'pipe|d',
  '!bang',
  'CON',
  'nul',
  'COM1.txt',
].map((name) => raw(name))

const wires: readonly Buffer[] = [
  'question?mark',
  'hash#tag',
  'percent%2Fslash',
  'plus+plus',
  'space here',
  'amp&amp;',
  '<script>alert(1)<',
  '%41',
  'A',
  '100%.txt',
  '%',
  '%zz',
  '=cmd',
  '@alias',
  'soap',
  'comma,separated',
  '00123',
  'true',
  '1e5',
  'null',
  '__proto__',
  'constructor',
  'toString',
  'a.txt',
  'a-b',
].map((name) => raw(name))

/** 255 bytes: the longest segment there is. The second ends in the middle of a letter. */
const long: readonly Buffer[] = [
  raw('x'.repeat(255)),
  raw('é'.repeat(127), 0xc3),
  raw('é'.repeat(127), 'y'),
  raw(0xff, 'z'.repeat(254)),
]

/** Every one is a legal name of a file; all differ as bytes. */
export const hostileNames: readonly Buffer[] = [...notUtf8, ...invisible, ...speaking, ...shells, ...wires, ...long]
