# Many servers: that hang beside one that dies, that fail in the same moment, that come
# back in the same second, that flap.
source "${0%/*}/director"

HANGING=200 MANY=500
hostile r1 7001=refuse 7100-7299=hang
hanging=$hostile_pid
hostile r2 7001=refuse 7002=pong
one=$hostile_pid
changes_watch 5

# A check has its moment in the interval, so the time that counts is that from the last
# good check to the removal: it does not depend on when the server dies.
died() {
    local last
    sleep 1.2
    began=$(now)
    kill -USR1 "$one"
    wait_until 6 eval '[ -n "$(changed_after "$began" $VIP:1 "$r2:7001" -)" ]' || return
    last=$(awk '$2 == 7001 { at = $1 } END { print at }' /run/lab/hostile.r2)
    changed_after "$last" $VIP:1 "$r2:7001" -
    began=$(now)
    kill -USR2 "$one"
    wait_until 6 eval '[ -n "$(changed_after "$began" $VIP:1 "$r2:7001" 1)" ]'
}
median_of_3() { for _ in 1 2 3; do died; done | sort -n | sed -n 2p; }
config() { # config HANGING
    local i
    printf 'checktimeout=1\nnegotiatetimeout=1\ncheckinterval=1\nfailurecount=2\n'
    printf 'virtual=%s\n    real=%s masq\n    checktype=connect\n' $VIP:1 "$r2:7001"
    [ "$1" -gt 0 ] || return
    printf 'virtual=%s\n    service=http\n' $VIP:2
    for ((i = 0; i < $1; i++)); do printf '    real=%s masq\n' "$r1:$((7100 + i))"; done
}
director_start < <(config 0)
expect_servers "one server" "$r2:7001 Masq 1" -t $VIP:1
alone=$(median_of_3)
director_stop

director_start < <(config $HANGING)
expect_servers "the same one" "$r2:7001 Masq 1" -t $VIP:1
kill -USR1 "$hanging"
out() { [ "$(servers -t $VIP:2)" = "" ]; }
expect_within "$HANGING hanging servers are out" 10 out
beside=$(median_of_3)
if [ -n "$alone" ] && [ -n "$beside" ] && [ $((beside - alone)) -le 100 ]; then
    ok "detection beside $HANGING hanging servers ($beside ms, alone $alone ms)"
else
    not_ok "detection beside $HANGING hanging servers" "$beside ms, alone $alone ms"
fi
kill "$hanging"
director_stop

# Flapping: a line for each transition, and no error.
director_start < <(printf 'checkinterval=1\nvirtual=%s\n    real=%s masq\n    real=%s masq\n    checktype=connect\n' $VIP:1 "$r2:7001" "$r2:7002")
expect_servers "one server again" "$r2:7001 Masq 1, $r2:7002 Masq 1" -t $VIP:1
flaps() { awk -v from="$began" -v weight="$1" -v server="$r2:7001" '$1 > from && $3 == server && $4 == weight' "$CHANGES" | wc -l; }
began=$(now)
for i in 1 2 3 4 5; do
    kill -USR1 "$one" && wait_until 3 eval '[ "$(flaps -)" = $i ]'
    kill -USR2 "$one" && wait_until 3 eval '[ "$(flaps 1)" = $i ]'
done
expect "flapping, told" "5 deleted, 7 added, 0 errors" \
    "$(told "Deleted real server") deleted, $(told "Added real server") added, $(grep -c ERROR "$LOG") errors"
director_stop

# Five hundred servers of one web server, in ten services.
ip -n r1 route add local 2001:db8:2::/64 dev lo
ip -n d1 route add 2001:db8:2::/64 via "${ADDRESS6[r1]}"
web r1
many() {
    local i
    printf 'checktimeout=1\nnegotiatetimeout=1\ncheckinterval=1\nfailurecount=2\n'
    for ((i = 0; i < MANY; i++)); do
        if [ $((i % 50)) = 0 ]; then
            printf 'virtual6=[%s]:%s\n    service=http\n    fallback6=[%s]:80 masq\n' $VIP6 $((1000 + i / 50)) "${ADDRESS6[r2]}"
        fi
        printf '    real6=[2001:db8:2::%x]:80 masq\n' $((i + 1))
    done
}
director_start < <(many)
active() { in_ d1 ipvsadm -Ln | grep -c '2001:db8:2::.*Masq *1 '; }
all_in() { [ "$(active)" = $MANY ]; }
expect_within "$MANY servers: all in" 15 all_in
sleep 1
# last FROM PATTERN: milliseconds until the last change that fits.
last() { awk -v from="$1" -v pattern="$2" '$1 >= from && $0 ~ pattern { at = $1; n++ } END { print at - from, n + 0 }' "$CHANGES"; }
expect_all() { # expect_all NAME LIMIT COUNT PATTERN: that many changes since $began, the last in time
    local took count
    read -r took count < <(last "$began" "$4")
    if [ "$count" = "$3" ] && [ "$took" -le "$2" ]; then
        ok "$1 ($took ms, at most $2)"
    else
        not_ok "$1" "$count of $3 in $took ms, at most $2"
    fi
}
_web_signal r1 KILL
began=$(now)
sleep 4
expect_all "$MANY fail at once: all out" 2300 $MANY '2001:db8:2::.* -$'
expect_all "$MANY fail at once: every fallback is in" 2300 10 '::22.:80 1$'
began=$(now)
web r1
sleep 4
expect_all "$MANY come back at once: all in" 2700 $MANY '2001:db8:2::.* 1$'
expect "the table is full again" $MANY "$(active)"
director_stop
