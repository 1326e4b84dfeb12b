#!/usr/bin/env bash
# Prints the Homebrew formula of a version with the checksums of its archives: ci/formula.sh VERSION FOLDER
#
# An archive that is missing, as of a tag that is not the version in Cargo.toml, ends it.
set -euo pipefail
version=${1:?ci/formula.sh VERSION FOLDER}
dist=${2:?ci/formula.sh VERSION FOLDER}

formula=$(cat "$(dirname "${BASH_SOURCE[0]}")/../packaging/qcops.rb")
formula=${formula//@VERSION@/"$version"}
for target in {x86_64,aarch64}-{unknown-linux-musl,apple-darwin}; do
    read -r sum _ <"$dist/qcops-$version-$target.tar.gz.sha256"
    formula=${formula//@$target@/"$sum"}
done
printf '%s\n' "$formula"
