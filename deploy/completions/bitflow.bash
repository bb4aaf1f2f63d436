# bash completion for bitflow
_bitflow() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= words= at
    # bash takes --config=FILE apart into three words.
    if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
            check|explain|test|diff|replay|inspect|top|schema|echo|help) command=${COMP_WORDS[at]}; break ;;
            # A file may be called as a command is.
            --config|-c) if [[ ${COMP_WORDS[at+1]} == = ]]; then ((at += 2)); else ((at += 1)); fi ;;
        esac
    done
    COMPREPLY=()
    # Files are bash's own to complete: it knows how to quote them. A command or an option is no file, even where a folder is called like it.
    case $previous in
        --config|-c|--log) compopt -o default; return ;;
        --format) mapfile -t COMPREPLY < <(compgen -W "text json" -- "$current"); return ;;
        --header) mapfile -t COMPREPLY < <(compgen -W "local unknown" -- "$current"); return ;;
        --proxy|--source|--destination|--sni|--open|--ticket) return ;;
    esac
    case $command in
        "") words="--config -c -t --version -V --help -h check explain test diff replay inspect top schema echo help" ;;
        check) words="--config -c --strict --help -h" ;;
        explain) words="--config -c --proxy --source --destination --header --sni --alpn --down --open --ticket --json --format --help -h" ;;
        test) words="--json --help -h"; if [[ $current != -* ]]; then compopt -o default; return; fi ;;
        diff) words="--json --help -h"; if [[ $current != -* ]]; then compopt -o default; return; fi ;;
        replay) words="--config -c --log --json --help -h" ;;
        inspect) words="--help -h"
            if [[ $current != -* ]]; then
                if ((COMP_CWORD > at + 1)); then compopt -o default; return; fi
                words="hello proxy-header"
            fi ;;
        top) words="--help -h" ;;
        schema) words="--help -h" ;;
        echo) words="--help -h" ;;
        help) words="--help -h"; if [[ $current != -* ]]; then words="check explain test diff replay inspect top schema echo"; fi ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _bitflow bitflow
