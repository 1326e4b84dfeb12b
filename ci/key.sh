#!/usr/bin/env bash
# Names the source that would be built, for the cache of the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

key=$(find Cargo.toml Cargo.lock src -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
printf 'key=%s\n' "${key%% *}" >>"$GITHUB_OUTPUT"
