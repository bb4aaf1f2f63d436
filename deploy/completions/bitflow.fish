# fish completion for bitflow
set -l commands check explain diff test replay inspect schema echo
complete -c bitflow -n "not __fish_seen_subcommand_from $commands" -a "$commands"
complete -c bitflow -s c -l config -r -d 'the configuration file'
complete -c bitflow -l version -d 'print the version'
complete -c bitflow -l help -d 'print the help'
complete -c bitflow -n '__fish_seen_subcommand_from explain' -l proxy -l source -l sni -l alpn -l down -l open -l json
complete -c bitflow -n '__fish_seen_subcommand_from replay' -l log -r
complete -c bitflow -n '__fish_seen_subcommand_from inspect' -a 'hello proxy-header'
