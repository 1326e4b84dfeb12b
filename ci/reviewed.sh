#!/usr/bin/env bash
# Finds the digest that was reviewed: as given, or from our comment at the pull request that this
# commit merged.
set -euo pipefail
# shellcheck source=ci/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

digest=${ACTION_DIGEST-}
if [[ -z "$digest" ]]; then
    must_match ACTION_COMMIT '[0-9a-f]{40,64}'
    numbers=$(gh api "repos/$ACTION_REPOSITORY/commits/$ACTION_COMMIT/pulls" \
        --jq '.[] | select(.merged_at != null and .merge_commit_sha == env.ACTION_COMMIT) | .number')
    number=${numbers%%$'\n'*}
    if [[ "$number" =~ ^[0-9]+$ ]]; then
        echo "This commit merged pull request $number."
        # The digest stands on the second line, in a form of its own.
        bodies=$(own "issues/$number/comments?per_page=100" '.body | split("\n")[1]')
        line=${bodies%%$'\n'*}
        if [[ "$line" =~ ^'<!-- qcops-plan digest='([0-9a-f]{64})' -->' ]]; then
            digest=${BASH_REMATCH[1]}
        fi
    fi
fi
if [[ -n "$digest" ]]; then
    ACTION_DIGEST=$digest must_match ACTION_DIGEST '[0-9a-f]{64}'
    echo "Reviewed was the plan $digest."
fi
hand_on digest "$digest"
