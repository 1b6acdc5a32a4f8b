# One source file: prints its layering violations. See scripts/layers.

BEGIN {
    split(table, lines, "\n")
    for (i in lines) {
        n = split(lines[i], words, /[: ]+/)
        if (!n || words[1] == "") continue
        known[words[1]] = 1
        for (j = 2; j <= n; j++) may[words[1], words[j]] = 1
    }
    n = split(pure, words, " ")
    for (i = 1; i <= n; i++) is_pure[words[i]] = 1

    n = split(file, parts, "/")
    module = parts[1]
    sub(/\.rs$/, "", module)
    # How many `super::` lead from here to the crate root.
    depth = parts[n] == "mod.rs" ? n - 1 : n
    if (!(module in known)) complain("", "module " module " has no place in the layers")
}

# Test items, by the layout that rustfmt gives them: from the attribute to the line that
# closes or ends the item at the same indentation.
in_test {
    text = $0
    match(text, /^ */)
    if (RLENGTH == indent && (text ~ /^ *}/ || text ~ /;$/)) in_test = 0
    lines_of[NR] = ""
    next
}
/^ *#\[cfg\(test\)\]/ {
    match($0, /^ */)
    indent = RLENGTH
    in_test = 1
    lines_of[NR] = ""
    next
}
{ lines_of[NR] = code($0) }

END {
    # One text, so that `use` trees may span lines; "@12 " marks the beginning of line 12.
    for (i = 1; i <= NR; i++) all = all "@" i " " lines_of[i] " "
    all = flatten(all)
    for (i = 1; i <= depth; i++) climb = climb "super *:: *"
    follow("crate *:: *")
    follow(climb)
    scan("use +(crate|super) +as", "renames the crate root, which hides what is used: ")
    if (module in is_pure) scan("(" impure ")", module " is pure and must not use ")
}

# Strips comments and string contents; remembers open ones over lines.
function code(text,    out, c, two) {
    out = ""
    while (text != "") {
        c = substr(text, 1, 1)
        two = substr(text, 1, 2)
        if (in_comment) {
            if (two == "*/") { in_comment--; text = substr(text, 3) }
            else if (two == "/*") { in_comment++; text = substr(text, 3) }
            else text = substr(text, 2)
        } else if (in_string) {
            if (c == "\\" && !is_raw) text = substr(text, 3)
            else if (substr(text, 1, 1 + length(raw)) == "\"" raw) {
                in_string = 0
                out = out "\""
                text = substr(text, 2 + length(raw))
            } else text = substr(text, 2)
        } else if (two == "//") {
            break
        } else if (two == "/*") {
            in_comment = 1
            text = substr(text, 3)
        } else if (match(text, /^r#*"/)) {
            in_string = is_raw = 1
            raw = substr(text, 2, RLENGTH - 2)
            text = substr(text, RLENGTH + 1)
            out = out "\""
        } else if (c == "\"") {
            in_string = 1
            is_raw = 0
            raw = ""
            out = out c
            text = substr(text, 2)
        } else if (match(text, /^'(\\.[^']*|[^'\\])'/)) {
            text = substr(text, RLENGTH + 1)
            out = out "' '"
        } else {
            out = out c
            text = substr(text, 2)
        }
    }
    return out
}

# Writes out the trees of `use` declarations, innermost first, each name with the mark of
# its line: std::{fmt, net::TcpStream} becomes std::fmt, std::net::TcpStream.
function flatten(text,    before, tree, after, base, n, i, names, mark, flat) {
    while (match(text, /[A-Za-z0-9_]+(::[A-Za-z0-9_]+)*::{[^{}]*}/)) {
        before = substr(text, 1, RSTART - 1)
        tree = substr(text, RSTART, RLENGTH)
        after = substr(text, RSTART + RLENGTH)
        base = tree
        sub(/{.*/, "", base)
        sub(/^[^{]*{/, "", tree)
        sub(/}$/, "", tree)
        n = split(tree, names, ",")
        flat = ""
        for (i = 1; i <= n; i++) {
            mark = match(names[i], /^[ ]*(@[0-9]+ +)+/) ? substr(names[i], 1, RLENGTH) : " "
            sub(/^[ ]*(@[0-9]+ +)*/, "", names[i])
            if (names[i] != "") flat = flat (flat == "" ? "" : ",") mark base names[i]
        }
        text = before flat after
    }
    return text
}

# Every path that begins so at the crate root: the module it leads to.
function follow(prefix,    rest, name) {
    rest = all
    while (match(rest, "(^|[^A-Za-z0-9_:])" prefix)) {
        rest = substr(rest, RSTART + RLENGTH)
        match(rest, /^([A-Za-z0-9_]+|\*)?/)
        name = substr(rest, 1, RLENGTH)
        if (name == "*") complain(rest, "imports everything, which hides what is used")
        else if (name != module && (name in known) && !((module, name) in may))
            complain(rest, module " must not use " name)
    }
}

function scan(pattern, what,    rest, found) {
    rest = all
    while (match(rest, "(^|[^A-Za-z0-9_:])" pattern "($|[^a-z0-9_])")) {
        found = substr(rest, RSTART + 1, RLENGTH - 2)
        rest = substr(rest, RSTART + RLENGTH - 1)
        complain(rest, what found)
    }
}

# The line is that of the last mark before what is left of the text.
function complain(rest, what,    done, line) {
    done = rest == "" ? all : substr(all, 1, length(all) - length(rest))
    while (match(done, /@[0-9]+ /)) {
        line = substr(done, RSTART + 1, RLENGTH - 2)
        done = substr(done, RSTART + RLENGTH)
    }
    printf "src/%s%s: %s\n", file, line ? ":" line : "", what
}
