// check.py, given out beside CHUNKSUMS: the standard library of Python 3.8 and no more, short enough to be read before it
// is run. docs/report.md describes the format, so anyone can write another.

export const checkScript = String.raw`#!/usr/bin/env python3
r"""Checks files against CHUNKSUMS: python3 check.py CHUNKSUMS [FOLDER]

FOLDER is where the files are (default: the current folder). Needs Python 3.8
or newer and nothing else. It only reads.

A line of CHUNKSUMS is one range of one file:

    SHA256 OFFSET LENGTH  NAME

in that order: 64 hex digits, a blank, a decimal number of bytes, a blank, a
decimal number of bytes, two blanks, the name up to the end of the line. A name
is bytes, not text. If a line begins with a backslash, then \\ \n \r in its
name mean a backslash, a line feed and a carriage return, as in the files of
sha256sum. The ranges of a file stand together, begin at 0 and leave no gap;
the file must end where its last range ends. Links are not followed.

Exit code: 0 all files are as listed, 1 some are not, 2 it could not be run.
"""
import hashlib
import os
import re
import stat
import sys

LINE = re.compile(rb"(\\?)([0-9a-f]{64}) ([0-9]{1,19}) ([0-9]{1,19})  (.+)\n", re.DOTALL)
ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}
BLOCK = 1024 * 1024


def ranges_of(path):
    """Yields (name, offset, length, digest) for each line; stops the program at a bad one."""
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            match = LINE.fullmatch(line)
            if match is None:
                stop("line %d of %s is not understood" % (number, path))
            escaped, digest, offset, length, name = match.groups()
            if escaped:
                name = re.sub(rb"\\.", lambda found: ESCAPES.get(found.group(), b"\0"), name)
            parts = name.split(b"/")
            if b"\0" in name or b".." in parts or b"." in parts or b"" in parts:
                stop("line %d of %s names something outside the folder" % (number, path))
            yield name, int(offset), int(length), digest.decode()


def files_of(path):
    """Yields (name, [(offset, length, digest), ...]), one file at a time."""
    current, ranges = None, []
    for name, offset, length, digest in ranges_of(path):
        if name != current:
            if current is not None:
                yield current, ranges
            current, ranges = name, []
        ranges.append((offset, length, digest))
    if current is not None:
        yield current, ranges


def open_below(root, name):
    """Opens a regular file without following a link anywhere in its name."""
    folder = os.dup(root)
    try:
        *parents, last = name.split(b"/")
        for parent in parents:
            deeper = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = deeper
        file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError("not a regular file")
    return os.fdopen(file, "rb", buffering=0)


def digest_of(file, offset, length):
    """SHA-256 of a range, or None when the file ends before it does."""
    digest = hashlib.sha256()
    file.seek(offset)
    while length > 0:
        block = file.read(min(BLOCK, length))
        if not block:
            return None
        digest.update(block)
        length -= len(block)
    return digest.hexdigest()


def problems_of(root, name, ranges):
    """What is wrong with one file, in words."""
    problems, end = [], 0
    for offset, length, _ in ranges:
        if offset != end:
            return ["the list has a gap at byte %d" % end]
        end = offset + length
    try:
        with open_below(root, name) as file:
            size = os.fstat(file.fileno()).st_size
            if size != end:
                problems.append("has %d bytes, not %d" % (size, end))
            for offset, length, expected in ranges:
                found = digest_of(file, offset, length)
                if found != expected:
                    problems.append("bytes %d to %d differ: expected %s, found %s"
                                    % (offset, offset + length, expected, found or "nothing"))
    except OSError as error:
        problems.append("cannot be read: %s" % (error.strerror or error))
    return problems


def shown(name):
    """The name in printable ASCII, so that it cannot play tricks with the terminal."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 37 else "%%%02X" % byte for byte in name)


def main(arguments):
    if not 2 <= len(arguments) <= 3 or arguments[1].startswith("-"):
        print(__doc__)
        return 2
    root = os.open(arguments[2] if len(arguments) == 3 else ".", os.O_RDONLY | os.O_DIRECTORY)
    checked = failed = 0
    for name, ranges in files_of(arguments[1]):
        problems = problems_of(root, name, ranges)
        checked += 1
        failed += bool(problems)
        print("%s: %s" % (shown(name), "FAILED" if problems else "OK"))
        for problem in problems:
            print("    " + problem)
    print("%d files checked, %d failed" % (checked, failed))
    return 1 if failed else 0


def stop(message):
    print("check.py: " + message, file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv))
    except OSError as error:
        stop(str(error))
`
