"""The key of a name, by docs/keys.md alone. Reads hex lines from stdin, "PREFIX_LENGTH NAME", writes each key in hex."""
import hashlib, re, sys

SIGN = re.compile(rb"[0-9A-F]{2}|empty|more|long|probe")
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def hexed(raw):
    return "".join("%%%02X" % byte for byte in raw)


def characters(raw):
    """Valid UTF-8 as (bytes, True) for each character, all other bytes as (byte, False)."""
    for char in raw.decode("utf-8", "surrogateescape"):
        code = ord(char)
        lone = 0xDC80 <= code <= 0xDCFF
        yield (bytes([code - 0xDC00]) if lone else char.encode()), not lone and char not in "\ufffe\uffff"


def units(segment):
    folding = set()
    start = 0
    for part in segment.split(b"\\"):
        if part.decode("utf-8", "surrogateescape").strip(SPACE) in (".", ".."):
            folding.update(range(start, start + len(part)))
        start += len(part) + 1
    at = 0
    for raw, is_valid in characters(segment):
        odd = not is_valid or raw < b" " or raw == b"\x7f" or (raw == b"." and at in folding)
        odd = odd or (raw == b"%" and SIGN.match(segment, at + 1))
        yield from ([hexed(raw[i : i + 1]) for i in range(len(raw))] if odd else [raw.decode()])
        at += len(raw)


def encode_segment(segment):
    rest, pieces = list(units(segment)) or ["%empty"], []
    while len("".join(rest).encode()) > 255:
        count = next(n for n in range(len(rest)) if len("".join(rest[: n + 1]).encode()) > 250)
        pieces.append("".join(rest[:count]) + "%more")
        rest = rest[count:]
        rest[0] = rest[0] if len(rest[0]) == 3 and rest[0][0] == "%" else hexed(rest[0].encode())
    return "/".join(pieces + ["".join(rest)])


def encode(name, prefix_length):
    key = "/".join(encode_segment(segment) for segment in name.split(b"/")).encode()
    return key if prefix_length + len(key) <= 1024 else b"%long/" + hashlib.sha256(name).hexdigest().encode()


if __name__ == "__main__":
    for line in sys.stdin:
        length, _, name = line.strip("\n").partition(" ")
        print(encode(bytes.fromhex(name), int(length)).hex())
