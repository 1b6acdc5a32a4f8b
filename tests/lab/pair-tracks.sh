# F8, F9, F10, F17: the gateway is lost by one node or by both, a better node comes back, and
# something fails again and again.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

TRACKS="        - { ping: 192.0.2.1, interval: 250ms, timeout: 250ms, fall: 3, rise: 2 }"
pair_start d1
probe_start
long_start 40
transfer_start
sleep 1
quiet
blind() { in_ "$1" iptables-legacy -A INPUT -s 192.0.2.1 -p icmp -j DROP; }
seeing() { in_ "$1" iptables-legacy -D INPUT -s 192.0.2.1 -p icmp -j DROP; }

mark
blind d1
expect_within "F8 the active loses its gateway: the peer serves" 6 role_is d2 active
# The gateway's silence takes three pings; only the switch is seen by clients.
expect_gap "F8 the switch" 300
seeing d1
settle d2
long_alive "F8"

mark
blind d1
blind d2
sleep 4
none_lost "F9 both lose the gateway: nothing"
expect "F9 the address did not move" "0 active" "$(moves "$wall_mark") $(role d2)"
seeing d1
seeing d2
settle d2

# d1 has the higher priority, and is back all the time.
mark
sleep 2
none_lost "F10 a better node without preempt: nothing moves"
TIMING='  preempt: true
  preempt_delay: 2s'
pair_config
for node in d1 d2; do kill -HUP "${main[$node]}"; done
mark
expect_within "F10 with preempt the better node serves after its delay" 12 role_is d1 active
expect_gap "F10 the switch" 300
settle d1
long_alive "F10"

# A gateway that comes and goes moves the pair some times, and then no more.
TIMING='  max_moves: 3
  moves_window: 2m'
pair_config
for node in d1 d2; do kill -HUP "${main[$node]}"; done
sleep 1
mark
for _ in 1 2 3 4; do
    active=d1
    role_is d1 active || active=d2
    blind $active
    sleep 1.8
    seeing $active
    sleep 1.2
done
moved=$(moves "$wall_mark")
[ "$moved" -le 3 ] && [ "$moved" -ge 1 ] && ok "F17 a flapping gateway: $moved moves, at most 3" || not_ok "F17" "$moved moves"
transfer_whole "F8, F9, F10, F17"
one_owner "F8, F9, F10, F17"
