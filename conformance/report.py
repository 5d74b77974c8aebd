"""What the judges found: checks that passed, failed or were skipped, and the table of them.

`expected_failures.json` maps a pattern `judge/subject/check` to the reason why that check is known to fail. A listed
check that passes is itself a failure, so that the list cannot outlive its reasons.
"""
import fnmatch
import json
import os
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))


class Report:
    def __init__(self, expected=None):
        self.rows = []          # (judge, subject, check, outcome, detail)
        self.expected = expected or {}
        self.used = set()

    def expect_from(self, path):
        with open(path) as f:
            self.expected = json.load(f)

    def add(self, judge, subject, check, ok, detail=""):
        name = f"{judge}/{subject}/{check}"
        pattern = next((p for p in self.expected if fnmatch.fnmatchcase(name, p)), None)
        outcome = "pass" if ok else "FAIL"
        detail = detail() if callable(detail) and not ok else detail
        if pattern and not ok:
            outcome, detail = "known", f"{self.expected[pattern]} ({detail})"
            self.used.add(pattern)
        self.rows.append((judge, subject, check, outcome, str(detail) if outcome != "pass" else ""))
        return ok

    def skip(self, judge, subject, check, why):
        self.rows.append((judge, subject, check, "skip", why))

    def judge(self, name, subject):
        return Judge(self, name, subject)

    def count(self, *outcomes):
        return sum(r[3] in outcomes for r in self.rows)

    def close(self, out=sys.stdout, whole_run=False):
        """Prints the table and the closing line; returns the exit code."""
        if whole_run:
            for pattern in sorted(set(self.expected) - self.used):
                self.rows.append(("run", "expected_failures.json", pattern, "FAIL", "listed as a failure, and did not fail"))
        groups = {}
        for judge, subject, check, outcome, detail in self.rows:
            groups.setdefault((judge, subject), []).append((check, outcome, detail))
        width = max([len(s) for _, s in groups] or [8]) + 2
        print(f"\n{'judge':<11}{'subject':<{width}}{'passed':>7}{'failed':>7}{'skipped':>8}", file=out)
        for (judge, subject), checks in groups.items():
            n = {k: sum(o == k for _, o, _ in checks) for k in ("pass", "FAIL", "skip", "known")}
            print(f"{judge:<11}{subject:<{width}}{n['pass']:>7}{n['FAIL']:>7}{n['skip'] + n['known']:>8}", file=out)
            for check, outcome, detail in checks:
                if outcome != "pass":
                    detail = " ".join(detail.split())[:600]
                    print(f"    {outcome}: {check}: {detail}", file=out)
        print(f"\n{self.count('pass')} passed, {self.count('FAIL')} failed, {self.count('skip', 'known')} skipped", file=out)
        return 1 if self.count("FAIL") else 0

    def save(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            json.dump([dict(zip(("judge", "subject", "check", "outcome", "detail"), r)) for r in self.rows], f, indent=1)


class Judge:
    """One judge's view of one subject. A check that holds in every place counts once; the first place it fails is told."""

    def __init__(self, report, name, subject):
        self.report, self.name, self.subject = report, name, subject
        self.checks = {}        # check → (times asked, [failures])

    def check(self, check, ok, detail=""):
        asked, failures = self.checks.setdefault(check, [0, []])
        self.checks[check][0] = asked + 1
        if not ok:
            failures.append(str(detail() if callable(detail) else detail))
        return bool(ok)

    def equal(self, check, got, want, where=""):
        return self.check(check, got == want, lambda: f"{where + ': ' if where else ''}is {got}, should be {want}")

    def skip(self, check, why):
        self.report.skip(self.name, self.subject, check, why)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and not isinstance(error, KeyboardInterrupt):
            place = traceback.extract_tb(trace)[-1]
            self.check("can be read", False, f"{kind.__name__}: {error} ({os.path.basename(place.filename)}:{place.lineno})")
        for check, (asked, failures) in self.checks.items():
            detail = "" if not failures else f"{failures[0]}" + (f" (and {len(failures) - 1} more of {asked})" if len(failures) > 1 else "")
            self.report.add(self.name, self.subject, check, not failures, detail)
        return not isinstance(error, KeyboardInterrupt) and error is not None
