# shellcheck shell=bash
# What the scripts of the action share. They get everything as variables: foreign text is never a
# part of a command.

# The folder for what one step leaves for the next.
# shellcheck disable=SC2034 # the scripts that read this file use it
work="$RUNNER_TEMP/qcops-${ACTION_NAME:-qcops}"

fail() {
    printf '::error title=qcops::%s\n' "$*"
    exit 1
}

# Ends the step if a variable does not look as it should.
must_match() {
    local name=$1 pattern=$2
    [[ "${!name-}" =~ ^($pattern)$ ]] || fail "$name is not what it should be"
}

# Hands a value to the steps behind this one.
hand_on() {
    local name=$1 value=$2
    [[ "$value" != *$'\n'* ]] || fail "$name has more than one line"
    printf '%s=%s\n' "$name" "$value" >>"$GITHUB_OUTPUT"
}

# Prints the SHA-256 of standard input. Linux and Git for Windows have the one program, macOS has the other.
checksum() {
    { sha256sum 2>/dev/null || shasum -a 256; } | cut -d ' ' -f 1
}

# The marker on the first line of this plan's comment.
marker() {
    printf '<!-- qcops-comment %s -->' "$ACTION_NAME"
}

# Prints of every comment or issue of the program at PATH what FIELD selects, in the order of GitHub.
#
# Anybody can write one that begins with the marker, so only those of one author count.
own() {
    local path=$1 field=$2
    MARKER=$(marker) gh api --paginate "repos/$ACTION_REPOSITORY/$path" --jq ".[] | select(\
        .user.login == env.ACTION_AUTHOR and (.body // \"\" | startswith(env.MARKER))) | $field"
}

must_match ACTION_NAME '[A-Za-z0-9._-]+'
