# Programs that a configuration names and that use up the host: contained, while 50 other checks
# go on in their rhythm. With control groups, then without. R32, R33.
source "${0%/*}/director"

script() {
    { echo '#!/bin/sh' && cat; } >"/run/lab/$1"
    chmod +x "/run/lab/$1"
}
# Each behaves well while /run/lab/behave is there, and leaves a mark that it has begun.
script bomb <<'SCRIPT'
[ -e /run/lab/behave ] || [ -e /run/lab/no-bomb ] && exit 0
exec 2>/dev/null
f() { f & f & wait; f; }
while :; do (f); done
SCRIPT
script hog <<'SCRIPT'
[ -e /run/lab/behave ] && [ ! -e /run/lab/greedy ] && exit 0
exec dd if=/dev/zero of=/dev/null bs=1G count=1
SCRIPT
script flood <<'SCRIPT'
[ -e /run/lab/behave ] && exit 0
exec head -c 1073741824 /dev/zero
SCRIPT
# Of a session of its own; the second one has also closed its output.
script hidden <<'SCRIPT'
[ -e /run/lab/behave ] && exit 0
setsid sleep 3006 &
setsid sleep 3007 </dev/null >/dev/null 2>&1 &
exit 1
SCRIPT
touch /run/lab/behave
web r1 80 $(seq 2100 2149)
changes_watch 100

OTHERS=50
configuration() {
    local i=0 program
    printf 'checktimeout=3\ncallback="/run/lab/hidden"\n'
    for program in bomb hog flood hidden; do
        printf 'virtual=%s\n    real=%s gate\n    checktype=external\n    checkcommand=/run/lab/%s\n    checkinterval=2\n' \
            "$VIP:$((++i))" "$r1:80" $program
    done
    for ((i = 100; i < 100 + OTHERS; i++)); do
        printf 'virtual=%s\n    real=%s gate\n    checktype=connect\n    checkinterval=1\n' "$VIP:$i" "$r1:$((2000 + i))"
    done
}


# interval SECONDS: mean time between two rounds of one of the others, in ms, by the director's
# own count and clock.
interval() {
    "$DIRECTORD" status --json >/run/lab/before
    sleep "$1"
    "$DIRECTORD" status --json >/run/lab/after
    /usr/bin/python3 -IS -c '
import json
def look(path):
    status = json.load(open(path))
    servers = [server for service in status["services"] for server in service["servers"]]
    rounds = [server["check"]["rounds"] for server in servers if server["check"]["what"].startswith("connect")]
    return status["uptime_seconds"], sum(rounds) / len(rounds)
(began, first), (ended, last) = look("/run/lab/before"), look("/run/lab/after")
print(round((ended - began) / (last - first) * 1000))'
}

group=/sys/fs/cgroup
most() { # FILE: the largest number of these files of all runs
    cat $group/directord-scripts.*/*/"$1" 2>/dev/null | sort -n | tail -1
}
most_processes() { # the largest of ten looks
    local i
    for ((i = 0; i < 10; i++)); do
        most pids.current
        sleep 0.1
    done | sort -n | tail -1
}
forks_refused() { # how often a run wanted more processes
    cat $group/directord-scripts.*/*/pids.events | awk '/^max/ { sum += $2 } END { print sum }'
}
running() { pgrep -cf "^sleep 300$1"; }
none_of() { [ "$(running "$1")" = 0 ]; }
no_bomb() { ! pgrep -x bomb >/dev/null; }
at_most() { # NAME LIMIT SEEN
    if [ "$3" -le "$2" ]; then ok "$1 ($3, at most $2)"; else not_ok "$1" "$3, more than $2"; fi
}

misbehave() { # LIMIT of the others' interval
    local began
    SOON=20 expect_servers "bomb: in" "$r1:1 Route 1" -t $VIP:1
    SOON=20 expect_servers "hog: in" "$r1:2 Route 1" -t $VIP:2
    SOON=20 expect_servers "flood: in" "$r1:3 Route 1" -t $VIP:3
    SOON=20 expect_servers "hidden: in" "$r1:4 Route 1" -t $VIP:4
    calm=$(interval 5)
    began=$(now)
    rm /run/lab/behave
    upset=$(interval 12)
    echo "interval of the others: $calm ms before, $upset ms now"
    at_most "the others keep their interval, ms" $((calm * 105 / 100)) "$upset"
    expect_change "hog: out" "$began" 15000 $VIP:2 "$r1:2" -
    expect_change "flood: out" "$began" 15000 $VIP:3 "$r1:3" -
    expect_change "hidden: out" "$began" 15000 $VIP:4 "$r1:4" -
}
recover() {
    touch /run/lab/behave
    SOON=20 expect_servers "hog: in again" "$r1:2 Route 1" -t $VIP:2
    expect_within "nobody of the fork bomb is left" 6 no_bomb
}

mount -t cgroup2 none $group || exit
director_start < <(configuration)
expect "control groups are used" 0 "$(told "not by control groups")"
misbehave
at_most "processes of a run" 64 "$(most_processes)"
_refused() { [ "$(forks_refused)" -gt 0 ]; }
expect_within "the fork bomb has met its limit" 5 _refused
at_most "bytes of memory of a run" $((64 * 1024 * 1024)) "$(most memory.peak)"
expect "the limits stand" "64 67108864" "$(most pids.max) $(most memory.max)"
at_most "bytes of output that are kept" 4096 "$(reason tcp:$VIP:3 "$r1:3" | wc -c)"
at_most "kB of memory of the director" 150000 "$(awk '/^VmHWM/ { print $2 }' /proc/$director/status)"
recover
touch /run/lab/greedy
_told_of_memory() { [ "$(reason tcp:$VIP:2 "$r1:2")" = "used more than 64 MiB of memory, killed" ]; }
expect_within "the reason of the hog alone" 15 _told_of_memory
rm /run/lab/greedy
expect_within "nobody with a session of its own is left" 3 none_of '[67]'
sed -i '1i # changed' /run/lab/director.cf
rm /run/lab/behave
_called() { [ "$(told 'has changed on disk')" -ge 1 ]; }
expect_within "the callback is run" 5 _called
touch /run/lab/behave
expect_within "and leaves nobody" 5 none_of '[67]'
kill -KILL "$director"
wait "$director" 2>/dev/null
rm /run/directord/control.sock
director_start < <(configuration)
expect "groups of a director that was killed are gone" 1 "$(find $group -maxdepth 1 -name 'directord-scripts.*' | wc -l)"
director_stop
expect "no group is left" 0 "$(find $group -maxdepth 1 -name 'directord-scripts.*' | wc -l)"
umount $group || exit

# Without groups nothing but the deadline stops a fork bomb of root's.
touch /run/lab/no-bomb
director_start < <(configuration)
expect "without cgroup v2 the log says so, once" 1 "$(told "not by control groups")"
SOON=20 expect_servers "hog: in" "$r1:2 Route 1" -t $VIP:2
SOON=20 expect_servers "hidden: in" "$r1:4 Route 1" -t $VIP:4
began=$(now)
rm /run/lab/behave
expect_change "hog: out, by its own limit" "$began" 15000 $VIP:2 "$r1:2" -
expect_change "hidden: out, without groups" "$began" 15000 $VIP:4 "$r1:4" -
recover
expect_within "who keeps the output open is gone" 3 none_of 6
echo "who has closed it stays: $(running 7)"
director_stop
