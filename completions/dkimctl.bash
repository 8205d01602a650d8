_dkimctl_completion() {
    local IFS=$'\n'
    local response

    if [[ ${COMP_WORDS[COMP_CWORD]} == : || ${COMP_WORDS[COMP_CWORD-1]} == : ]]; then
        compopt -o default
        return 0
    fi

    local -a words=("${COMP_WORDS[@]}")
    local word=$COMP_CWORD
    if [[ ${words[word-1]} == = ]]; then
        unset "words[word-1]"
        ((word--))
    fi

    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$word _DKIMCTL_COMPLETE=bash_complete $1)

    for completion in $response; do
        IFS=',' read type value <<< "$completion"

        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=($value)
            [[ $value != *: ]] || compopt -o nospace
        fi
    done

    return 0
}

_dkimctl_completion_setup() {
    complete -o nosort -F _dkimctl_completion dkimctl
}

_dkimctl_completion_setup;
