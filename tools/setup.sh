#!/usr/bin/env bash
# Makes .venv with the locked dependencies and the `homing` command. Does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.homing-setup
wanted=$(cat requirements-dev.lock pyproject.toml tools/setup.sh | cksum)
if [[ -x .venv/bin/homing && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
  exit 0
fi

suits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

if [[ ! -x .venv/bin/python ]]; then
  # PostgreSQL for the tests exists as a wheel up to Python 3.12, so those come first.
  for python in "${PYTHON:-}" python3.12 python3.11 python3 python3.13 python3.14; do
    if [[ -n $python ]] && suits "$python"; then break; fi
    python=
  done
  if [[ -z $python ]]; then
    echo "Homing needs Python 3.11 or newer: install it, or name it with PYTHON=/path/to/python make setup" >&2
    exit 1
  fi
  echo "making .venv with $("$python" --version)"
  if ! "$python" -m venv .venv >/dev/null 2>&1; then
    # Debian's Python comes without ensurepip; the system's pip can fill the environment just as well.
    "$python" -m venv --clear --without-pip .venv
    "$python" -m pip --python .venv/bin/python install --quiet pip
  fi
fi

echo "installing the locked dependencies (about a minute the first time)"
# The lock is complete, so pip need not resolve anything; `pip check` proves it.
pip=(.venv/bin/python -m pip --disable-pip-version-check)
"${pip[@]}" install --quiet --no-deps --require-hashes --requirement requirements-dev.lock 2> >(grep -v ' is ignored: ' >&2 || true)
"${pip[@]}" install --quiet --no-deps --no-build-isolation --no-index --editable .
"${pip[@]}" check >/dev/null
echo "$wanted" >"$stamp"
echo "ready: .venv/bin/homing"
