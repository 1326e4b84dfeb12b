#!/usr/bin/env bash
# Makes the archive of a release for one target, and its checksum: ci/package.sh TARGET [FOLDER]
#
# The folder is `dist` unless given. It builds for TARGET; QCOPS_PROGRAM names a program that is built already. The
# program has to run on this machine: it prints its own manual pages and completions.
set -euo pipefail
here=$(pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${1:?ci/package.sh TARGET [FOLDER]}
dist=$(cd "$here" && mkdir -p "${2:-dist}" && cd "${2:-dist}" && pwd)
exe=''
[[ "$target" != *windows* ]] || exe=.exe

program=${QCOPS_PROGRAM-}
if [[ -z "$program" ]]; then
    cargo build --release --locked --target "$target"
    program=${CARGO_TARGET_DIR:-target}/$target/release/qcops$exe
fi
version=$("$program" --version)
name=qcops-${version#qcops }-$target
folder=$dist/$name
rm -rf "$folder"
mkdir -p "$folder/completions" "$folder/man"

cp "$program" "$folder/qcops$exe"
cp README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$folder"
ci/licenses.sh "$target" >"$folder/THIRD-PARTY.txt"
"$program" completions bash >"$folder/completions/qcops.bash"
"$program" completions zsh >"$folder/completions/_qcops"
"$program" completions fish >"$folder/completions/qcops.fish"
"$program" completions powershell >"$folder/completions/_qcops.ps1"
"$program" completions elvish >"$folder/completions/qcops.elv"
"$program" man --all "$folder/man"

tar -czf "$dist/$name.tar.gz" -C "$dist" "$name"
rm -rf "$folder"
cd "$dist"
# Linux and Git for Windows have the one, macOS has the other.
{ sha256sum "$name.tar.gz" 2>/dev/null || shasum -a 256 "$name.tar.gz"; } >"$name.tar.gz.sha256"
cat "$name.tar.gz.sha256"
