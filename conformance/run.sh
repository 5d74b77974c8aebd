#!/usr/bin/env bash
# All outside judges against a built packorigin.  conformance/run.sh [--only JUDGE,...] [--assets NAME,...] [BINARY]
set -euo pipefail
exec python3 "$(dirname "$0")/run.py" "$@"
