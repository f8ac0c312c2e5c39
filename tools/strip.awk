# strip.awk - C without its comments and without the inside of its literals, line
# for line, as "file:line:code"; for lints that must not trip over prose.
FNR == 1 { inside = 0 }
{
    out = ""
    n = length($0)
    for (i = 1; i <= n; i++) {
        c = substr($0, i, 1)
        two = substr($0, i, 2)
        if (inside) {
            if (two == "*/") {
                inside = 0
                i++
                out = out " "
            }
        } else if (two == "/*") {
            inside = 1
            i++
        } else if (two == "//") {
            break
        } else if (c == "\"" || c == "'") {
            quote = c
            for (i++; i <= n && (c = substr($0, i, 1)) != quote; i++)
                if (c == "\\")
                    i++
            out = out quote quote
        } else {
            out = out c
        }
    }
    if (out !~ /^[ \t]*$/)
        print FILENAME ":" FNR ":" out
}
