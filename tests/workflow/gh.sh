#!/usr/bin/env bash
# As much of `gh api` as the action uses, for the repository team/agents. Filters are real where the
# machine has jq.
set -euo pipefail
: "${GH_TOKEN:?}"
[[ "$1" == api ]]
shift
method=GET path='' filter='' body='' title='' state=''
while (($# > 0)); do
    case "$1" in
        --paginate | --silent) ;;
        --method) method=$2 && shift ;;
        --jq) filter=$2 && shift ;;
        --field) body=${2#body=@} && shift ;;
        --raw-field)
            case "$2" in
                title=*) title=${2#title=} ;;
                state=*) state=${2#state=} ;;
                *) exit 1 ;;
            esac
            shift
            ;;
        *) path=$1 ;;
    esac
    shift
done
path=${path#repos/team/agents/}

# Prints what the filter selects of the folders below KIND whose FILE holds exactly TEXT.
select_from() {
    local kind=$1 file=$2 text=$3 folder
    for folder in "$FORGE/$kind"/*; do
        [[ "$(cat "$folder/$file" 2>/dev/null || true)" == "$text" ]] || continue
        if command -v jq >/dev/null; then
            jq --null-input --arg id "${folder##*/}" --rawfile login "$folder/author" \
                --rawfile body "$folder/body" \
                '[{id: $id | tonumber, number: $id | tonumber, user: {$login}, $body}]' |
                jq --raw-output "$filter"
        elif [[ "$(cat "$folder/author")" == "$ACTION_AUTHOR" && "$(cat "$folder/body")" == "$MARKER"* ]]; then
            case "$filter" in
                *'| .id' | *'| .number') echo "${folder##*/}" ;;
                *) sed -n 2,102p "$folder/body" | tr '\n' '\001' && echo ;;
            esac
        fi
    done
}

# Writes a comment or an issue into a folder.
write_to() {
    mkdir -p "$1"
    [[ -e "$1/author" ]] || printf 'github-actions[bot]' >"$1/author"
    cp "$body" "$1/body"
    [[ -z "$title" ]] || printf '%s' "$title" >"$1/title"
    printf '%s' "${state:-open}" >"$1/state"
}

next() {
    find "$FORGE/$1" -mindepth 1 -maxdepth 1 | wc -l | { read -r count && echo "$((count + 1))"; }
}

case "$method $path" in
    "GET commits/"*"/pulls")
        commit=${path:8:40}
        for pull in "$FORGE"/merges/*; do
            number=${pull##*/}
            [[ "$(cat "$pull" 2>/dev/null || true)" == "$commit" ]] || continue
            if command -v jq >/dev/null; then
                jq --null-input --arg commit "$commit" --argjson number "$number" \
                    '[{number: 6, merged_at: "2026-11-01T00:00:00Z", merge_commit_sha: "other"},
                      {$number, merged_at: "2026-11-02T00:00:00Z", merge_commit_sha: $commit}]' |
                    jq --raw-output "$filter"
            else
                echo "$number"
            fi
        done
        ;;
    "GET issues/"*"/comments?per_page=100")
        number=${path#issues/}
        select_from comments pull "${number%%/*}"
        ;;
    "GET issues?state=open&per_page=100")
        select_from issues state open
        ;;
    "GET actions/workflows/apply.yml/runs?head_sha="*"&per_page=100")
        sha=${path#*head_sha=}
        # The newest comes first.
        results=$(tac "$FORGE/applies" | sed -n "s/^${sha:0:40} //p")
        if command -v jq >/dev/null; then
            jq --null-input --arg results "$results" '{workflow_runs: $results | split("\n") | map(
                {conclusion: (if . == "pending" then null else . end)})}' | jq --raw-output "$filter"
        else
            case "$results" in
                *pending*) echo pending ;;
                *success*) echo success ;;
                *) echo "${results%%$'\n'*}" ;;
            esac
        fi
        ;;
    "POST issues/"*"/comments")
        id=$(next comments)
        write_to "$FORGE/comments/$id"
        number=${path#issues/}
        printf '%s' "${number%%/*}" >"$FORGE/comments/$id/pull"
        ;;
    "PATCH issues/comments/"*) write_to "$FORGE/comments/${path##*/}" ;;
    "POST issues") write_to "$FORGE/issues/$(next issues)" ;;
    "PATCH issues/"*) write_to "$FORGE/issues/${path##*/}" ;;
    *)
        echo "gh: no such thing: $method $path" >&2
        exit 1
        ;;
esac
