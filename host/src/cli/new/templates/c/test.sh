#!/bin/sh
# Builds the module and runs it in the real sandbox: `stoker` must be on the PATH, or named by STOKER_BIN.
set -eu
cd "$(dirname "$0")"
stoker=${STOKER_BIN:-stoker}

output=$("$stoker" run . {{name}} '"hello"')
[ "$output" = '"HELLO"' ] || { echo "expected \"HELLO\", not $output" >&2; exit 1; }

if "$stoker" run . {{name}} '" "'; then
    echo "a blank text must fail" >&2
    exit 1
fi
echo "all passed"
