#!/usr/bin/env bash
# Sets up what some tests run and Cargo cannot fetch, in .tools/ at the root of the workspace: both Python clients
# (client-0.3.0, client-0.33.0), the Python service (reference), an S3 look-alike (moto), a fuzzer of APIs (schemathesis), and what drives a browser
# through the console (console). Each is a virtual environment of its own. Without them those tests are left out, and say so.
#   tools/tools.sh          again does nothing; a failed try is repeated
# The clients and the service need Python 3.12 or later, schemathesis 3.10, moto any from 3.9. PYTHON=... names one.
set -euo pipefail
cd "$(dirname "$0")/.."

# Prints the first Python of at least this minor version.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.13 python3.12 ~/.pyenv/versions/3.1[23]*/bin/python python3; do
    candidate=$(command -v "$candidate" || true)
    if [[ -n $candidate ]] && "$candidate" -c "import sys; sys.exit(sys.version_info < (3, $1))" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

# Makes .tools/NAME with these packages. The file `ready` says that all of them arrived.
environment() { # PYTHON NAME PACKAGE...
  local python=$1 home=.tools/$2
  shift 2
  [[ -e $home/ready ]] && return
  "$python" -m venv --clear "$home"
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
  touch "$home/ready"
}

modern=$(find_python 12)
if [[ -n $modern ]]; then
  for version in 0.3.0 0.33.0; do
    # The clients import more than they ask for: Memory-FS, and a test client that needs httpx or httpx2.
    environment "$modern" "client-$version" "mgraph-ai-service-cache-client==$version" requests memory-fs httpx httpx2
  done
  # Writes stores of its own, which this service opens.
  environment "$modern" reference mgraph-ai-service-cache==0.14.0 mgraph-ai-service-cache-client==0.33.0 uvicorn httpx python-multipart
else
  echo "tools.sh: no Python 3.12 or later found, so neither the Python clients nor stores of the Python service are tested; set PYTHON to one" >&2
fi

any=${modern:-$(find_python 9)}
if [[ -n $any ]]; then
  environment "$any" moto 'moto[s3,server]'
else
  echo "tools.sh: no Python 3.9 or later found, so S3 is not tested; set PYTHON to one" >&2
fi

fuzzing=${modern:-$(find_python 10)}
if [[ -n $fuzzing ]]; then
  # Another version would draw other examples.
  environment "$fuzzing" schemathesis schemathesis==4.32.5
else
  echo "tools.sh: no Python 3.10 or later found, so the API is not fuzzed; set PYTHON to one" >&2
fi

# The browser itself is Debian's.
browser() {
  command -v chromium >/dev/null && return
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; then
    return
  fi
  echo "tools.sh: no Chromium found, and apt-get cannot install it, so the console is not tested; install the package chromium" >&2
  return 1
}

# Fetches axe, which looks for what keeps people out who cannot see or use a mouse. It runs in the browser only.
axe() {
  local version=4.14.1
  [[ -e .tools/console/axe.min.js ]] && return
  if ! command -v npm >/dev/null; then
    echo "tools.sh: no npm found, so the console is not looked through with axe" >&2
    return
  fi
  (cd .tools/console && npm pack --silent "axe-core@$version" >/dev/null && tar -xzf "axe-core-$version.tgz" --strip-components=1 package/axe.min.js && rm "axe-core-$version.tgz")
}

if [[ -n $any ]] && browser; then
  environment "$any" console playwright==1.61.0
  axe
fi
