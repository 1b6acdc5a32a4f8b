# N04, N05, N06, N08, N09, N10, N25, N26: the network between the nodes loses, delays, reorders
# and duplicates what they say, and nothing moves; the first announcements of a move are lost,
# and later ones do; the same with an address of IPv6.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

# impair NETEM…: what the nodes say to each other on both links, and to all by ARP and neighbour
# discovery. What they forward stays as it is, so that whatever clients miss has its cause in them.
impair() {
    local node
    for node in d1 d2; do
        tc -n $node -batch - <<BATCH || not_ok "netem $*" "on $node"
qdisc replace dev hb0 root netem $*
qdisc replace dev eth0 parent 1:2 handle 2: netem $*
BATCH
    done
}
for node in d1 d2; do
    tc -n $node -batch - <<BATCH || not_ok "queues" "on $node"
qdisc add dev eth0 root handle 1: prio bands 2 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
filter add dev eth0 parent 1: protocol arp prio 1 matchall classid 1:2
filter add dev eth0 parent 1: protocol ip prio 2 flower ip_proto udp dst_port 7694 classid 1:2
filter add dev eth0 parent 1: protocol ipv6 prio 3 flower ip_proto icmpv6 classid 1:2
BATCH
done
# dropped INTERFACE: how many packets netem lost there, of both nodes.
dropped() {
    { tc -n d1 -s qdisc show dev "$1" && tc -n d2 -s qdisc show dev "$1"; } |
        awk '/^qdisc/ { ours = $2 == "netem" } ours && /dropped/ { n += $7 } END { print n + 0 }'
}
refused() { # how many packets the links of both nodes refused
    { status d1 && status d2; } | grep -o '"refused":\[[^}]*\]\]' | grep -o ',[0-9]*\]' | tr -dc '0-9\n' | awk '{ n += $1 } END { print n + 0 }'
}
# nothing NAME: neither node took the other one for lost, be it for a moment.
nothing() {
    expect "$1: roles, alarms" "active standby 0 0" "$(roles) $(told d1 'nothing heard') $(told d2 'nothing heard')"
}
# refuses NAME BEFORE: some were refused since.
refuses() {
    local more=$(($(refused) - $2))
    [ $more -gt 0 ] && ok "$1 ($more)" || not_ok "$1" "$more"
}

pair_start d1
probe_start
mark
log_mark

impair loss 20%
sleep 2
nothing "N04, N05, N06 20 % loss on both links"
impair loss 50%
sleep 1.2
nothing "N08 50 % loss on both links"
lost="$(dropped eth0) $(dropped hb0)"
[[ $lost =~ ^[1-9][0-9]*\ [1-9] ]] && ok "N06, N08 both links lost packets ($lost)" || not_ok "N06, N08 both links lost packets" "$lost"

# Nothing comes between the two, lest it last longer than the peer's patience.
(
    chrt -f -p 90 $BASHPID
    impair loss 100%
    burst=$(uptime_ms)
    sleep 0.3
    impair loss 0%
    echo "a burst of $(($(uptime_ms) - burst)) ms"
)
sleep 0.5
nothing "N09 a burst in which all is lost"

impair delay 50ms 30ms
rtt=$(in_ d1 ping -n -q -c 5 -i 0.3 198.51.100.2 | sed -n 's,^rtt .* = [^/]*/\([0-9]*\).*,\1,p')
[ "${rtt:-0}" -ge 50 ] && ok "N10 the delay is there ($rtt ms to and fro)" || not_ok "N10 the delay is there" "${rtt:-no answer}"
nothing "N10 50 ms ± 30 ms late"
# Adverts are 200 ms apart: these overtake each other.
before=$(refused)
impair delay 300ms 280ms
sleep 2
nothing "N10 300 ms ± 280 ms late, in any order"
refuses "N10 what was overtaken is refused" "$before"

before=$(refused)
impair duplicate 50%
sleep 0.5
nothing "adverts come twice"
refuses "adverts come twice: the second one is refused" "$before"
impair loss 0%
none_lost "N04 to N10 clients"
expect "N04 to N10 moves" 0 "$(moves "$wall_mark")"

# Two rounds of announcements do not reach the client; each is a request and a reply, and the third
# round begins with the packet that does. The old owner does not forward what still comes to it.
for node in d1 d2; do in_ $node sysctl -qw net.ipv4.conf.all.forwarding=0; done
tc -n client qdisc add dev eth0 clsact
tc -n client filter add dev eth0 ingress protocol arp flower arp_sip $VIP action drop random determ ok 5 ||
    not_ok "N25" "no filter"
mark
ctl d2 failover takeover || not_ok "N25" "no takeover"
# Longer than what is allowed, or a client that is never answered would not be noticed.
sleep 1.6
to=$(($(uptime_ms) - 200))
# 0.3 s for the switch (failover.md G4), 0.4 s for the rounds.
expect_gap "N25 the first announcements are lost, a later one repairs it" 700 "$mark" $to
read -r _ _ _ gap _ < <(probed "$mark" $to)
[ "$gap" -ge 300 ] && ok "N25 the client had nothing else to go by ($gap ms)" || not_ok "N25 the client had nothing else to go by" "$gap ms"
tc -n client qdisc del dev eth0 clsact
for node in d1 d2; do in_ $node sysctl -qw net.ipv4.conf.all.forwarding=1; done
one_owner "N04 to N10, N25"

# N26: an address of IPv6, and nothing else. The figures are those of IPv4 and 50 ms.
node_stop d1
node_stop d2
kill "${world[-1]}"
VIP=$VIP6
LENGTH=64
pair_services() {
    cat <<CONFIG
checkinterval=1
checktimeout=2
quiescent=no
virtual6=[$VIP]:7
	real6=[${ADDRESS6[r1]}]:7 gate
	real6=[${ADDRESS6[r2]}]:7 gate
	checktype=connect
	scheduler=rr
CONFIG
}
pair_config
from=$EPOCHREALTIME
node_start d1
wait_until 10 test -S $pair/d1.sock
node_start d2
settle d1
# address_is NAME NODE: no duplicate detection, that would take a second or more, and never the
# source of what the director itself says, since real servers have the address too.
address_is() {
    local shown
    shown=$(ip -n "$2" -o -6 address show dev eth0 to "$VIP")
    [[ $shown == *" nodad"*" preferred_lft 0sec"* && $shown != *tentative* ]] && ok "$1: nodad, preferred_lft 0" ||
        not_ok "$1: nodad, preferred_lft 0" "$shown"
}
# advertised NAME NODE LEAST: unsolicited, so often.
advertised() {
    local rounds
    rounds=$(awk -v from="$wall_mark" -v mac="$(mac_inside "$2")" -v said="> ff02::1: ICMP6, neighbor advertisement, tgt is $VIP," \
        '$1 >= from && $2 == mac && index($0, said) { n++ } END { print n + 0 }' $pair/segment)
    [ "$rounds" -ge "$3" ] && ok "$1: advertisements ($rounds)" || not_ok "$1: advertisements" "$rounds"
}
probe_start
address_is "N26 start" d1

mark
ctl d2 failover takeover || not_ok "N26" "no takeover"
sleep 0.5
address_is "N26 planned switch" d2
expect_gap "N26 planned switch" 350
# At once, four times every 0.2 s, and after 1.2 s.
advertised "N26 planned switch" d2 5
settle d2

# Another host has the address as well, and looks for somebody from it.
log_mark
ip -n r3 address add "$VIP/64" dev eth0 nodad
in_ r3 ping -q -c 1 -W 1 -I "$VIP" 2001:db8::77 >/dev/null &
foreign() { [ "$(told d2 "$(mac_inside r3)")" -gt 0 ]; }
expect_within "N26 a foreign claim: an alarm with its MAC" 3 foreign
ip -n r3 address delete "$VIP/64" dev eth0

# No advert comes, but solicitations are answered.
mark
deaf d1
deaf d2
expect_within "N26 no link at all, but the address is seen alive: the standby asks" 4 role_is d1 probe
sleep 0.7
expect "N26 no link at all: the standby waits" "0 probe active" "$(moves "$wall_mark") $(roles)"
hearing d1
hearing d2
settle d2

impair loss 20%
mark
power_off d2
expect_within "N06, N26 power loss with 20 % loss: the peer serves" 5 role_is d1 active
address_is "N26 power loss" d1
sleep 1
expect_gap "N06, N26 power loss with 20 % loss" 1350
advertised "N26 power loss" d1 1
one_owner "N26" "$from"
for node in d1 d2; do
    for interface in eth0 hb0; do tc -n $node qdisc del dev $interface root; done
done
