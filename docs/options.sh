#!/bin/sh
# options.sh SOURCE: every option of the configuration as mdoc, out of the table from which the parser is made too.
table=$1/proxy/config
tab=$(printf '\t')
{ echo "proxy$tab[proxy]: the daemon itself; once"; sed -nE 's/^SECTION\(([a-z]+),.*, "(.*)"\)$/\1'"$tab"'\2/p' "$table/sections.def"; } | while IFS=$tab read -r section about; do
    printf '.Ss %s\n%s.\n.Bl -tag -width indent\n' "$section" "$about"
    sed -nE "s/^OPTION\\($section, ([a-z0-9_]+), [A-Z0-9_]+, [a-z0-9_]+, (\"[^\"]*\"|NONE|REQUIRED), .*, \"([^\"]*)\", \"(.*)\"\\)\$/\\1$tab\\2$tab\\3$tab\\4/p" "$table/options.def" |
        while IFS=$tab read -r name default unit help; do
            case $default in NONE) default= ;; REQUIRED) default=' Required.' ;; *) default=" Default: $(echo "$default" | tr -d '"')." ;; esac
            printf '.It Cm %s No = Ar %s\n%s.%s\n' "$name" "$unit" "$help" "$default"
        done
    printf '.El\n'
done
