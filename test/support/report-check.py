#!/usr/bin/env python3
"""Checks a waybill report without waybill: python3 report-check.py REPORT

Written from docs/report.md alone; shares no code with the program that wrote
the report, and uses only the standard library, which has no Ed25519: the
signature is checked with openssl (docs/report.md has the commands). It reads
both forms, ndjson and json, as JSON and not line by line, and writes canonical
JSON itself.

Exit code: 0 the report is whole, 1 it is not, 2 it could not be read.
"""
import base64
import hashlib
import json
import sys

OUTCOMES = ["verified", "already_there", "mismatched", "missing", "failed",
            "changed", "unverifiable", "skipped", "pending"]


class Wrong(Exception):
    """The report contradicts itself."""


def demand(condition, reason):
    if not condition:
        raise Wrong(reason)


def canonical(value):
    """RFC 8785; the report has no fractions and no member names beyond ASCII."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8")


def parts_of(path):
    """Yields (part, value) for both forms: header, item ..., verdict, footer and perhaps signature."""
    with open(path, "rb") as file:
        is_json = file.readline() == b'{"header":\n'
        file.seek(0)
        if is_json:
            document = json.load(file)
            yield "header", document["header"]
            for item in document["items"]:
                yield "item", item
            for part in ("verdict", "footer", "signature"):
                if part in document:
                    yield part, document[part]
            return
        for line in file:
            demand(line.endswith(b"\n"), "the last line has no end")
            value = json.loads(line)
            demand(canonical(value) == line[:-1], "a line is not canonical")
            yield value.get("type", "item"), value


class Tree:
    """RFC 6962, section 2.1, without keeping the leaves."""

    def __init__(self):
        self.complete = []

    def add(self, leaf):
        node, height = hashlib.sha256(b"\0" + leaf).digest(), 0
        while self.complete and self.complete[-1][1] == height:
            left, _ = self.complete.pop()
            node, height = hashlib.sha256(b"\1" + left + node).digest(), height + 1
        self.complete.append((node, height))

    def root(self):
        if not self.complete:
            return hashlib.sha256(b"").hexdigest()
        node = self.complete[-1][0]
        for left, _ in reversed(self.complete[:-1]):
            node = hashlib.sha256(b"\1" + left + node).digest()
        return node.hex()


def order_of(item):
    name = base64.b64decode(item["name"], validate=True)
    return name + b"/" if item["kind"] == "directory" else name


def check_proof(item):
    """A proven item's chunks cover it without a gap, and nothing else was found at the target."""
    if item["outcome"] not in ("verified", "already_there"):
        return
    end = 0
    for offset, length, digest in item["chunks"]:
        demand(offset == end and len(bytes.fromhex(digest)) == 32, "the chunks of a proven item leave a gap")
        end += length
    demand(item["chunks"] and end == item["size"], "the chunks of a proven item do not cover it")
    demand("found" not in item, "a proven item has something else at the target")


def exit_code_of(state, has_selection, listed, totals):
    count = {outcome: totals[outcome]["items"] for outcome in OUTCOMES}
    items = sum(count.values())
    size = sum(totals[outcome]["bytes"] for outcome in OUTCOMES)
    if state in ("interrupted", "terminated"):
        return 130 if state == "interrupted" else 143
    if state in ("completed", "cancelled"):
        if count["pending"] or listed != {"items": items, "bytes": size}:
            return 1
    for outcomes, code in ((("mismatched", "missing"), 5), (("failed",), 4), (("changed",), 7), (("unverifiable",), 6)):
        if any(count[outcome] for outcome in outcomes):
            return code
    if state != "completed":
        return 8
    return 12 if has_selection and listed["items"] == 0 else 0


def check(path):
    digest, tree = hashlib.sha256(), Tree()
    totals = {outcome: {"items": 0, "bytes": 0} for outcome in OUTCOMES}
    seen, last, header, footer, signature = "", None, None, None, None
    allowed = {"": "header", "header": "item verdict", "item": "item verdict", "verdict": "footer",
               "footer": "signature", "signature": ""}
    for part, value in parts_of(path):
        demand(part in allowed[seen].split(), "%s stands behind %s" % (part, seen or "the start"))
        seen = part
        line = canonical(value)
        if part == "footer":
            footer = value
        elif part == "signature":
            signature = value
        else:
            digest.update(line + b"\n")
        if part == "header":
            demand(value["format"] == "waybill-report" and value["version"] == 1, "not a report of version 1")
            header = value
        elif part == "item":
            order = order_of(value)
            demand(last is None or last < order, "an item is out of order, or stands twice")
            last = order
            check_proof(value)
            tree.add(line)
            totals[value["outcome"]]["items"] += 1
            totals[value["outcome"]]["bytes"] += value["size"]
        elif part == "verdict":
            code = exit_code_of(header["state"], header["has_selection"], header["listed"], totals)
            demand(value["exit_code"] == code, "the verdict does not follow from the totals")
            demand((value["status"] == "pass") == (header["state"] == "completed" and code == 0), "the status is wrong")
    demand(footer is not None, "the footer is missing")
    demand(footer["totals"] == totals, "the totals do not fit the items")
    demand(footer["items"] == sum(total["items"] for total in totals.values()), "the sum of items is wrong")
    demand(footer["bytes"] == sum(total["bytes"] for total in totals.values()), "the sum of bytes is wrong")
    demand(footer["root"] == tree.root(), "the Merkle root does not fit the items")
    demand(footer["digest"] == digest.hexdigest(), "the digest does not fit the lines")
    demand((footer["signer"] is None) == (signature is None), "the signature is missing, or nobody signed")
    return footer


def main(arguments):
    if len(arguments) != 2:
        print(__doc__)
        return 2
    try:
        footer = check(arguments[1])
    except OSError as error:
        print("report-check.py: %s" % error, file=sys.stderr)
        return 2
    except (Wrong, ValueError, KeyError, TypeError, AttributeError) as error:
        print("NOT WHOLE: %s" % (error or type(error).__name__))
        return 1
    print("whole: %d items, %d bytes, root %s, %s" % (
        footer["items"], footer["bytes"], footer["root"],
        "not signed" if footer["signer"] is None else "signature not checked, signer " + footer["signer"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
