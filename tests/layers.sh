#!/bin/sh
# Shows that folders include only the folders which the file `layers` allows them, that includes carry their folder, and
# that each foreign library stays behind its door. Prints every line that breaks a rule.
cd "${srcdir:-$(dirname "$0")/..}" || exit 99
# shellcheck disable=SC2046
awk '
FILENAME == "layers" {
    if ($1 ~ /^#/ || NF == 0) next
    folder = $1; sub(/:$/, "", folder); known[folder] = 1
    for (i = 2; i <= NF; i++) may[folder, $i] = 1
    next
}
function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; broken = 1 }
function folder_of(path) { return path ~ /\// ? gensub_dir(path) : "." }
function gensub_dir(path,   n, parts, i, dir) {
    n = split(path, parts, "/"); dir = parts[1]
    for (i = 2; i < n; i++) dir = dir "/" parts[i]
    return dir
}
FNR == 1 { here = folder_of(FILENAME); if (!(here in known)) complain("folder " here " has no line in layers") }
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\""); target = quoted[2]; includes++
    if (target == "config.h") next
    if (target !~ /\//) { complain("include \"" target "\" does not carry its folder"); next }
    there = folder_of(target)
    if (there != here && !((here, there) in may)) complain(here " may not include " there " (\"" target "\")")
}
/^[ \t]*#[ \t]*include[ \t]*</ {
    split($0, angled, "[<>]"); target = angled[2]
    if (target == "ev.h" && here != "proxy/net") complain("libev stays in proxy/net")
    if (target ~ /^hiredis/ && here != "proxy/redis") complain("hiredis stays in proxy/redis")
    if (target ~ /^openssl/ && FILENAME !~ /^proxy\/(net\/tls|wire\/auth)[a-z0-9_]*\.[ch]$/)
        complain("OpenSSL stays in proxy/net/tls and proxy/wire/auth")
    if (target ~ /^sodium/ && FILENAME != "proxy/wire/auth_ed25519.c") complain("libsodium stays in proxy/wire/auth_ed25519")
    if (target ~ /^z(lib|std)\.h$/ && FILENAME != "proxy/net/decoder.c")
        complain("zlib and zstd stay in proxy/net/decoder.c")
    if (target ~ /^(mysql\/)?mysql\.h$/ && here != "proxy/resolver" && here != "tools")
        complain("libmysqlclient stays in proxy/resolver and tools: a relay passes bytes on")
}
END {
    if (includes < 50) { print "layers.sh saw only " includes + 0 " includes: it looks in the wrong place"; broken = 1 }
    exit broken
}' layers $(find base wal xa compensate actions proxy tools -name '*.[ch]')
