# F2, F3, D01, N01: the active director's process is killed, its host loses power. Its peer
# takes over, connections go on, and what comes back does not take the address away.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

pair_start d1
probe_start
long_start 60
transfer_start
sleep 2
quiet

# Promised: 0.5 s with the guard process (failover.md G2); the switch itself is some dozens
# of system calls and one packet.
mark
killed d1
expect_gap "F2 kill -9: the peer serves" 500
expect_roles "F2 kill -9" none active
expect "F2 kill -9: the kernel keeps the killed node's table" 2 "$(in_ d1 ipvsadm -Sn | grep -c -- '^-A')"
long_alive "F2 kill -9"
mark
node_start d1
settle d2
none_lost "F2 it comes back: nothing moves"

# Promised: 1.3 s, of which 1 s is the silence after which the peer is given up and 0.18 s
# the question whether somebody still has the address.
mark
power_off d2
expect_within "F3 power loss: the peer serves" 5 role_is d1 active
sleep 1
expect_gap "F3 power loss" 1300
long_alive "F3 power loss"
mark
power_on d2
settle d1
none_lost "F3 it comes back: nothing moves"
transfer_whole "F2, F3"
one_owner "F2, F3"
