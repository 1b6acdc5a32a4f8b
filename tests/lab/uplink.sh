# Our own uplink dies, and every check fails: nothing is removed while uplink= is silent. R26.
source "${0%/*}/director"

web r1
web r2
changes_watch 20
director_start < <(
    printf 'checktimeout=1\ncheckinterval=1\nuplink=%s\n' "${ADDRESS[router]}"
    for port in 80 81; do
        printf 'virtual=%s:%s\n    real=%s:80 gate\n    real=%s:80 gate\n    checktype=connect\n' "$VIP" $port "$r1" "$r2"
    done
)
SOON=8 expect_servers "in" "$r1:80 Route 1, $r2:80 Route 1" -t $VIP:80
dead() {
    "$DIRECTORD" status --json | /usr/bin/python3 -IS -c '
import json, sys
print("dead" if json.load(sys.stdin)["uplink"]["dead_for_seconds"] is not None else "alive")'
}
is() { [ "$(dead)" = "$1" ]; }

# One server dies, the uplink lives: as without the guard.
began=$(now)
web_stop r2
expect_change "a server that fails is out" "$began" 2600 $VIP:80 "$r2:80" -
expect "the uplink is alive" alive "$(dead)"
web r2
SOON=8 expect_servers "and in again" "$r1:80 Route 1, $r2:80 Route 1" -t $VIP:80

# The wire is cut: silence. Then the interface is down: every check fails at once.
for how in silence refusal; do
    began=$(now)
    if [ $how = silence ]; then ip link set d1-e nomaster; else in_ d1 ip link set eth0 down; fi
    expect_within "$how: the uplink is found dead" 4 is dead
    sleep 5
    expect_still "$how: nothing happens to the first" "$began" $VIP:80 "$r1:80"
    expect_still "$how: nothing happens to the second" "$began" $VIP:81 "$r2:81"
    expect "$how: the status says it" 1 "$("$DIRECTORD" status | grep -c 'UPLINK DEAD')"
    # A server that dies meanwhile is found out afterwards.
    web_stop r2
    if [ $how = silence ]; then
        ip link set d1-e master br0
    else
        in_ d1 ip link set eth0 up
        in_ d1 ip route replace default via "${ADDRESS[router]}"
    fi
    back=$(now)
    expect_within "$how: the uplink is back" 6 is alive
    expect_change "$how: who died meanwhile is out" "$back" 8000 $VIP:80 "$r2:80" -
    expect_still "$how: who lives was in all the time" "$began" $VIP:80 "$r1:80"
    web r2
    SOON=8 expect_servers "$how: all in" "$r1:80 Route 1, $r2:80 Route 1" -t $VIP:80
done
expect "one line for each time" 2 "$(told 'the uplink is dead; checks that fail do not count')"
director_stop
