
# Bash takes `=` for a word of its own: the words are put together for the program, and of its answers
# bash gets what stands behind the last `=`.
_qcops() {
    local -a words=()
    local at word is_joined=no
    for ((at = 0; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if ((at > 0)) && [[ $word == = || $is_joined == yes ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        if [[ $word == = ]]; then is_joined=yes; else is_joined=no; fi
    done
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
    word=${words[COMP_CWORD]}
    _clap_complete_qcops "$1" "$word" "$3"
    if [[ $word == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%=*}="}")
    fi
}
complete -o nospace -o bashdefault -F _qcops qcops
