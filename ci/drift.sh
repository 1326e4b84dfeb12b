#!/usr/bin/env bash
# Says why the service differs from the manifest, and keeps one issue about it: opened or updated
# while something is wrong, closed once nothing differs.
set -euo pipefail
# shellcheck source=ci/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

must_match ACTION_EXIT_CODE '[0-9]+'
must_match ACTION_COMMIT '[0-9a-f]{40,64}'

# How the applies of this commit have ended: `pending` while one is under way, `success` if one
# succeeded, else the result of the last one, and nothing where there was none.
applied() {
    gh api "repos/$ACTION_REPOSITORY/actions/workflows/$ACTION_APPLY/runs?head_sha=$ACTION_COMMIT&per_page=100" \
        --jq '[.workflow_runs[] | .conclusion // "pending"] |
            if index("pending") then "pending" elif index("success") then "success" else first // "" end'
}

state=failed
words="The drift check failed."
case "$ACTION_EXIT_CODE" in
    0) state=clean words="" ;;
    2)
        # Without an answer, what differs counts as drift.
        case "$(applied || true)" in
            pending) state=pending words="The apply of this commit has not ended yet." ;;
            success | '')
                if grep -Eqm1 '^\*\*Plan: ([0-9]+ to (deploy|prompt|stop)(, )?)+[;.]' "$ACTION_PAGE"; then
                    state=pending words="Only deployments and follow-ups are due. Start apply by hand to send them."
                else
                    state=drift words="The service no longer matches the manifest. Start apply by hand to restore it, or take the change into the manifest."
                fi
                ;;
            *) words="The apply of this commit failed. Its log says why; start it by hand with the digest below." ;;
        esac
        ;;
esac
echo "$state"

if [[ "$ACTION_ISSUE" == true ]]; then
    numbers=$(own 'issues?state=open&per_page=100' .number)
    number=${numbers%%$'\n'*}
    { cat "$ACTION_PAGE" && printf '\n%s\n' "$words"; } >"$work/issue.md"
    call=(gh api --silent --field "body=@$work/issue.md" --raw-field "title=$ACTION_NAME: $state")
    issues="repos/$ACTION_REPOSITORY/issues"
    case "$state $number" in
        'clean ' | 'pending ') ;;
        clean*) "${call[@]}" --method PATCH --raw-field state=closed "$issues/$number" ;;
        *' ') "${call[@]}" --method POST "$issues" ;;
        *) "${call[@]}" --method PATCH "$issues/$number" ;;
    esac
fi

hand_on state "$state"
hand_on words "$words"
