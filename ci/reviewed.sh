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
        # The digest stands on the second line, in a form of its own; those of all environments stand on
        # as many lines from there on. What comes behind them is no longer ours alone.
        bodies=$(own "issues/$number/comments?per_page=100" '.body | split("\n")[1:102] | join("\u0001")')
        IFS=$'\x01' read -r -a lines <<<"${bodies%%$'\n'*}"
        for line in "${lines[@]}"; do
            [[ "$line" =~ ^'<!-- qcops-plan digest='([0-9a-f]{64})(' environment='([^[:space:]]+))?' -->' ]] || break
            name=${BASH_REMATCH[3]}
            if [[ -z "$name" || "$name" == "${ACTION_ENVIRONMENT-}" ]]; then
                digest=${BASH_REMATCH[1]}
                break
            fi
        done
    fi
fi
if [[ -n "$digest" ]]; then
    ACTION_DIGEST=$digest must_match ACTION_DIGEST '[0-9a-f]{64}'
    echo "Reviewed was the plan $digest."
fi
hand_on digest "$digest"
