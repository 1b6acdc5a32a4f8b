# The host fails the director: D12, D13, D14, D16, LOG-02, LOG-09. A full or read-only log,
# a log that nobody reads, no descriptors, a clock that jumps: nothing changes, and afterwards
# everything is as before.
# shellcheck source=tests/lab/one-director
source "${0%/*}/one-director"

for real in r1 r2; do web $real; done
vip_add d1
service=$VIP:80 r1=${ADDRESS[r1]}:80 r2=${ADDRESS[r2]}:80
configuration() { # configuration [LINE…]
    printf '%s\n' checkinterval=1 checktimeout=2 negotiatetimeout=2 "$@"
    cat <<CONFIG
virtual=$service
	real=$r1 gate
	real=$r2 gate
	service=http
	request="ldirector.html"
	receive="Test Page"
	scheduler=rr
CONFIG
}
up() { weight_is $service $r1 1 && weight_is $service $r2 1; }
r2_out() { weight_is $service $r2 ""; }
# works NAME: a server that dies goes, and comes back.
works() {
    web_stop r2
    expect_within "$1: a dead server leaves" 10 r2_out
    web r2
    expect_within "$1: it comes back" 10 up
}

# A log file: rotated by rename, then without room, then read-only, then without a directory.
mkdir /run/lab/small
mount -t tmpfs -o size=64k tmpfs /run/lab/small
configuration 'logfile="/run/lab/small/log"' >$config
spawn d1 "$DIRECTORD" run -c $config 2>>$log
director=$!
expect_within "both servers enter" 30 up
mv /run/lab/small/log /run/lab/small/log.1
ctl reload
web_stop r2
expect_within "a log that was renamed: the next line makes a new one" 10 grep -q "Deleted real server: $r2" /run/lab/small/log
web r2
wait_until 10 up
grep -qE '^\[[A-Z][a-z]{2} [A-Z][a-z]{2} +[0-9]+ [0-9:]{8} 20[0-9]{2}\|ldirectord.cf\|'$director'\] (Deleted|Added) real server: ' /run/lab/small/log &&
    ok "lines are as ldirectord wrote them" || not_ok "lines" "$(cat /run/lab/small/log)"
dd if=/dev/zero of=/run/lab/small/ballast bs=1k 2>/dev/null
works "a full log"
rm /run/lab/small/ballast
mount -o remount,ro /run/lab/small
works "a read-only log"
mount -o remount,rw /run/lab/small
rm /run/lab/small/log*
works "writable again"
grep -q "Added real server: $r2" /run/lab/small/log && ok "and it is written again" || not_ok "written again" "$(ls /run/lab/small)"
umount -l /run/lab/small
rmdir /run/lab/small
works "no directory for the log"
kill -TERM $director
ended 0

# A pipe that is full and that nobody reads.
configuration >$config
mkfifo /run/lab/pipe
exec 5<>/run/lab/pipe
dd if=/dev/zero bs=4k count=64 oflag=nonblock of=/run/lab/pipe 2>/dev/null
spawn d1 "$DIRECTORD" run -c $config --log-stderr 2>&5
director=$!
expect_within "a log that nobody reads: both servers enter" 30 up
works "a log that nobody reads"
for ((n = 0; n < 20; n++)); do kill -HUP $director; sleep 0.02; done
expect_within "status answers" 5 answers_status
from=$(now)
kill -TERM $director
ended 0
[ $(($(now) - from)) -le 3000 ] && ok "the end does not wait for it ($(($(now) - from)) ms)" ||
    not_ok "the end" "$(($(now) - from)) ms"
exec 5>&-

# 64 descriptors for 200 checks, then hardly any.
{
    configuration
    for n in 1 2; do
        printf 'virtual=%s\n\tservice=http\n\tscheduler=rr\n' "$VIP:8$n"
        for ((k = 1; k <= 100; k++)); do echo "	real=${ADDRESS[r$n]}:80 masq 1 \"/?$k\", \"r$n\""; done
    done
} >$config
spawn d1 prlimit --nofile=64:64 "$DIRECTORD" run -c $config --log-stderr 2>>$log
director=$!
expect_within "64 descriptors, 200 checks: all enter" 30 eval 'up && weight_is $VIP:81 $r1 1 && weight_is $VIP:82 $r2 1'
expect_within "each check has a result" 20 eval '! ctl status | grep -q " unknown "'
watch_kernel
prlimit --pid $director --nofile=12:12
sleep 1
web_stop r2
sleep 2.5
web r2
untouched "no descriptors: no verdict, not even of a dead server"
prlimit --pid $director --nofile=64:64
works "descriptors again"
kill -TERM $director
ended 0

# The wall clock: only where it is the lab's own.
if grep -q 'User Mode' /proc/cpuinfo; then
    configuration >$config
    director
    wait_until 20 up
    operations_mark
    began=$(cut -d. -f1 /proc/uptime)
    for jump in '+1 hour' '-2 hours' '+1 hour' '+10 years' '-20 years' '+10 years'; do
        date -s "@$(date -d "now $jump" +%s)" >>$log
        sleep 0.5
    done
    untouched "the wall clock ±1 hour and ±10 years"
    expect "servers up all the time" "up up" "$(state tcp:$service $r1) $(state tcp:$service $r2)"
    since=$(ctl status --json | awk -F'[:,]' '/"since_seconds"/ { print int($2); exit }')
    [ "$since" -ge $(($(cut -d. -f1 /proc/uptime) - began)) ] && [ "$since" -lt 600 ] &&
        ok "and status counts real seconds ($since)" || not_ok "seconds in status" "$since"
    works "after it"
fi
