# A01, A02, A04, F15: forged, changed, cut and replayed adverts, also from before a restart and
# from before a takeover. Nothing moves, and they are counted.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

pair_start d1
probe_start 20
sleep 1
recorded=$pair/adverts.pcap
record() { # record SECONDS FILE: what both nodes say on the segment
    in_ client timeout "$1" tcpdump -q -Z root -i eth0 -w "$2" udp port 7694 2>/dev/null
}
in_ client ip route add 239.255.77.1 dev eth0 2>/dev/null
refused() { # refused NODE: how many packets its links refused
    status "$1" | grep -o '"refused":\[[^}]*\]\]' | grep -o ',[0-9]*\]' | tr -dc '0-9\n' | awk '{ n += $1 } END { print n + 0 }'
}
# attack NAME MODE [FILE]: nothing moves, no connection is lost.
attack() {
    local before sent after moved
    before=$(refused d2)
    mark
    sent=$(in_ client nice -n 10 perl "$here/pair-send.pl" 239.255.77.1 7694 "${3:-$recorded}" "$2" 3 192.0.2.9)
    sleep 0.5
    after=$(refused d2)
    moved=$(moves "$wall_mark")
    expect "$1: $sent packets, moves" 0 "$moved"
    expect "$1: states" "${roles:-active standby}" "$(roles)"
    [ "$after" -gt "$before" ] && ok "$1: counted ($((after - before)) refused by d2)" || not_ok "$1" "not counted"
    expect_gap "$1" 300
}
record 4 $recorded
quiet
attack "A02 replayed while both live" replay
attack "A01 forged with another sequence and signature" forge
attack "A04 a bit changed" mutate
attack "A04 cut and made longer" cut

# What d1 said while it served, after it gave the address up.
killed d1
wait_until 5 role_is d2 active
node_start d1
settle d2
roles="standby active" attack "A02 replayed after a demotion and a restart" replay

# Both start anew while the recording is played.
node_stop d1
node_stop d2
in_ client nice -n 10 perl "$here/pair-send.pl" 239.255.77.1 7694 $recorded replay 12 192.0.2.9 >/dev/null &
sleep 0.5
from=$EPOCHREALTIME
node_start d1
node_start d2
settle d1
one_owner "A02 replayed while both start" "$from"
one_owner "all of it"
