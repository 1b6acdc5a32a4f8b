# Other hands change the table of a director with 100 services: K04, K05, S056, KRN-14,
# KRN-16, KRN-06. What they did is put right within 2 s, told once, and a dead server stays
# out; a weight set by hand is kept until the next transition; what belongs to nobody's
# configuration is never touched.
# shellcheck source=tests/lab/one-director
source "${0%/*}/one-director"

for real in r1 r2; do web $real; done
vip_add d1
configuration() { # configuration [GLOBAL LINE…]
    printf '%s\n' checkinterval=1 checktimeout=2 "$@"
    for ((i = 0; i < 100; i++)); do
        cat <<SERVICE
virtual=$VIP:$((1000 + i))
	real=${ADDRESS[r1]}:80 masq 5
	real=${ADDRESS[r2]}:80 masq 5
	real=${ADDRESS[r3]}:80 masq 5
	checktype=connect
	scheduler=wrr
SERVICE
    done
}
configuration >$config
in_ d1 ipvsadm -R <<FOREIGN
-A -t 192.0.2.101:80 -s rr
-a -t 192.0.2.101:80 -r ${ADDRESS[r1]}:80 -m -w 3
-A -u $VIP:53 -s sh
-A -f 9 -s rr
-a -f 9 -r ${ADDRESS[r3]}:0 -g
FOREIGN
service=$VIP:1050 key=tcp:$VIP:1050 r1=${ADDRESS[r1]}:80 r2=${ADDRESS[r2]}:80 dead=${ADDRESS[r3]}:80
foreign() { table | grep -E -- "(-t 192.0.2.101:80|-u|-f 9)"; }
ours() { table | grep -E -- "-t $VIP:1[01]"; }
as_before() { [ "$(ours)" = "$full" ]; }
is_full() { [ "$(ours | wc -l)" = 300 ]; }

strangers=$(foreign)
watch_kernel
director
expect_within "100 services, the dead server in none" 30 is_full
full=$(ours)

# put_right WHAT LOG COMMAND…: what it breaks is as before within 2 s, and told once.
put_right() {
    local what=$1 line=$2
    shift 2
    log_mark
    in_ d1 ipvsadm "$@" || not_ok "$what" "ipvsadm $* failed"
    expect_within "$what" 2 as_before
    expect "$what: told once" 1 "$(told "$line")"
}
put_right "a server removed" "Putting .*$service .*$r1 was removed" -d -t $service -r "$r1"
put_right "a stranger added" "Putting .*$service .*192.0.2.99:80 was added" -a -t $service -r 192.0.2.99:80 -m
put_right "a service removed" "Putting .*$service .*removed by" -D -t $service
put_right "a scheduler changed" "Putting .*$service .*attributes" -E -t $service -s rr
put_right "persistence set" "Putting .*$service .*attributes" -E -t $service -s wrr -p 300
log_mark
in_ d1 ipvsadm -C
in_ d1 ipvsadm -R <<<"$strangers"
expect_within "everything removed" 2 as_before
expect "everything removed: told once" 1 "$(told "Putting 100 virtual servers back")"
expect "everything removed: told of nothing else" 2 "$(tail -n "+$((log_mark + 1))" $log | wc -l)"

# A weight set by hand.
operations_mark
log_mark
in_ d1 ipvsadm -e -t $service -r "$r1" -m -w 0
wait_until 5 eval 'ctl status | grep -q "by hand"'
sleep 2
expect "a weight set by hand is kept" 0 "$(weight d1 $service "$r1")"
expect "only by the hand it was set" "set-server $key $r1" "$(operations)"
expect "told once" 1 "$(told "Weight set by hand.*$r1 \($service\)")"
ctl status | grep -qF "weight 0 (by hand, 5 otherwise)" && ok "status shows it" ||
    not_ok "status shows it" "$(ctl status | grep -A3 -F $key)"
web_stop r1
expect_within "it lasts until the server fails" 10 weight_is $service "$r1" ""
web r1
expect_within "and is as configured afterwards" 10 weight_is $service "$r1" 5
as_before || wait_until 3 as_before

# The same with enforceweights.
configuration enforceweights=yes >$config
operations_mark
ctl reload
in_ d1 ipvsadm -e -t $service -r "$r1" -m -w 0
expect_within "enforceweights: put right" 5 as_before

# The idle director.
sleep 1
operations_mark
from=$(cpu $director) began=$(now)
sleep 8
used=$((($(cpu $director) - from) * 10)) took=$(($(now) - began))
[ $((used * 50)) -le $took ] && ok "idle with 100 services (${used} ms of $took ms)" ||
    not_ok "idle with 100 services" "$used ms of processor time in $took ms"
untouched "idle: the kernel"

kill -TERM $director
ended 0
expect "services of ours that are left" 0 "$(ours | wc -l)"
[ "$(foreign)" = "$strangers" ] && ok "the others' services are as they were" ||
    not_ok "the others' services" "$(foreign)"
asked_for() { "$here/operations.pl" $capture | grep -cE "$1"; }
expect "and nobody but this scenario asked for them" 5 "$(asked_for '(192.0.2.101:80|udp:|fwm:)')"
expect "the dead server was never entered" 0 "$(asked_for " $dead$")"
