# Turns text files into one C string: what the program carries inside.
BEGIN {
    print "/* Generated from library/. */"
    print "#include \"compensate/library_text.h\"\n"
    print "const char comp_library[] ="
}
{
    gsub(/\\/, "\\\\")
    gsub(/"/, "\\\"")
    print "    \"" $0 "\\n\""
}
END { print "    ;" }
