#!/usr/bin/env bash
# As much of `gh api` as the action uses, for pull request 7 of team/agents. Filters are real where
# the machine has jq.
set -euo pipefail
: "${GH_TOKEN:?}"
[[ "$1" == api ]]
shift
method=GET path='' filter='' file=''
while (($# > 0)); do
    case "$1" in
        --paginate | --silent) ;;
        --method) method=$2 && shift ;;
        --jq) filter=$2 && shift ;;
        --field) file=${2#body=@} && shift ;;
        *) path=$1 ;;
    esac
    shift
done

comments() {
    local folder
    for folder in "$FORGE"/comments/*; do
        [[ ! -d "$folder" ]] || echo "$folder"
    done
}

case "$method $path" in
    "GET repos/team/agents/commits/$(cat "$FORGE/merge-commit" 2>/dev/null || echo none)/pulls")
        if command -v jq >/dev/null; then
            jq --null-input --arg commit "${path:26:40}" \
                '[{number: 6, merged_at: "2026-11-01T00:00:00Z", merge_commit_sha: "other"},
                  {number: 7, merged_at: "2026-11-02T00:00:00Z", merge_commit_sha: $commit}]' |
                jq --raw-output "$filter"
        else
            echo 7
        fi
        ;;
    "GET repos/team/agents/commits/"*"/pulls") ;;
    "GET repos/team/agents/issues/7/comments?per_page=100")
        comments | while read -r folder; do
            if command -v jq >/dev/null; then
                jq --null-input --arg id "${folder##*/}" --rawfile login "$folder/author" \
                    --rawfile body "$folder/body" '[{id: $id | tonumber, user: {$login}, $body}]' |
                    jq --raw-output "$filter"
            elif [[ "$(cat "$folder/author")" == "$ACTION_AUTHOR" && "$(cat "$folder/body")" == "$MARKER"* ]]; then
                case "$filter" in
                    *'| .id') echo "${folder##*/}" ;;
                    *) sed -n 2p "$folder/body" ;;
                esac
            fi
        done
        ;;
    "POST repos/team/agents/issues/7/comments")
        count=$(comments | wc -l)
        folder="$FORGE/comments/$((count + 1))"
        mkdir "$folder"
        printf 'github-actions[bot]' >"$folder/author"
        cp "$file" "$folder/body"
        ;;
    "PATCH repos/team/agents/issues/comments/"*)
        cp "$file" "$FORGE/comments/${path##*/}/body"
        ;;
    *)
        echo "gh: no such thing: $method $path" >&2
        exit 1
        ;;
esac
