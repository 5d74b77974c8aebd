#!/usr/bin/env python3
"""The answers are what INTERFACE section 4 promises to CDNs and players.

usage: delivery.py URL...        (entry manifests: …/index.m3u8 or …/index.mpd)

Proves, for every URI that the manifests name: 200, the declared type, a strong ETag, nosniff, CORS, the Cache-Control
class, the same bytes twice and with a strange query; for the manifest and one segment of each rendition also 304,
HEAD, Range (206, suffix, open, 416, whole) and preflight; that unknown names are 404 with a problem body, cached
shortly; that no path, however odd, makes a 5xx.

Cannot prove behaviour over HTTP/2, under load, or at a source that is away. It speaks raw HTTP/1.1 where a client
library would tidy a request.
"""
import http.client
import json
import socket
import sys
from urllib.parse import urlsplit

import presentation
from report import Report

TYPES = {"HLS": "application/vnd.apple.mpegurl", "MPD": "application/dash+xml"}
ORIGIN = {"Origin": "https://player.example"}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = {k.lower(): v for k, v in headers}

    def __getitem__(self, name):
        return self.headers.get(name.lower())


def ask(url, method="GET", **headers):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        target = parts.path + ("?" + parts.query if parts.query else "")
        connection.request(method, target, headers={k.replace("_", "-"): v for k, v in (ORIGIN | headers).items()})
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


def raw_status(url, target):
    """Status of a request whose target is sent byte for byte; 0 where the server closes without a word."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as s:
        s.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        first = b""
        try:
            while b"\r\n" not in first:
                more = s.recv(4096)
                if not more:
                    break
                first += more
        except ConnectionResetError:
            pass
    words = first.split(b" ")
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def directives(answer):
    return {d.strip().split("=")[0]: d.strip().partition("=")[2] for d in (answer["cache-control"] or "").lower().split(",")}


def judge_common(judge, url, answer, kind, content_type):
    where = url.split("/vod/")[-1]
    if not judge.equal(f"{kind}: 200", answer.status, 200, where):
        return
    judge.equal(f"{kind}: content type", (answer["content-type"] or "").split(";")[0], content_type, where)
    judge.check(f"{kind}: strong ETag", (answer["etag"] or "").startswith('"') and len(answer["etag"] or "") > 4, lambda: f"{where}: {answer['etag']}")
    judge.equal(f"{kind}: nosniff", answer["x-content-type-options"], "nosniff", where)
    judge.check(f"{kind}: CORS", answer["access-control-allow-origin"] in ("*", ORIGIN["Origin"]), lambda: f"{where}: {answer['access-control-allow-origin']}")
    judge.equal(f"{kind}: content length", answer["content-length"], str(len(answer.body)), where)
    d = directives(answer)
    age = int(d.get("max-age") or -1)
    if kind == "entry manifest":
        judge.check(f"{kind}: short cache, revalidated", ("no-cache" in d or 0 <= age <= 300) and "immutable" not in d and "no-store" not in d,
                    lambda: f"{where}: {answer['cache-control']}")
    else:
        judge.check(f"{kind}: cached for a year", age >= 31_536_000 and "immutable" in d,
                    lambda: f"{where}: {answer['cache-control']}")


def judge_conditional(judge, url, answer, kind):
    where, etag = url.split("/vod/")[-1], answer["etag"] or '""'
    for value in (etag, "W/" + etag, f'"other", {etag}', "*"):
        again = ask(url, If_None_Match=value)
        judge.check(f"{kind}: 304 on If-None-Match", again.status == 304 and not again.body, lambda: f"{where}: {value} gives {again.status}")
        judge.equal(f"{kind}: 304 keeps the ETag", again["etag"], answer["etag"], where)
        judge.equal(f"{kind}: 304 keeps Cache-Control", again["cache-control"], answer["cache-control"], where)
    judge.equal(f"{kind}: 200 on another ETag", ask(url, If_None_Match='"other"').status, 200, where)


def judge_head(judge, url, answer, kind):
    head, where = ask(url, "HEAD"), url.split("/vod/")[-1]
    judge.equal(f"{kind}: HEAD 200", head.status, 200, where)
    judge.check(f"{kind}: HEAD has no body", not head.body, where)
    skip = {"date", "connection", "keep-alive", "transfer-encoding"}
    mine, other = [{k: v for k, v in a.headers.items() if k not in skip} for a in (head, answer)]
    judge.check(f"{kind}: HEAD has GET's headers", mine == other, lambda: f"{where}: {sorted(set(mine.items()) ^ set(other.items()))}")


def judge_range(judge, url, answer, kind):
    body, size, where = answer.body, len(answer.body), url.split("/vod/")[-1]
    judge.equal(f"{kind}: Accept-Ranges", answer["accept-ranges"], "bytes", where)
    for text, start, end in (("bytes=0-99", 0, 100), ("bytes=10-10", 10, 11), ("bytes=100-", 100, size), ("bytes=-7", size - 7, size),
                             (f"bytes=5-{size + 1000}", 5, size), (f"bytes=-{size + 1000}", 0, size)):
        got = ask(url, Range=text)
        ok = got.status == 206 and got.body == body[start:end] and got["content-range"] == f"bytes {start}-{end - 1}/{size}" and got["content-length"] == str(end - start)
        judge.check(f"{kind}: 206", ok, lambda: f"{where}: {text} gives {got.status}, {got['content-range']}, {len(got.body)} bytes")
        judge.equal(f"{kind}: 206 keeps ETag and type", (got["etag"], got["content-type"]), (answer["etag"], answer["content-type"]), where)
    for text in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0"):
        got = ask(url, Range=text)
        judge.check(f"{kind}: 416", got.status == 416 and got["content-range"] == f"bytes */{size}", lambda: f"{where}: {text} gives {got.status}, {got['content-range']}")
    for text in ("bytes=9-3", "bytes=a-b", "lines=0-3", "bytes="):
        got = ask(url, Range=text)
        judge.check(f"{kind}: a bad Range is ignored or refused", got.status in (200, 400, 416) and (got.status != 200 or got.body == body), lambda: f"{where}: {text} gives {got.status}")
    judge.check(f"{kind}: If-Range with another ETag gives the whole", ask(url, Range="bytes=0-9", If_Range='"other"').status == 200, where)
    judge.check(f"{kind}: If-Range with its ETag gives the part", ask(url, Range="bytes=0-9", If_Range=answer["etag"] or '""').status == 206, where)


def judge_preflight(judge, url):
    got = ask(url, "OPTIONS", Access_Control_Request_Method="GET", Access_Control_Request_Headers="range")
    judge.check("preflight: answered", got.status in (200, 204), got.status)
    judge.check("preflight: origin", got["access-control-allow-origin"] in ("*", ORIGIN["Origin"]), got.headers)
    judge.check("preflight: methods", {"GET", "HEAD"} <= {m.strip() for m in (got["access-control-allow-methods"] or "").split(",")} or got["access-control-allow-methods"] == "*", got.headers)
    judge.check("preflight: Range may be sent", "range" in (got["access-control-allow-headers"] or "").lower() or got["access-control-allow-headers"] == "*", got.headers)
    plain = ask(url)
    exposed = (plain["access-control-expose-headers"] or "").lower()
    judge.check("CORS: players may read Content-Range and Content-Length", exposed == "*" or {"content-range", "content-length"} <= {h.strip() for h in exposed.split(",")}, exposed)
    for method in ("POST", "PUT", "DELETE"):
        judge.check("other methods are refused", ask(url, method).status in (405, 501), method)


def judge_absent(judge, entry, segment):
    root, asset = entry.split("/vod/")[0], "/".join(entry.split("/")[:-2])
    absent = [f"{root}/", f"{root}/vod/v1/", f"{root}/vod/v1/no-such-asset/x/index.m3u8", f"{asset}/no-such-configuration/index.m3u8",
              entry.rsplit("/", 1)[0] + "/other-name.m3u8", entry + "x", entry + "/", segment.rsplit("/", 1)[0] + "/no-such-file.m4s",
              segment + "x", f"{asset}/0000000000000000/{segment.rsplit('/', 1)[-1]}"]
    for url in absent:
        got, where = ask(url), url.split(root)[-1]
        judge.equal("absent: 404", got.status, 404, where)
        judge.equal("absent: problem body", (got["content-type"] or "").split(";")[0], "application/problem+json", where)
        try:
            judge.equal("absent: code", json.loads(got.body).get("code"), "not_found", where)
        except ValueError:
            judge.check("absent: code", False, f"{where}: body is no JSON")
        age = int(directives(got).get("max-age") or -1)
        judge.check("absent: cached shortly", 0 <= age <= 60, lambda: f"{where}: {got['cache-control']}")
        judge.check("absent: CORS", got["access-control-allow-origin"] in ("*", ORIGIN["Origin"]), where)


def judge_odd_paths(judge, entry):
    path = urlsplit(entry).path.encode()
    odd = [b"/vod/v1/../../etc/passwd", b"/vod/v1/%2e%2e/%2e%2e/etc/passwd", b"/vod/v1/..%2f..%2fetc%2fpasswd", b"//" + path, path + b"%00", path + b"%",
           path + b"%zz", b"/vod/v1/" + b"a" * 20000, b"/vod/v1/" + b"a/" * 3000, b"/vod/v1/%ff%fe/x", b"/vod/v1/a\x00b", "/vod/v1/ä/ü".encode(), b"/vod//v1//",
           b"http://other.example" + path, b"*", b"vod", path + b"?" + b"q" * 9000, path.replace(b"/v1/", b"/v2/"), path + b"#x", b"/vod/v1/99999999999999999999999/0/x.mpd"]
    for target in odd:
        status = raw_status(entry, target)
        judge.check("odd paths make no 5xx", status < 500, lambda: f"{target[:60]!r} gives {status}")
        if b"passwd" in target:
            judge.check("odd paths lead nowhere", status in (0, 400, 404), lambda: f"{target!r} gives {status}")
    judge.equal("still answers", ask(entry).status, 200)


def judge_delivery(report, subject, out, thorough=True):
    """`thorough` asks all questions; otherwise only that each URI answers with its type, twice the same."""
    with report.judge("delivery", subject) as judge:
        manifest_type = TYPES["MPD"] if out.mpd else TYPES["HLS"]
        entry = ask(out.url)
        judge_common(judge, out.url, entry, "entry manifest", manifest_type)
        judge_conditional(judge, out.url, entry, "entry manifest")
        judge_head(judge, out.url, entry, "entry manifest")
        plan = []
        for r in out.renditions:
            if r.playlist:
                plan.append((r.playlist.url, "playlist", TYPES["HLS"], thorough))
            for part in r.parts:
                media_type = "video/mp2t" if not part.init_url else "audio/mp4" if r.kind == "audio" else "video/mp4"
                if part.init_url:
                    plan.append((part.init_url, "init segment", media_type, thorough and part.period == 0))
                plan += [(s.url, "segment", media_type, thorough and part.period == 0 and n == 0) for n, s in enumerate(part.segments)]
        for url, kind, content_type, deep in plan:
            answer = ask(url)
            judge_common(judge, url, answer, kind, content_type)
            again = ask(url + "?x=1&_HLS_msn=3")
            judge.check(f"{kind}: same bytes twice, whatever the query", again.body == answer.body and again["etag"] == answer["etag"], url)
            if deep and answer.status == 200:
                judge_conditional(judge, url, answer, kind)
                judge_head(judge, url, answer, kind)
                if kind == "segment":
                    judge_range(judge, url, answer, kind)
        if thorough:
            judge_preflight(judge, plan[-1][0])
            judge_absent(judge, out.url, plan[-1][0])
            judge_odd_paths(judge, out.url)


def main(*urls):
    report = Report()
    for url in urls:
        judge_delivery(report, url.split("/vod/v1/")[-1], presentation.load(url))
    return report.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
