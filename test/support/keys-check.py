"""keys-check.py SOURCE URL PREFIX: is every file of SOURCE, and nothing else, in the bucket at URL (open to anyone)?
Knows docs/keys.md alone, shares no code with waybill."""
import hashlib, os, re, stat, sys, urllib.parse, urllib.request, xml.etree.ElementTree as xml


def name_of(key):
    segments, start = [], b""
    for segment in key.split(b"/"):
        cut = segment.endswith(b"%more")
        start += segment[:-5] if cut else b"" if segment == b"%empty" else segment
        if not cut:
            segments, start = segments + [start], b""
    return re.sub(rb"%([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), b"/".join(segments))


def sum_of(stream):
    return hashlib.file_digest(stream, "sha256").hexdigest()


def listed(url, prefix):
    token = ""
    while token is not None:
        query = {"list-type": 2, "prefix": prefix, **({"continuation-token": token} if token else {})}
        page = xml.parse(urllib.request.urlopen(url + "?" + urllib.parse.urlencode(query))).getroot()
        yield from (key.text.encode() for key in page.iterfind("{*}Contents/{*}Key"))
        token = page.findtext("{*}NextContinuationToken")


source, url, prefix, sums, objects, wrong = os.fsencode(sys.argv[1]), *sys.argv[2:4], {}, 0, []
for folder, _, files, at in os.fwalk(source):
    for name in (name for name in files if stat.S_ISREG(os.lstat(name, dir_fd=at).st_mode)):
        with open(os.open(name, os.O_RDONLY, dir_fd=at), "rb") as file:
            sums[os.path.relpath(folder + b"/" + name, source)] = sum_of(file)
long_keys = {b"%long/" + hashlib.sha256(name).hexdigest().encode(): name for name in sums}
for key in listed(url, prefix):
    name, objects = long_keys.get(key[len(prefix):]) or name_of(key[len(prefix):]), objects + 1
    with urllib.request.urlopen(url + "/" + urllib.parse.quote(key)) as answer:
        wrong += [] if sums.pop(name, None) == sum_of(answer) else [key]
print("%d objects, %d differ, %d files without one %s" % (objects, len(wrong), len(sums), [*wrong, *sums][:5]))
sys.exit(len(wrong) + len(sums) > 0 or objects == 0)
