# bash completion for bitflow
_bitflow() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= word words=
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in check|explain|test|diff|replay|inspect|top|schema|echo|help) command=$word; break ;; esac
    done
    case $previous in
        --config|-c|--log) COMPREPLY=($(compgen -f -- "$current")); return ;;
        --format) COMPREPLY=($(compgen -W "text json" -- "$current")); return ;;
        --header) COMPREPLY=($(compgen -W "local unknown" -- "$current")); return ;;
        --proxy|--source|--destination|--sni|--open|--ticket) return ;;
    esac
    case $command in
        "") words="--config -c -t --version -V --help -h check explain test diff replay inspect top schema echo help" ;;
        check) words="--config -c --help -h" ;;
        explain) words="--config -c --proxy --source --destination --header --sni --alpn --down --open --ticket --json --format --help -h" ;;
        test) words="--help -h"; COMPREPLY=($(compgen -f -- "$current")) ;;
        diff) words="--help -h"; COMPREPLY=($(compgen -f -- "$current")) ;;
        replay) words="--config -c --log --help -h" ;;
        inspect) words="--help -h"; COMPREPLY=($(compgen -W "hello proxy-header" -- "$current") $(compgen -f -- "$current")) ;;
        top) words="--help -h" ;;
        schema) words="--help -h" ;;
        echo) words="--help -h" ;;
        help) words="--help -h"; COMPREPLY=($(compgen -W "check explain test diff replay inspect top schema echo" -- "$current")) ;;
    esac
    # Options where one is begun, or where there is nothing else to offer.
    if [[ $current == -* || ${#COMPREPLY[@]} -eq 0 ]]; then COMPREPLY+=($(compgen -W "$words" -- "$current")); fi
}
complete -o filenames -F _bitflow bitflow
