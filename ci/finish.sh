#!/usr/bin/env bash
# Ends the job as the program ended, and says what that means.
set -euo pipefail
# shellcheck source=ci/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

must_match ACTION_EXIT_CODE '[0-9]+'

say() {
    local level=${2-error}
    printf '%s\n' "$1" >>"$GITHUB_STEP_SUMMARY"
    printf '::%s title=qcops::%s\n' "$level" "$1"
}

by_hand="start this workflow by hand with the digest ${ACTION_PLANNED:-that it shows}"
case "$ACTION_MODE $ACTION_EXIT_CODE" in
    *' 0') ;;
    'plan 2')
        # Changes are what a pull request is for.
        exit 0
        ;;
    'apply 2')
        say "No reviewed plan belongs to this commit, and nothing was done. To approve the plan above, $by_hand."
        exit 3
        ;;
    'drift 2')
        if [[ "$ACTION_STATE" == pending ]]; then
            say "Pending: $ACTION_WORDS" notice
            exit 0
        fi
        say "$ACTION_WORDS"
        ;;
    *' 1') say "qcops could not do its work; nothing was changed. The log says why." ;;
    *' 3') say "Something is blocked. The page above names each block and help." ;;
    *' 4') say "Only a part was applied. What is left is another plan: $by_hand, or merge the next change." ;;
    *' 5') say "An outcome is unknown, or candidates cannot be told apart. A person has to check." ;;
    *' 6') say "The plan is no longer the reviewed one, and nothing was sent. To approve the plan above, $by_hand." ;;
    *' 7') say "Applied, but a deployment failed what is expected of it." ;;
    *) say "qcops ended with exit code $ACTION_EXIT_CODE." ;;
esac
exit "$ACTION_EXIT_CODE"
