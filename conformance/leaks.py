#!/usr/bin/env python3
"""No secret is written where it does not belong.

usage: leaks.py SECRETS.json PATH...        SECRETS: {"name": "value"}; 32 hex digits are a key, anything else a token

Proves: neither the bytes of a key, nor a key or token in hexadecimal (either case, also with dashes), base64,
base64url (padded or not), percent-encoding or UTF-16 is in the log of a run at debug level, in traces, in the answers of
the control API (errors among them), in playlists, MPDs and init segments, or in any file of the data directory, the
SQLite files with their journals among them. A search of what should hold the word "packorigin" shows that it searches.

Cannot see memory, or secrets written in a form that is not in the list. It is no module `secrets`, because Python has one.
"""
import base64
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

from report import Report


def forms(secret):
    """Every way in which these bytes may stand somewhere: name → bytes, lower case where case does not matter."""
    b64, url = base64.b64encode(secret), base64.urlsafe_b64encode(secret)
    h = secret.hex()
    uuid = "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:])) if len(secret) == 16 else h
    out = {"raw bytes": secret, "base64": b64.rstrip(b"="), "base64url": url.rstrip(b"="), "base64 in UTF-16": b64.rstrip(b"=").decode().encode("utf-16-le"),
           "percent-encoding": urllib.parse.quote(b64.decode(), safe="").encode().replace(b"%3D", b"")}
    folded = {"hexadecimal": h.encode(), "hexadecimal with dashes": uuid.encode(), "hexadecimal in UTF-16": h.encode("utf-16-le"),
              "a list of bytes": b"[" + b",".join(str(b).encode() for b in secret)}
    return out, folded


class Secrets:
    """`keys`: name → 16 bytes. `tokens`: name → text. Both must be nowhere."""

    def __init__(self, keys, tokens):
        self.plain, self.folded = [], []
        for name, secret in [(n, k) for n, k in keys.items()] + [(n, t.encode()) for n, t in tokens.items()]:
            plain, folded = forms(secret)
            self.plain += [(name, form, needle) for form, needle in plain.items() if len(needle) >= 8]
            self.folded += [(name, form, needle.lower()) for form, needle in folded.items() if len(needle) >= 8]

    def found_in(self, data):
        """(name, form) of each secret that is in these bytes."""
        lower = data.lower()
        spaced = re.sub(rb"[\s:]", b"", lower)      # Debug prints bytes with commas and spaces, others with colons
        return sorted({(n, f) for n, f, needle in self.plain if needle in data}
                      | {(n, f) for n, f, needle in self.folded if needle in lower or needle in spaced})


def files(paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, _, names in os.walk(path):
                yield from (os.path.join(folder, n) for n in names)
        elif os.path.exists(path):
            yield path


def judge_files(judge, check, secrets, paths):
    count, held = 0, False
    for path in files(paths):
        with open(path, "rb") as f:
            data = f.read()
        count, held = count + len(data), held or b"packorigin" in data.lower() or b"SQLite format 3" in data
        found = secrets.found_in(data)
        judge.check(check, not found, lambda: f"{os.path.basename(path)}: {', '.join(f'{n} as {f}' for n, f in found[:3])}")
    judge.check(f"{check}: there is something to search", held and count > 100, f"{count} bytes")


def ask(url, method="GET", body=None, headers=None):
    """Head and body of whatever is answered, errors too."""
    request = urllib.request.Request(url, method=method, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.headers).encode() + answer.read()
    except urllib.error.HTTPError as error:
        return str(error.headers).encode() + error.read()


def spoilt(settings):
    """Bodies that must be refused, each with the secrets in it."""
    for change in (lambda s: s | {"staticKeys": [k | {"key": k["key"] + "00"} for k in s.get("staticKeys", [])]},
                   lambda s: s | {"staticKeys": [k | {"trackType": "NOBODY"} for k in s.get("staticKeys", [])]},
                   lambda s: s | {"scheme": "none"}, lambda s: s | {"unknownField": 1}, lambda s: s | {"systemIds": ["x"]}):
        yield change(dict(settings))


def judge_answers(judge, secrets, control, group, configurations, urls):
    """`configurations`: name → body as it was sent. `urls`: manifests and segments to fetch."""
    base, where = f"{control}/v1/packaging-groups/{group}/packaging-configurations", "answers of the control API"
    asked = [("GET", base + "?pageSize=1000", None), ("GET", f"{control}/v1/assets?pageSize=1000", None), ("GET", f"{control}/metrics", None),
             ("GET", f"{control}/openapi.json", None), ("GET", f"{control}/v1/packaging-groups/{group}", None)]
    for name, body in configurations.items():
        asked.append(("GET", f"{base}/{name}", None))
        asked.append(("POST", base, body))                  # the name is taken
        for number, settings in enumerate(spoilt(body["encryption"])):
            asked.append(("POST", base, body | {"name": f"{name}-{number}", "encryption": settings}))
            asked.append(("PUT", f"{base}/{name}-{number}", body | {"name": f"{name}-{number}", "encryption": settings}))
        asked.append(("POST", base, str(json.dumps(body))[:-9]))        # cut short, so that it is no JSON
    for method, url, body in asked:
        data = body if isinstance(body, str) else json.dumps(body) if body is not None else None
        found = secrets.found_in(ask(url, method, data.encode() if data else None, {"Content-Type": "application/json"} if data else None))
        judge.check(where, not found, lambda: f"{method} {url.rsplit('/v1/', 1)[-1]}: {', '.join(f'{n} as {f}' for n, f in found[:3])}")
    for url in urls:
        found = secrets.found_in(ask(url))
        judge.check("manifests and init segments", not found, lambda: f"{url.rsplit('/vod/', 1)[-1]}: {', '.join(f'{n} as {f}' for n, f in found[:3])}")


def judge_leaks(report, subject, secrets, log, data, control=None, group=None, configurations=None, urls=(), traces=()):
    with report.judge("leaks", subject) as judge:
        if control:
            judge_answers(judge, secrets, control, group, configurations or {}, urls)
        judge_files(judge, "log", secrets, [log])
        judge_files(judge, "data directory", secrets, [data])
        judge.check("traces: there is something to search", not control or any(b"packorigin" in t for t in traces), f"{len(traces)} batches")
        for body in traces:
            found = secrets.found_in(body)
            judge.check("traces", not found, lambda: f"{', '.join(f'{n} as {f}' for n, f in found[:3])}")


def main(path, *paths):
    with open(path) as f:
        stated = json.load(f)
    keys = {n: bytes.fromhex(v) for n, v in stated.items() if re.fullmatch("[0-9a-fA-F]{32}", v)}
    secrets, report = Secrets(keys, {n: v for n, v in stated.items() if n not in keys}), Report()
    with report.judge("leaks", "files") as judge:
        judge_files(judge, "files", secrets, paths)
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 2 else __doc__)
