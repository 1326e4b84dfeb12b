#!/usr/bin/env bash
# Runs the program; its page goes into the summary and the log, its exit code to the next step.
#
# It succeeds whatever the program says: a comment has to be written before the job fails, which is
# what finish.sh does.
set -euo pipefail
# shellcheck source=ci/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mkdir -p "$work"
page="$work/page.md"

args=(--output github)
while IFS= read -r file; do
    [[ -z "$file" ]] || args+=("--file=$file")
done <<<"$ACTION_FILES"

if [[ "$ACTION_MODE" != validate ]]; then
    while IFS= read -r flag; do
        [[ -z "$flag" ]] || args+=("$flag")
    done <<<"${ACTION_FLAGS-}"
fi

if [[ -n "${ACTION_ENVIRONMENT-}" ]]; then
    # A name begins with a letter or a digit, so that it is no flag.
    must_match ACTION_ENVIRONMENT '[[:alnum:]][[:alnum:]._-]*'
    if [[ "$ACTION_ENVIRONMENT" == all && "$ACTION_MODE" =~ ^(apply|drift)$ ]]; then
        fail "$ACTION_MODE takes one environment"
    fi
    args+=("--env=$ACTION_ENVIRONMENT")
fi

while IFS= read -r credential; do
    [[ -n "$credential" ]] || continue
    # The line itself is a secret, so that no message holds it.
    [[ "$credential" =~ ^(QC|QUANTCONNECT)_(USER_ID|API_TOKEN|ORGANIZATION_ID)_[A-Z0-9_]+= ]] ||
        fail "a line of credentials does not begin like QC_API_TOKEN_PROD="
    export "${credential?}"
done <<<"${ACTION_CREDENTIALS-}"
unset ACTION_CREDENTIALS

code=0
command=(plan --detailed-exitcode --format markdown)
case "$ACTION_MODE" in
    validate) command=(validate --format markdown) ;;
    plan | drift) ;;
    apply)
        # Without a reviewed digest the plan is shown, and nothing is done.
        if [[ -n "${ACTION_DIGEST-}" ]]; then
            must_match ACTION_DIGEST '[0-9a-f]{64}'
            command=(apply "--expect-digest=$ACTION_DIGEST" --format markdown --output "json=$work/report.json")
            [[ -z "${ACTION_WAIT-}" ]] || command+=(--wait "--wait-timeout=$ACTION_WAIT")
        fi
        ;;
    *) fail "the mode is validate, plan, apply or drift" ;;
esac
"$ACTION_PROGRAM" "${command[@]}" "${args[@]}" --color never >"$work/out.md" || code=$?

digest=''
read -r first <"$work/out.md" || true
if [[ "${first-}" =~ ^'<!-- qcops-plan digest='([0-9a-f]{64})' -->'$ ]]; then
    digest=${BASH_REMATCH[1]}
fi

{
    marker
    echo
    if [[ -s "$work/out.md" ]]; then
        cat "$work/out.md"
    else
        echo "**qcops $ACTION_MODE ended with exit code $code; its log says why.**"
    fi
    if [[ "${ACTION_COMMIT-}" =~ ^[0-9a-f]{40,64}$ ]]; then
        printf '\n<sub>%s of commit %s</sub>\n' "$ACTION_MODE" "$ACTION_COMMIT"
    fi
} >"$page"

cat "$page" >>"$GITHUB_STEP_SUMMARY"
# Nothing in the page is a command of the runner; this does not rely on it.
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '::stop-commands::%s\n' "$token"
cat "$page"
printf '::%s::\n' "$token"

hand_on exit-code "$code"
hand_on digest "$digest"
hand_on page "$page"
