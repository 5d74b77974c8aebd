#!/usr/bin/env bash
# All outside judges against a built packorigin.  conformance/run.sh [--only JUDGE,...] [--assets NAME,...] [BINARY]
set -euo pipefail
here=$(dirname "$0")
python=python3
[ -x "$here/.venv/bin/python" ] && python=$here/.venv/bin/python
exec "$python" "$here/run.py" "$@"
