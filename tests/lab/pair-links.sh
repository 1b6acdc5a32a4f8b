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

# nothing NAME SECONDS [ROLES]: for so long nothing happens to clients, roles and addresses.
nothing() {
    sleep "$2"
    none_lost "$1" "$mark"
    expect "$1: the address did not move" "0 ${3:-active standby}" "$(moves "$wall_mark") $(roles)"
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
nothing "F6 no link at all, but the address is seen alive: the standby asks and waits" 5 "active probe"
[ "$(told d2 'nothing heard')" -gt 0 ] && ok "F6 an alarm" || not_ok "F6 an alarm" "none"
hearing d1
hearing d2
settle d1
none_lost "F6 the links are back: nothing"

# The standby hears nothing and is about to claim, which the active knows: it gives up
# first. The new active cannot be answered, and takes nothing for fresh; the address is asked for.
mark
deaf d2
expect_within "N17 the standby hears nothing: the unheard node yields" 4 role_is d2 active
sleep 2
expect_gap "N17 the standby hears nothing" 500
expect "N17 moves" 1 "$(moves "$wall_mark")"
# Now it is the active that hears nothing.
mark
nothing "N18 the active hears nothing" 3 "probe active"
hearing d2
settle d2
none_lost "N18 it hears again: nothing"
one_owner "N17, N18" "$wall_mark"

# Carrier: the peer is told by a message, no time runs out.
mark
sever d2
expect_within "F7 the active's cable is pulled" 3 role_is d1 active
expect_gap "F7, N16 the active's cable is pulled" 1000
mend d2
expect_within "F7 it is back as standby" 5 role_is d2 standby
settle d1
long_alive "F5, F6, F7"
one_owner "F5, F6, F7"
transfer_whole "F5, F6, F7"

# The interface goes and comes again as another one.
mark
in_ d2 ip link del eth0
sleep 2
ip link add d2-e type veth peer name eth0 netns d2
ip link set d2-e master br0 up
_addresses d2 | grep -v lo | ip -n d2 -batch - 2>/dev/null
mac2=$(mac_inside d2)
expect_within "N20 an interface is another one: the link works" 4 link_is d2 lan up
settle d1
none_lost "N20 an interface of the standby is another one"
mark
power_off d1
expect_within "N20 and the node can serve" 5 role_is d2 active
sleep 1
expect_gap "N20 and the node can serve" 1300
one_owner "N20" "$wall_mark"
