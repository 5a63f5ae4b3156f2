#!/bin/sh
# Shows that the documentation knows every option of the configuration, and no document links to a file that is not there.
cd "${srcdir:-$(dirname "$0")/..}" || exit 99
status=0
options=$(sed -nE 's/^OPTION\(([a-z]+), ([a-z_]+),.*/\2/p' proxy/config/options.def | sort -u)
[ "$(echo "$options" | wc -l)" -gt 30 ] || { echo "docs.sh sees too few options: it looks in the wrong place"; status=1; }
for option in $options; do
    grep -q "\`$option\`" docs/configuration.md || { echo "docs/configuration.md does not know $option"; status=1; }
done
[ "$(docs/options.sh . | grep -c '^\.It Cm')" = "$(grep -c '^OPTION(' proxy/config/options.def)" ] || {
    echo "docs/options.sh does not read every row of the option table"
    status=1
}
for document in README.md ARCHITECTURE.md HACKING.md docs/*.md tests/README.md; do
    for target in $(grep -oE '\]\([^)#:]+\)' "$document" | tr -d '])('); do
        [ -e "$(dirname "$document")/$target" ] || { echo "$document: $target is not there"; status=1; }
    done
done
exit $status
