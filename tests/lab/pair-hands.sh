# F14, N21, N22, F20, D16, F18, K10: other hands touch addresses and the sync daemons, a real server answers for the
# address, the wall clock jumps.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

pair_start d1
probe_start
long_start 40
sleep 1
quiet

mark
ip -n d1 address delete "$VIP/24" dev eth0
expect_within "F14, N21 the address is removed by hand: it is back" 2 has_vip d1
sleep 0.3
expect_gap "F14, N21 the address is removed by hand" 300
expect "F14 the other node did not take it" "active standby" "$(roles)"
one_owner "F14" "$wall_mark"

# By hand it is on both: as long as it takes the standby to see it.
mark
ip -n d2 address add "$VIP/24" dev eth0
gone() { ! has_vip d2; }
expect_within "F14, N22 the address is added by hand on the standby: it goes" 2 gone
sleep 0.3
both=$(owners_seen "$wall_mark" | sed -n 's/^both //p')
[ -n "$both" ] && [ "$both" -le 1000 ] && ok "N22 both had it for $both ms, at most 1000" || not_ok "N22" "both had it for $both ms"
expect "N22 nobody moved" "active standby" "$(roles)"
long_alive "F14, N21, N22"

# The sync daemons are stopped by hand.
log_mark
syncs() { in_ "$1" ipvsadm -L --daemon | grep -q "^$2 sync daemon.*hb0"; }
for one in "d1 master" "d2 backup"; do
    in_ ${one% *} ipvsadm --stop-daemon ${one#* }
    # shellcheck disable=SC2086 # two words
    expect_within "K10 the $one sync daemon is stopped by hand: it runs again" 2 syncs $one
    expect "K10 $one: told once" 1 "$(told ${one% *} "${one#* } sync daemon did not run as wanted")"
done
in_ d1 ipvsadm --start-daemon backup --mcast-interface hb0 --syncid 9
alone() { ! syncs d1 backup; }
expect_within "K10 both roles by hand with backup_only: one goes" 2 alone
expect "K10 both roles: told once" 1 "$(told d1 "a backup sync daemon ran that is not wanted")"

# A host on the segment says that the address is its own: an alarm, and the owner says
# that it is not.
log_mark
mark
number=$(ip -n r3 -o link show dev eth0 | cut -d: -f1)
in_ r3 perl "$here/pair-send.pl" claim $VIP "$(mac_inside r3)" "$number"
foreign() { [ "$(told d1 "$(mac_inside r3)")" -gt 0 ]; }
expect_within "N22, A08 a foreign claim: an alarm with its MAC" 3 foreign
sleep 1
expect_gap "N22, A08 the owner defends the address" 1000
expect "A08 nobody moved" "active standby" "$(roles)"

# 40 jumps of the wall clock, which the witnesses tell times by: so at the end, and put right
# before the next scenario of this kernel.
mark
wall=${EPOCHREALTIME%.*}
for jump in '+1 hour' '-2 hours' '+10 years' '-20 years' '+11 years'; do
    for _ in 1 2 3 4 5 6 7 8; do
        date -s "$jump" >/dev/null
        sleep 0.05
    done
    date -s "@$((wall + ($(uptime_ms) - mark) / 1000))" >/dev/null
done
sleep 1.5
none_lost "D16, F18 the wall clock jumps"
expect "D16, F18 nobody moved" "active standby" "$(roles)"
