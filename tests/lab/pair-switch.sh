# F1, N02, F22, with backup_only=1: planned switches under load: by a stop, by the operator, with commands on both
# nodes at once. Long connections of any age stay, new ones are not lost.
#
# SWITCHES (3) is how often, LONG (200) how many long connections, each with a byte all
# EVERY (500) ms, NEW (10) the milliseconds between new connections; scripts/lib/pair-long
# sets more.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

: "${SWITCHES:=3}" "${LONG:=200}" "${EVERY:=500}" "${NEW:=10}"

# switches BACKUP_ONLY: a fresh pair, so that the first switch is the first after its boot.
switches() {
    local i to=d2 lost=0 late=0 reset=0 gap worst=0 total=0 n bad slow
    BACKUP_ONLY=$1 pair_start d1
    probe_start "$NEW"
    long_start "$LONG" "$EVERY"
    quiet
    for ((i = 1; i <= SWITCHES; i++)); do
        mark
        if [ $((i % 2)) = 1 ]; then ctl $to failover takeover; else ctl "$(peer_of $to)" failover standby; fi ||
            not_ok "backup_only=$1, switch $i" "the command failed"
        wait_until 5 role_is $to active || not_ok "backup_only=$1, switch $i" "$(roles)"
        sleep 0.5
        read -r n bad _ gap slow < <(probed)
        total=$((total + n)) lost=$((lost + bad)) late=$((late + slow))
        [ "$gap" -le $worst ] || worst=$gap
        echo "backup_only=$1, switch $i to $to: $gap ms, $bad lost, $slow late"
        reset=$((reset + $(resets "$wall_mark")))
        [ $((i % 2)) = 1 ] || ctl "$(peer_of $to)" failover standby --off
        settle $to
        to=$(peer_of $to)
    done
    at_most "backup_only=$1: lost of $total new connections, $late late" 0 $lost
    at_most "backup_only=$1: connections reset by a director" 0 $reset
    allowed=$((300 * 3 / 2 + 2 * quiet_gap))
    if [ $worst -le $allowed ]; then ok "backup_only=$1: longest gap of $SWITCHES switches $worst ms, promised 300, allowed here $allowed"; else
        not_ok "backup_only=$1: longest gap" "$worst ms, allowed $allowed"; fi
    long_alive "backup_only=$1: $SWITCHES planned switches"
    one_owner "backup_only=$1"
}

# These are not the moves of something that flaps.
TIMING='  max_moves: 32'
switches "${BACKUP_ONLY_IS:-1}"
[ -z "${SWITCHES_ONLY:-}" ] || exit 0

# F1: the active is stopped in an orderly way.
transfer_start
active=d1
role_is d1 active || active=d2
mark
node_stop $active
expect_within "F1 orderly stop of $active: the peer serves" 5 role_is "$(peer_of $active)" active
expect_gap "F1 orderly stop" 300
at_most "F1 orderly stop: connections reset by a director" 1 "$(resets "$wall_mark")"
node_start $active
settle "$(peer_of $active)"
# A standby that has just started knows the connections from before when each was sent again:
# after net.ipv4.vs.sync_refresh_period, 10 s, and what the kernel buffers, 2 s.
sleep 13
long_alive "F1"
transfer_whole "F1"

# F22: both nodes are told the same or the opposite at the same moment.
exactly_one() {
    local now
    now=$(roles)
    [ "$now" = "active standby" ] || [ "$now" = "standby active" ]
}
both() { # both COMMAND_D1 COMMAND_D2
    mark
    ctl d1 failover $1 &
    ctl d2 failover $2 &
    wait $!
    expect_within "F22 at once: $1, $2" 5 exactly_one
    sleep 1
    expect_gap "F22 at once: $1, $2" 1000
    moved=$(moves "$wall_mark")
    [ "$moved" -le 2 ] && ok "F22 no to and fro ($moved moves)" || not_ok "F22" "$moved moves"
}
both takeover takeover

both standby standby
ctl d1 failover standby --off
ctl d2 failover standby --off
sleep 1
long_alive "F22"
one_owner "F22"
