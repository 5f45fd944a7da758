#!/usr/bin/env bash
# The browser tests drive the system's Chromium. Brings it where apt-get can; says so loudly where it cannot.
set -euo pipefail

if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then
  exit 0
fi
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
  echo "installing Chromium for the browser tests"
  export DEBIAN_FRONTEND=noninteractive
  if apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; then
    exit 0
  fi
fi
echo "=======================================================================" >&2
echo "NO BROWSER: the tests in tests/browser cannot run. Install Chromium." >&2
echo "=======================================================================" >&2
[[ -z ${CI:-} ]]
