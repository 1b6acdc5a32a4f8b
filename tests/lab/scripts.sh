# External checks that misbehave, and many of them at once.
source "${0%/*}/director"

script() {
    { echo '#!/bin/sh' && cat; } >"/run/lab/$1"
    chmod +x "/run/lab/$1"
}
# Deaf to TERM, with children in its group and out of it, which keep its output open.
script stubborn <<'SCRIPT'
[ -e /run/lab/behave ] && exit 0
trap '' TERM
sleep 3001 &
setsid sleep 3002 &
(trap '' TERM; sleep 3003) &
while :; do sleep 3004; done
SCRIPT
script flood <<'SCRIPT'
[ -e /run/lab/behave ] && exit 0
exec yes 'a long line of output'
SCRIPT
script brief <<'SCRIPT'
exec sleep 1
SCRIPT
touch /run/lab/behave
web r1
changes_watch

service() { # service PORT PROGRAM INTERVAL
    printf 'virtual=%s\n    real=%s gate\n    checktype=external\n    checkcommand=/run/lab/%s\n    checkinterval=%s\n' \
        "$VIP:$1" "$r1:80" "$2" "$3"
}
director_start < <(
    printf 'checktimeout=2\n'
    service 1 stubborn 1
    service 2 flood 2
)
SOON=8 expect_servers "in" "$r1:1 Route 1" -t $VIP:1
SOON=8 expect_servers "in, too" "$r1:2 Route 1" -t $VIP:2
began=$(now)
rm /run/lab/behave
expect_change "deaf and with children: out" "$began" 3600 $VIP:1 "$r1:1" -
expect_change "endless output: out" "$began" 4600 $VIP:2 "$r1:2" -
expect "the reason" "still running after 2 s, killed" "$(reason tcp:$VIP:1 "$r1:1")"
expect "the reason keeps one line" "still running after 2 s, killed: a long line of output" "$(reason tcp:$VIP:2 "$r1:2")"
touch /run/lab/behave
SOON=8 expect_servers "in again" "$r1:1 Route 1" -t $VIP:1
expect "its group is gone" "0 left" "$(pgrep -cf '^sleep 300[134]') left"
echo "with a group of their own: $(pgrep -cf '^sleep 3002')"
director_stop

# All in the same second, each for a second; the program runs 128 at a time. To start one costs
# this kernel up to a quarter of a second of its only processor.
COUNT=200
director_start < <(
    printf 'checktimeout=40\n'
    for ((i = 1; i <= COUNT; i++)); do service $i brief 90; done
    printf 'virtual=%s\n    real=%s gate\n    checktype=connect\n    checkinterval=1\n' "$VIP:1000" "$r1:80"
)
rounds() { "$DIRECTORD" status --json | grep -c '"last_result": "up: exit status 0"'; }
all_ran() { [ "$(rounds)" = $COUNT ]; }
expect_within "$COUNT programs at once: each has run" 80 all_ran
expect "none was given up" 0 "$(told "still running")"
director_stop
