# Signals: STP-01…07, CLI-32, D30, D09, KRN-19. Whatever is sent whenever: it ends in time
# and leaves what it should; killed while it writes the table, the next one completes it.
# shellcheck source=tests/lab/one-director
source "${0%/*}/one-director"

for real in r1 r2; do web $real; done
vip_add d1
r1=${ADDRESS[r1]}:80 r2=${ADDRESS[r2]}:80
configuration() { # configuration [LINE…]
    printf '%s\n' checkinterval=1 checktimeout=5 negotiatetimeout=30 "$@"
    cat <<CONFIG
virtual=$VIP:80
	real=$r1 gate
	real=$r2 gate
	checktype=connect
	scheduler=rr
virtual=$VIP:81
	real=$r1 gate
	checktype=connect
	checkport=80
	scheduler=rr
	cleanstop=no
CONFIG
}
up() { weight_is $VIP:80 $r1 1 && weight_is $VIP:80 $r2 1 && weight_is $VIP:81 ${ADDRESS[r1]}:81 1; }
kept="-A -t $VIP:81 -s rr
-a -t $VIP:81 -r ${ADDRESS[r1]}:81 -g -w 1"
stopped() { # stopped NAME: exit status 0, within a second, the table as cleanstop says
    local from took status
    from=$(now)
    wait "$director"
    status=$?
    took=$(($(now) - from))
    if [ $status = 0 ] && [ $took -le 1000 ] && [ "$(table)" = "$kept" ]; then
        ok "$1 ($took ms)"
    else
        not_ok "$1" "exit status $status after $took ms, table $(table)"
    fi
}

configuration >$config
for signal in TERM INT QUIT; do
    director
    wait_until 20 up || not_ok "up" "$(table)"
    kill -$signal $director
    stopped "$signal ends it, services with cleanstop=no stay"
done
director
wait_until 20 up
log_mark
kill -TERM $director
kill -TERM $director
kill -INT $director
stopped "a second signal changes nothing"
expect "and one end is told" 1 "$(told "Daemon terminated on signal: (TERM|INT)$")"

# Checks that hang do not delay the end: 50 servers that accept and say nothing.
web_pause r2
{
    configuration
    echo "virtual=$VIP:82"
    for ((port = 1; port <= 50; port++)); do echo "	real=$r2 gate 1 \"/$port\", \"x\""; done
    printf '	%s\n' service=http scheduler=rr
} >$config
director
expect_within "checks that hang" 10 eval '[ "$(in_ d1 ss -Hnt state established "dst ${ADDRESS[r2]}" | wc -l)" -ge 40 ]'
kill -TERM $director
stopped "TERM while they hang"
web_resume r2

# Random signals at random moments: during the start, reloads, the end.
configuration >$config
RANDOM=30
slow=0 wrong=0 worst=0
for ((n = 1; n <= 100; n++)); do
    director
    for ((k = RANDOM % 4; k > 0; k--)); do
        sleep 0.0$((RANDOM % 10))
        case $((RANDOM % 4)) in
        0) [ $((RANDOM % 4)) = 0 ] && configuration "# $n" >$config ;;
        *) kill -HUP $director 2>>$log ;;
        esac
    done
    # A signal in the first moments, before there is a handler, ends any program at once.
    from=$(now)
    signals=(TERM INT QUIT HUP)
    for ((k = 1 + RANDOM % 3; k > 0; k--)); do kill -"${signals[RANDOM % 3]}" $director 2>>$log; done
    kill -HUP $director 2>>$log
    wait "$director" 2>>$log
    status=$?
    took=$(($(now) - from))
    [ $took -le $worst ] || worst=$took
    [ $took -le 5000 ] || slow=$((slow + 1))
    case $status in 0 | 129 | 130 | 131 | 143) ;; *) wrong=$((wrong + 1)) && echo "status $status" ;; esac
    if [ $status = 0 ]; then [ -z "$(table | grep -- "$VIP:80 ")" ] || { wrong=$((wrong + 1)) && table; }; fi
done
expect "100 random signal sequences: slow or wrong ends (the longest took $worst ms)" "0 0" "$slow $wrong"
expect "processes left over" 0 "$(ip netns pids d1 | wc -l)"

# Killed while it fills the table.
in_ d1 ipvsadm -C
awk -v vip=$VIP 'BEGIN {
    for (i = 0; i < 800; i++) {
        print "virtual=" vip ":" 3000 + i "\n\tscheduler=rr\n\tchecktype=on"
        print "\treal=198.51.100.1:80 masq " i + 1 "\n\treal=198.51.100.2:80 masq " i + 1
    }
}' >$config
complete() { [ "$(table | wc -l)" = 2400 ]; }
director
expect_within "1,600 servers in the table" 30 complete
whole=$(table | LC_ALL=C sort)
killed
watch_kernel
RANDOM=9
early=0 within=0 late=0 wrong=0 delay=150
for ((n = 1; n <= 50; n++)); do
    in_ d1 ipvsadm -C
    in_ d1 ipvsadm -R <<KEPT
-A -t $VIP:3100 -s rr
-a -t $VIP:3100 -r 198.51.100.1:80 -m -w 101
KEPT
    director
    # The moment is sought: later after too early, earlier after too late.
    sleep "0.$(printf %03d $((delay + RANDOM % 3)))"
    killed
    case $(table | wc -l) in
    2) early=$((early + 1)) delay=$((delay + RANDOM % 7)) ;;
    2400) late=$((late + 1)) delay=$((delay > 7 ? delay - RANDOM % 7 : delay)) ;;
    *) within=$((within + 1)) ;;
    esac
    if [ $((n % 5)) = 0 ]; then
        director
        wait_until 20 complete && [ "$(table | LC_ALL=C sort)" = "$whole" ] || wrong=$((wrong + 1))
        killed
    fi
done
expect "killed 50 times ($early before, $within while, $late after it wrote): the next one completes it, failures" 0 $wrong
[ $within -ge 1 ] && ok "it was hit while it wrote ($within times)" || not_ok "it was hit while it wrote" "$within times"
expect "the service that was there is kept: it was deleted or changed" 0 \
    "$("$here/operations.pl" $capture | grep -cE "^(delete|set)-.*:3100")"
