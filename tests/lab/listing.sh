# What the other commands say of a real table: S064, LOG-16, KRN-17. `list --classic` is what
# ipvsadm prints, byte for byte; plan, status and check have the exit codes that scripts go by; the
# control socket is for the group, and a second director is turned away.
# shellcheck source=tests/lab/one-director
source "${0%/*}/one-director"

for real in r1 r2; do web $real; done
vip_add d1
r1=${ADDRESS[r1]}:80 r2=${ADDRESS[r2]}:80

# 150 services of all kinds with 0 to 9 servers each, and some traffic.
awk -v seed=7 'BEGIN {
    srand(seed)
    split("rr wrr lc wlc sh dh sed nq", schedulers)
    for (i = 1; i <= 150; i++) {
        six = rand() < 0.3
        kind = int(rand() * 3)
        port = int(rand() * 60000) + 1
        if (kind == 2) service = "-f " i (six ? " -6" : "")
        else service = (kind ? "-u " : "-t ") (six ? "[2001:db8:1::" i "]" : "192.0.2." i % 250 + 1) ":" port
        flags = " -s " schedulers[int(rand() * 8) + 1]
        if (rand() < 0.3) flags = flags " -p " int(rand() * 5000) + 1
        else if (kind == 1 && rand() < 0.5) flags = flags " -o"
        print "-A " service flags
        for (k = int(rand() * 10); k > 0; k--) {
            method = substr("gim", int(rand() * 3) + 1, 1)
            server = six ? "[2001:db8:2::" k "]" : "198.51.100." k
            print "-a " service " -r " server ":" int(rand() * 65000) + 1 " -" method " -w " int(rand() * 200) \
                (rand() < 0.3 ? " -x " int(rand() * 900) + 100 " -y " int(rand() * 90) : "")
        }
    }
    print "-A -t '$VIP':80 -s rr -p 300"
    print "-a -t '$VIP':80 -r '$r1' -g"
    print "-a -t '$VIP':80 -r '$r2' -g"
}' >/run/lab/rules
in_ d1 ipvsadm -R </run/lab/rules
expect "traffic" "20 r" "$(ask client http://$VIP/ 20 | sed 's/[12]$//')"
sleep 3

# same MODE OPTION…: a moment in which both say the same, since counters go on.
same() {
    for _ in 1 2 3 4 5; do
        in_ d1 ipvsadm -Ln "$@" >/run/lab/theirs
        ctl list --classic "$@" >/run/lab/ours
        cmp -s /run/lab/theirs /run/lab/ours && ok "list --classic $* ($(wc -l </run/lab/ours) lines)" && return
        sleep 0.5
    done
    not_ok "list --classic $*" "$(diff /run/lab/theirs /run/lab/ours | head -n 6)"
}
same
same --stats
same --stats --exact
same --rate
same --thresholds
same --persistent-conn
seen=$(in_ d1 ipvsadm -Ln --tun-info 2>/dev/null) && [ -n "$seen" ] && same --tun-info
ctl list --json | perl -MJSON::PP -0ne 'decode_json($_); print "ok list --json is JSON\n"' ||
    not_ok "list --json" "not JSON"
in_ d1 ipvsadm -C

cat >$config <<CONFIG
checkinterval=1
checktimeout=2
negotiatetimeout=2
quiescent=yes
virtual=$VIP:80
	real=$r1 gate
	real=$r2 gate 5
	service=http
	request="ldirector.html"
	receive="Test Page"
	scheduler=wrr
CONFIG
exits() { # exits NAME STATUS COMMAND…; what it prints is in /run/lab/said
    local name=$1 status=$2
    shift 2
    ctl "$@" >/run/lab/said 2>&1
    expect "$name: exit status" "$status" $?
}
says() { if grep -qE -- "$2" /run/lab/said; then ok "$1"; else not_ok "$1" "$(cat /run/lab/said)"; fi; }
watch_kernel
exits "nobody runs: status" 4 status
says "and says so" "no director answers on /run/directord/control.sock"
exits "nobody runs: reload" 4 reload
exits "plan of what is missing" 2 plan $config
says "three changes" "3 changes"
exits "check of good servers" 0 check $config
says "each is up, with its dialogue" "> GET /ldirector.html"
exits "check of one server" 0 check $config "$r2"
expect "and of no other" 1 "$(grep -c 'UP http' /run/lab/said)"
exits "check of an unknown server" 1 check $config 192.0.2.99
web_page r2 "Under repair"
exits "check with a bad one" 1 check $config
says "which is named with the reason" "$r2: DOWN http .*"
exits "check --json" 1 check $config --json
perl -MJSON::PP -0ne 'print join(",", map { $_->{state} } @{decode_json($_)})' /run/lab/said >/run/lab/states
expect "its states" "up,down" "$(cat /run/lab/states)"
untouched "none of them changes the kernel"
web_page r2 "Test Page"
director
expect_within "both servers enter" 20 weight_is $VIP:80 $r2 5
exits "plan of what is there" 0 plan $config
says "no change" "0 changes"
wait_until 5 state_is tcp:$VIP:80 $r1 up
exits "status" 0 status
exits "status --check, all is well" 0 status --check
says "one line" "^OK: "
in_ d1 ipvsadm -e -t $VIP:80 -r $r1 -g -w 3
expect_within "a weight by hand: a warning" 5 eval '[ "$(ctl status --check)" = "WARNING: the weight of $r1 was set by hand" ]'
exits "status --check, a weight by hand" 1 status --check
exits "plan with a weight by hand" 2 plan $config
says "is to change it" "~ $r1 .*weight 3.*weight 1"
in_ d1 ipvsadm -e -t $VIP:80 -r $r1 -g -w 1
web_stop r2
wait_until 10 weight_is $VIP:80 $r2 0
exits "status --check, one server out" 1 status --check
says "which one" "^WARNING: $r2 of tcp:$VIP:80 is down"
exits "plan with a server out: what the director did" 0 plan $config
web_stop r1
wait_until 10 weight_is $VIP:80 $r1 0
exits "status --check, none left" 2 status --check
says "which service" "^CRITICAL: tcp:$VIP:80 has no real server in service"
exits "status --json" 0 status --json
perl -MJSON::PP -0ne 'my $s = decode_json($_)->{services}[0]; print "$s->{in_service} of $s->{configured}, $s->{servers}[0]{state}: $s->{servers}[0]{reason}"' /run/lab/said >/run/lab/states
grep -q "^0 of 2, down: .*refused" /run/lab/states && ok "status --json: $(cat /run/lab/states)" || not_ok "status --json" "$(cat /run/lab/states)"

expect "the control socket's mode" 660 "$(stat -c %a /run/directord/control.sock)"
setpriv --reuid 65534 --regid 65534 --clear-groups curl -s --unix-socket /run/directord/control.sock http://director/v1/status >/dev/null
expect "strangers are turned away: curl says" 7 $?
setpriv --reuid 65534 --regid 0 --clear-groups curl -s --unix-socket /run/directord/control.sock http://director/v1/status | grep -q '"services"' &&
    ok "the group is let in" || not_ok "the group" "no answer"
operations_mark
exits "a second director" 1 run -c $config --log-stderr
says "is told why" "another director already answers on /run/directord/control.sock"
untouched "and touches nothing"
exits "the first one still answers" 0 status
kill -TERM $director
ended 0
[ ! -e /run/directord/control.sock ] && ok "the socket goes with it" || not_ok "socket" "left behind"
