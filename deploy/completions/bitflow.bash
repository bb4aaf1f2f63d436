# bash completion for bitflow
_bitflow() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command=
    local word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in check|explain|diff|test|replay|inspect|schema|echo) command=$word; break ;; esac
    done
    case $previous in --config|-c|--log) COMPREPLY=($(compgen -f -- "$current")); return ;; esac
    case $command in
        "") COMPREPLY=($(compgen -W "check explain diff test replay inspect schema echo --config --version --help -t" -- "$current")) ;;
        check) COMPREPLY=($(compgen -W "--config" -- "$current")) ;;
        explain) COMPREPLY=($(compgen -W "--config --proxy --source --destination --header --sni --alpn --down --open --ticket --json" -- "$current")) ;;
        replay) COMPREPLY=($(compgen -W "--config --log" -- "$current")) ;;
        inspect) COMPREPLY=($(compgen -W "hello proxy-header" -- "$current") $(compgen -f -- "$current")) ;;
        diff|test) COMPREPLY=($(compgen -f -- "$current")) ;;
    esac
}
complete -o filenames -F _bitflow bitflow
