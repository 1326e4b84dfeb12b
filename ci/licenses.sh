#!/usr/bin/env bash
# Prints the licence texts of every crate that is built into the program for a target: ci/licenses.sh TARGET
#
# Equal texts are printed once. A crate that brings none is under the same texts as qcops itself, or this fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${1:?ci/licenses.sh TARGET}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/texts" "$work/crates"
# Every crate by name, version, licence and folder; then those of the program alone.
cargo metadata --format-version 1 --locked --filter-platform "$target" | tr -d '\r' |
    jq --raw-output '.packages[] | select(.source != null) |
        [.name + " v" + .version, .license // "", (.manifest_path[:-11] | gsub("\\\\"; "/"))] | @tsv' |
    LC_ALL=C sort >"$work/all"
cargo tree --locked --edges normal --no-dedupe --prefix none --target "$target" | tr -d '\r' |
    cut -d ' ' -f 1,2 | LC_ALL=C sort -u >"$work/used"

shopt -s nocasematch
while IFS=$'\t' read -r crate license folder; do
    found=''
    for file in "$folder"/*; do
        case "${file##*/}" in
            LICENSE* | LICENCE* | COPYING* | NOTICE* | UNLICENSE* | COPYRIGHT*)
                [[ -f "$file" ]] || continue
                found=yes
                text=$(git hash-object "$file")
                cp "$file" "$work/texts/$text"
                printf '%s (%s)\n' "$crate" "$license" >>"$work/crates/$text"
                ;;
        esac
    done
    if [[ -z "$found" ]]; then
        [[ "$license" == 'MIT OR Apache-2.0' ]] || { echo "error: $crate ($license) brings no text" >&2 && exit 1; }
        printf '%s (%s): see LICENSE-MIT and LICENSE-APACHE\n' "$crate" "$license" >>"$work/without"
    fi
done < <(join -t $'\t' "$work/all" "$work/used")

echo "qcops contains these crates, under the terms that follow each group."
[[ ! -e "$work/without" ]] || { echo && cat "$work/without"; }
for text in "$work/texts"/*; do
    printf '\n%s\n' "--------------------------------------------------------------------------------"
    LC_ALL=C sort -u "$work/crates/${text##*/}"
    echo
    cat "$text"
done
