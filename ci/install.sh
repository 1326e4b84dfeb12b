#!/usr/bin/env bash
# Finds the program, or builds it from the source that came with the action.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=ci/lib.sh
source "$root/ci/lib.sh"

program=${ACTION_PROGRAM-}
if [[ -z "$program" ]]; then
    program="$RUNNER_TEMP/qcops-program/bin/qcops"
    # It is there already where the cache had it.
    if [[ ! -x "$program" ]]; then
        cargo install --quiet --locked --path "$root" --root "$RUNNER_TEMP/qcops-program"
    fi
fi
"$program" --version
hand_on program "$program"
