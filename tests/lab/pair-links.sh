# F5, F6, F7, N16, N17, N18, N20: links between the nodes and to the clients are lost, whole
# or in one direction.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

pair_start d1
probe_start
long_start 60
transfer_start
sleep 1
quiet

# nothing NAME SECONDS: for so long nothing happens to clients, roles and addresses.
nothing() {
    sleep "$2"
    none_lost "$1" "$mark"
    expect "$1: the address did not move" "0 active standby" "$(moves "$wall_mark") $(roles)"
}
link_state() { # link_state NODE NAME
    [[ $(status "$1") =~ \"name\":\"$2\",\"state\":\"([a-z ]+)\" ]] && echo "${BASH_REMATCH[1]}"
}
link_is() { [ "$(link_state "$1" "$2")" = "$3" ]; }

mark
hb_cut
expect_within "F5 the private link is lost: both say so" 4 eval 'link_is d1 private down && link_is d2 private down'
nothing "F5 the private link is lost" 1
hb_mend
expect_within "F5 it is back" 4 eval 'link_is d1 private up && link_is d2 private up'

mark
deaf d1 eth0
deaf d2 eth0
nothing "F5 the other link is lost" 2
hearing d1 eth0
hearing d2 eth0

# Opposite one-way links together are a way.
mark
deaf d1 eth0
deaf d2 hb0
nothing "each link carries one direction only" 2
hearing d1 eth0
hearing d2 hb0
expect_within "both links are back" 4 eval 'link_is d1 lan up && link_is d2 private up'

mark
deaf d1
deaf d2
sleep 1.5
nothing "F6 no link at all, but the address is seen alive" 5
expect "F6 the standby asks and waits" "probe" "$(role d2)"
[ "$(told d2 'nothing heard')" -gt 0 ] && ok "F6 an alarm" || not_ok "F6 an alarm" "none"
hearing d1
hearing d2
settle d1
none_lost "F6 the links are back: nothing"

mark
deaf d2
nothing "N17 d2 hears nothing" 4
hearing d2
settle d1
mark
deaf d1
nothing "N18 d1 hears nothing" 4
hearing d1
settle d1

# Carrier: the peer is told by a message, no time runs out.
mark
sever d1
expect_within "F7 the active's cable is pulled" 3 role_is d2 active
expect_gap "F7, N16 the active's cable is pulled" 1000
mend d1
expect_within "F7 it is back as standby" 5 role_is d1 standby
settle d2
long_alive "F5, F6, F7"
transfer_whole "F5, F6, F7"

# The interface goes and comes again as another one.
in_ d1 ip link del eth0
sleep 2
ip link add d1-e type veth peer name eth0 netns d1
ip link set d1-e master br0 up
_addresses d1 | grep -v lo | ip -n d1 -batch - 2>/dev/null
mac1="$mac1 $(mac_inside d1)"
expect_within "N20 an interface is another one: the link works" 4 link_is d1 lan up
expect_roles "N20" standby active
mark
power_off d2
expect_within "N20 and the node can serve" 5 role_is d1 active
sleep 1
expect_gap "N20 and the node can serve" 1300
