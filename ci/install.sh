#!/usr/bin/env bash
# Finds the program: as given, downloaded as a release whose checksum is right, or built from the source that came with
# the action.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=ci/lib.sh
source "$root/ci/lib.sh"

# Downloads the archive of a release, and unpacks it if it is the one that is expected.
download() {
    local version=$1 target exe='' name folder file expected actual
    case "$RUNNER_OS-$RUNNER_ARCH" in
        Linux-X64) target=x86_64-unknown-linux-musl ;;
        Linux-ARM64) target=aarch64-unknown-linux-musl ;;
        macOS-X64) target=x86_64-apple-darwin ;;
        macOS-ARM64) target=aarch64-apple-darwin ;;
        Windows-X64) target=x86_64-pc-windows-msvc exe=.exe ;;
        *) fail "there is no release for $RUNNER_OS on $RUNNER_ARCH; leave \`version\` out to build it" ;;
    esac
    name=qcops-$version-$target
    folder=$RUNNER_TEMP/qcops-release
    mkdir -p "$folder"
    for file in "$name.tar.gz" "$name.tar.gz.sha256"; do
        curl --fail --silent --show-error --location --retry 3 --output "$folder/$file" \
            "$ACTION_RELEASES/v$version/$file" || fail "$ACTION_RELEASES/v$version/$file cannot be downloaded"
    done
    expected=${ACTION_SHA256:-$(cut -d ' ' -f 1 "$folder/$name.tar.gz.sha256")}
    actual=$(checksum <"$folder/$name.tar.gz")
    [[ "$actual" == "$expected" ]] || fail "$name.tar.gz has the SHA-256 $actual, and $expected is expected"
    # A path of Windows looks like a host to tar.
    (cd "$folder" && tar -xzf "$name.tar.gz")
    program=$folder/$name/qcops$exe
}

program=${ACTION_PROGRAM-}
if [[ -z "$program" && -n "${ACTION_VERSION-}" ]]; then
    must_match ACTION_VERSION 'v?[0-9]+[.][0-9]+[.][0-9]+(-[0-9A-Za-z.-]+)?'
    [[ -z "${ACTION_SHA256-}" ]] || must_match ACTION_SHA256 '[0-9a-f]{64}'
    download "${ACTION_VERSION#v}"
elif [[ -z "$program" ]]; then
    program="$RUNNER_TEMP/qcops-program/bin/qcops"
    # It is there already where the cache had it.
    if [[ ! -x "$program" ]]; then
        cargo install --quiet --locked --path "$root" --root "$RUNNER_TEMP/qcops-program"
    fi
fi
"$program" --version
hand_on program "$program"
