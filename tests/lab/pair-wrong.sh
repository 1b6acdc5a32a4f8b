# F20, F21: a real server with the wrong ARP settings, a guard that stands still, somebody who
# puts the address back again and again.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

pair_start d1
probe_start
sleep 1
quiet

# The address that is asked for before a takeover is answered by r3, which has it on lo and
# does not keep silent: the question cannot tell that the owner is gone.
in_ r3 sysctl -qw net.ipv4.conf.all.arp_ignore=0
mark
log_mark
power_off d1
expect_within "F20 a real server answers for the address: the peer serves" 10 role_is d2 active
sleep 1
# Lifetime 3 s, 1 s, twice the silence of 1 s at the worst.
expect_gap "F20 a real server answers for the address" 6000
[ "$(told d2 "$(mac_inside r3)")" -gt 0 ] && ok "F20 its MAC is told" || not_ok "F20" "nobody told its MAC"
in_ r3 sysctl -qw net.ipv4.conf.all.arp_ignore=1
power_on d1
settle d2

# The guard does not move: nobody but the kernel can take the address away, and until it has,
# the peer must not serve.
mark
log_mark
stopped=$(guard_of d2)
at_once STOP "$stopped"
kill -TERM "${main[d2]}"
expect_within "F21 the address cannot be removed: the peer serves when it is gone" 12 role_is d1 active
sleep 0.5
expect_gap "F21 the address cannot be removed" 6000
one_owner "F21" "$wall_mark"
[ "$(told d2 'an address cannot be removed; the peer must not take over')" -gt 0 ] && ok "F21 an alarm" ||
    not_ok "F21 an alarm" "none"
# What hid the address hides the host's own, too, and does not stay.
asked() { [ "$(in_ d2 sysctl -n net.ipv4.conf.eth0.arp_ignore)" = 0 ]; }
expect_within "F21 the node answers for its own addresses again" 6 asked
kill -KILL "$stopped"

# A process that was killed meanwhile leaves it to the next one.
(umask 077 && printf 'web\teth0\t0\n' >$pair/d2/isolated)
in_ d2 sysctl -qw net.ipv4.conf.eth0.arp_ignore=8
node_start d2
expect_within "F21 after a kill the next process puts it back" 10 asked
written() { [ ! -s $pair/d2/isolated ]; }
expect_within "F21 and knows it no more" 2 written
