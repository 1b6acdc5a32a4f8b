# The kernel says no, or something else than expected: K01, K02, K06, D22, KRN-15, S029.
# shellcheck source=tests/lab/one-director
source "${0%/*}/one-director"

web r1
vip_add d1
r1=${ADDRESS[r1]}:80
printf '%s\n' "virtual=$VIP:80" "	real=$r1 gate" "	checktype=on" "	scheduler=rr" >$config

# refused NAME WANTED COMMAND…: ends with 1 within a second, says WANTED.
refused() {
    local name=$1 wanted=$2 from status
    shift 2
    from=$(now)
    in_ d1 "$@" >/run/lab/said 2>&1
    status=$?
    took=$(($(now) - from))
    if [ $status = 1 ] && [ $took -le 1500 ] && grep -qE "$wanted" /run/lab/said; then
        ok "$name ($took ms: $(tail -n 1 /run/lab/said))"
    else
        not_ok "$name" "status $status, $took ms, $(cat /run/lab/said)"
    fi
}
without=(capsh --drop=cap_net_admin --)
refused "run without the privilege" "CAP_NET_ADMIN" "${without[@]}" -c "exec $DIRECTORD run -c $config"
refused "list without the privilege" "CAP_NET_ADMIN" "${without[@]}" -c "exec $DIRECTORD list"
[ ! -e /run/directord/control.sock ] && ok "no socket is left behind" || not_ok "socket" "it is there"

# Only the lab's own kernel may be left without its modules.
loader=$(cat /proc/sys/kernel/modprobe)
own_kernel() { grep -q 'User Mode' /proc/cpuinfo; }
if own_kernel; then
    echo /bin/false >/proc/sys/kernel/modprobe
    for _ in 1 2 3; do lsmod | awk '/^ip_vs/ { print $1 }' | xargs -r rmmod 2>/dev/null; done
    if [ ! -e /proc/net/ip_vs ]; then
        refused "run without the module" "modprobe ip_vs" "$DIRECTORD" run -c $config
        refused "list without the module" "modprobe ip_vs" "$DIRECTORD" list
        refused "plan without the module" "modprobe ip_vs" "$DIRECTORD" plan $config
    else
        not_ok "without the module" "it is still there: $(lsmod | grep ip_vs)"
    fi
    echo "$loader" >/proc/sys/kernel/modprobe
fi

# A scheduler that the kernel lacks, and a server that no kernel takes: only these services
# suffer. Where the lab's kernel is its own, a scheduler comes back.
scheduler=nosuch
if own_kernel; then
    scheduler=dh
    in_ d1 ipvsadm -A -t 192.0.2.200:1 -s rr
    in_ d1 ipvsadm -D -t 192.0.2.200:1
    rmmod ip_vs_dh 2>/dev/null
    echo /bin/false >/proc/sys/kernel/modprobe
fi
cat >$config <<CONFIG
virtual=$VIP:80
	real=$r1 gate
	checktype=on
	scheduler=rr
virtual=$VIP:81
	real=$r1 masq
	checktype=on
	scheduler=$scheduler
virtual=$VIP:82
	real=224.0.0.1:80 masq
	real=$r1 masq
	checktype=on
	scheduler=rr
CONFIG
director
expect_within "the service beside them" 10 weight_is $VIP:80 $r1 1
expect_within "the server beside the impossible one" 10 weight_is $VIP:82 $r1 1
expect_within "the log names scheduler and module" 5 grep -qE "$VIP:81.*(ip_vs_)?$scheduler" $log
grep -E "refused a change" $log | cut -c1-250
expect_within "the log names the server" 5 grep -qE "refused a change.*224.0.0.1:80.*$VIP:82" $log
ctl status --check >/run/lab/checked
expect "status --check: critical" 2 $?
ctl status | grep -q "$VIP:81 .*NOT IN THE KERNEL, kernel refused" && ok "status shows it" || not_ok "status" "$(ctl status)"
sleep 2
expect "a refusal is told once" 1 "$(grep -c "refused a change.*$VIP:81" $log)"
if own_kernel; then
    echo "$loader" >/proc/sys/kernel/modprobe
    expect_within "the module comes: the service comes" 15 weight_is $VIP:81 $r1 1
    expect_within "and that is told" 3 grep -q "The kernel took the change: $VIP:81" $log
fi
kill -TERM $director
ended 0
expect "the end removes what there is" "" "$(table)"

# Another program writes the same entries at the same time.
weights() { # weights N
    printf 'virtual=%s\n\tscheduler=rr\n\tchecktype=on\n' $VIP:80
    for k in 1 2 3 4 5; do echo "	real=198.51.100.$k:80 masq $1"; done
}
weights 1 >$config
director
wait_until 10 weight_is $VIP:80 198.51.100.5:80 1
other_hands() {
    RANDOM=6
    for ((n = 0; n < 150; n++)); do
        server=198.51.100.$((RANDOM % 6 + 1)):80
        case $((RANDOM % 8)) in
        0) echo "-D -t $VIP:80" ;;
        1) printf '%s\n' "-A -t $VIP:80 -s wlc" "-a -t $VIP:80 -r $server -m" ;;
        2 | 3) echo "-a -t $VIP:80 -r $server -m -w 7" ;;
        4) echo "-e -t $VIP:80 -r $server -m -w 3" ;;
        *) echo "-d -t $VIP:80 -r $server" ;;
        esac
    done | while read -ra words; do in_ d1 ipvsadm "${words[@]}" 2>/dev/null; done
}
other_hands &
hands=$!
reloads=0
while kill -0 $hands 2>/dev/null; do
    weights $((reloads % 5 + 1)) >$config
    curl -s -o /dev/null --unix-socket /run/directord/control.sock -X POST http://director/v1/reload
    reloads=$((reloads + 1))
done
weights 9 >$config
ctl reload
wanted=$(weights 9 | awk -v vip=$VIP:80 'BEGIN { print "-A -t " vip " -s rr" }
    /real=/ { sub(/.*=/, ""); print "-a -t " vip " -r " $1 " -m -w 9" }')
right() { [ "$(table | sort)" = "$wanted" ]; }
expect_within "150 changes by other hands during $reloads reloads: right after the last" 3 right
expect "no change is refused for good" 0 "$(ctl status | grep -c refused)"
