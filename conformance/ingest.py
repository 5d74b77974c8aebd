"""Ingest says what is wrong, in the code and in words. Part of `run.py`, which makes the assets.

Proves, for the samples in `testdata/bad`, that each fails with one of the codes that `expected.json` allows, with a
sentence that names the file and no path of the machine; and for good samples that they become playable, with an
endpoint for each configuration. Cannot prove that ingest survives a crash (`cargo test` does).
"""
import re


def judge_good(report, name, asset, configurations, playback):
    with report.judge("ingest", name) as judge:
        if not judge.equal("playable", asset["status"], "PLAYABLE", str(asset.get("failure"))):
            return
        judge.check("no failure", asset.get("failure") is None, asset.get("failure"))
        endpoints = {e["packagingConfiguration"]: e for e in asset["egressEndpoints"]}
        judge.equal("an endpoint for each configuration", sorted(endpoints), sorted(configurations))
        for configuration, (package_type, *_) in configurations.items():
            end = "mpd" if package_type == "DASH" else "m3u8"
            judge.equal("endpoint URL", endpoints[configuration].get("url"), f"{playback}/vod/v1/{name}/{configuration}/index.{end}", configuration)
            judge.equal("endpoint type", endpoints[configuration].get("packageType"), package_type, configuration)


def judge_bad(report, name, asset, expected, root):
    with report.judge("ingest", "bad/" + name) as judge:
        if not judge.equal("fails", asset["status"], "FAILED"):
            return
        failure = asset["failure"] or {}
        detail = failure.get("detail", "")
        judge.check("code", failure.get("code") in expected["codes"], f"is {failure.get('code')}, should be {' or '.join(expected['codes'])}: {detail}")
        judge.check("names the file", re.search(expected["names"], detail), lambda: f"{expected['names']} is not in: {detail}")
        judge.check("is a sentence", len(detail.split()) >= 5, detail)
        judge.check("tells no path of the machine", root not in detail, detail)
        judge.check("no playback URL", not any(e.get("url") for e in asset.get("egressEndpoints", [])), asset.get("egressEndpoints"))
