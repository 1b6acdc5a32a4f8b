# F4, D05, D06, F18: a director stands still and goes on later.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

pair_start d1
probe_start
long_start 60
sleep 1
quiet

# stall SECONDS PID…: they stand still for so long; one process, since a start of another one
# may take longer than that.
stall() {
    chrt -f 90 perl -MTime::HiRes=sleep -e 'my $time = shift; kill STOP => @ARGV; sleep $time; kill CONT => @ARGV' "$@"
}

mark
stall 0.1 "${main[d1]}"
sleep 1
none_lost "D05 main process stopped for 0.1 s: nothing"
expect "D05 0.1 s: nobody moved" 0 "$(moves "$wall_mark")"

# The guard counts from the last advert and gives the addresses up after 0.5 s; the peer
# takes over at once when it says so.
mark
stall 3 "${main[d1]}"
expect_roles "D05 main process stopped for 3 s" standby active
expect_gap "D05 main process stopped for 3 s" 700
long_alive "D05"
one_owner "D05" "$wall_mark"
settle d2

# Nobody is left who could give the address up but the kernel, at the end of its lifetime:
# 3 s, with up to 0.4 s of its own, the question 0.18 s (failover.md G3).
mark
stall 6 "${main[d2]}" "$(guard_of d2)"
expect_roles "F4 everything of d2 stopped for 6 s" active standby
expect_gap "F4 everything of d2 stopped for 6 s" 3700
long_alive "F4"
expect "F4 d2 announced nothing when it woke up" 0 "$(owners_seen "$wall_mark" | sed -n 's/^stray //p')"
one_owner "F4" "$wall_mark"
settle d1
one_owner "all of it"
