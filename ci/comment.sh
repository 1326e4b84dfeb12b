#!/usr/bin/env bash
# Writes the page as a comment at the pull request, over the one of an earlier run.
set -euo pipefail
# shellcheck source=ci/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

must_match ACTION_PULL_REQUEST '[0-9]+'
ids=$(own "issues/$ACTION_PULL_REQUEST/comments?per_page=100" .id)
id=${ids%%$'\n'*}
# The page is handed over as a file: it may be longer than an argument can be.
if [[ "$id" =~ ^[0-9]+$ ]]; then
    gh api --silent --method PATCH "repos/$ACTION_REPOSITORY/issues/comments/$id" \
        --field "body=@$ACTION_PAGE"
else
    gh api --silent --method POST \
        "repos/$ACTION_REPOSITORY/issues/$ACTION_PULL_REQUEST/comments" --field "body=@$ACTION_PAGE"
fi
