# D05, D06 for one director: its process is stopped, or its host suspended, while checks are
# under way. What failed meanwhile failed here: no server leaves for it, though the first
# failure counts. A server that died meanwhile leaves as soon as it was asked again.
source "${0%/*}/director"

SERVERS=20
hostile r1 7001-7020=late 7021-7040=late
hostile r2 7001=refuse
dying=$hostile_pid
changes_watch

config() {
    local port
    printf 'checktimeout=1\nnegotiatetimeout=1\ncheckinterval=1\nfailurecount=1\n'
    printf 'virtual=%s\n    service=http\n    request="ldirector.html"\n    receive="Test Page"\n' $VIP:1
    for ((port = 7001; port <= 7020; port++)); do echo "    real=$r1:$port masq"; done
    # Of the checks that are not on the loop of the plain ones.
    printf 'virtual=%s\n    service=simpletcp\n    request="GET / HTTP/1.0\\r\\n\\r\\n"\n    receive="Test Page"\n' $VIP:2
    for ((port = 7021; port <= 7040; port++)); do echo "    real=$r1:$port masq"; done
    printf 'virtual=%s\n    checktype=connect\n    real=%s masq\n' $VIP:3 "$r2:7001"
}
director_start < <(config)
all_in() { [ "$(in_ d1 ipvsadm -Ln | grep -c 'Masq *1 ')" = $((2 * SERVERS + 1)) ]; }
expect_within "all in" 10 all_in
left() { awk -v from="$began" -v server="$r1:" '$1 >= from && index($3, server) == 1 && $4 == "-"' "$CHANGES" | wc -l; }
for seconds in 0.9 3; do
    began=$(now)
    for _ in 1 2 3; do
        kill -STOP "$director"
        sleep $seconds
        kill -CONT "$director"
        sleep 1.7
    done
    expect "three times $seconds s: servers that left" 0 "$(left)"
done
kill -STOP "$director"
kill -USR1 "$dying"
sleep 3
began=$(now)
kill -CONT "$director"
expect_change "a server that died meanwhile" "$began" 2200 $VIP:3 "$r2:7001" -
expect "the others" 0 "$(left)"
said() { grep -q 'this process stood still' "$LOG"; }
expect_within "the log says why" 2 said
director_stop
