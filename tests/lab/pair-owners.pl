#!/usr/bin/perl
# Who had the virtual address when, and who said so on the segment.
#
#   pair-owners.pl ADDRESS FROM TO MAC1 MAC2
#
# MAC1 and MAC2 are those of d1 and d2. Reads from the current directory what was written
# meanwhile, and looks at what happened between FROM and TO (seconds since 1970):
#
#   addresses.d1, addresses.d2   `ip -ts -o monitor address` of each node: every change, as
#                                the kernel tells it, with the time at which it was read
#   cuts        "TIME cut|plug NODE": whether the node's cable is in the segment
#   segment     `tcpdump -e -tt` of a client
#
# Prints "WORD NUMBER": `both` is the milliseconds in which two connected nodes had it,
# `moves` how often it was added to one, `stray` the announcements and ARP answers (of
# IPv6, the neighbour advertisements; resets are not seen then) from
# somebody who did not have it, `resets` the TCP resets in its name that a director sent;
# and a line "# …" about each of what should not be.
use strict;
use warnings;
use Time::Local qw(timegm);

my ($address, $from, $to, @macs) = @ARGV;
my @nodes = ('d1', 'd2');
my %node_of = map { $macs[$_] => $nodes[$_] } 0, 1;

# What is read a little late: an announcement may be on the wire before it was noted that
# the address is there. The other way round there is no excuse: that an address is gone
# is noted after it went.
my $EARLY = 0.030;

my @changes;
for my $node (@nodes) {
    open my $file, '<', "addresses.$node" or die "addresses.$node: $!";
    while (my $line = <$file>) {
        next unless $line =~ m{inet6? \Q$address\E/};
        next unless $line =~ /^\[(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)(\.\d+)\]/;
        my $time = timegm($6, $5, $4, $3, $2 - 1, $1) + $7;
        next if $line =~ /: lo /;
        push @changes, [$time, $node, has => $line =~ /Deleted/ ? 0 : 1];
    }
}
if (open my $file, '<', 'cuts') {
    while (<$file>) {
        my ($time, $word, $node) = split;
        push @changes, [$time, $node, cut => $word eq 'cut' ? 1 : 0];
    }
}
@changes = sort { $a->[0] <=> $b->[0] } @changes;

my ($both, $moves, $since) = (0, 0, undef);
my %now = map { $_ => { has => 0, cut => 0 } } @nodes;
my %times = map { $_ => [] } @nodes;    # [begin, end] of each time it had the address
for my $change (@changes) {
    my ($time, $node, $what, $value) = @$change;
    if ($what eq 'has' && $value != $now{$node}{has}) {
        if   ($value) { push @{ $times{$node} }, [$time, 9e15] }
        else          { $times{$node}[-1][1] = $time }
        if ($value && $time >= $from && $time <= $to) { $moves++ }
    }
    $now{$node}{$what} = $value;
    my $two = !grep { !$_->{has} || $_->{cut} } values %now;
    if ($two && !defined $since) { $since = $time }
    if (!$two && defined $since) { note_both($since, $time); undef $since }
}
note_both($since, $to) if defined $since;

sub note_both {
    my ($begin, $end) = @_;
    $begin = $from if $begin < $from;
    $end   = $to   if $end > $to;
    return if $end <= $begin;
    $both += $end - $begin;
    printf "# both had it from %.3f to %.3f\n", $begin, $end;
}

sub had {
    my ($node, $time) = @_;
    for my $period (@{ $times{$node} }) {
        return 1 if $time >= $period->[0] - $EARLY && $time <= $period->[1];
    }
    return 0;
}

my ($stray, $resets, $announced) = (0, 0, 0);
open my $segment, '<', 'segment' or die "segment: $!";
while (my $line = <$segment>) {
    my ($time, $mac) = $line =~ /^([\d.]+) (\S+) >/ or next;
    next if $time < $from || $time > $to;
    if ($line =~ /tell \Q$address\E,|Reply \Q$address\E is-at|advertisement, tgt is \Q$address\E,/) {
        $announced++;
        my $node = $node_of{$mac};
        next if $node && had($node, $time);
        $stray++;
        print "# ARP by one without it (", $node // 'neither node', "): $line";
    } elsif ($node_of{$mac} && $line =~ / \Q$address\E\.\d+ > .*Flags \[R/) {
        $resets++;
        print "# a director's reset: $line" if $resets <= 3;
    }
}
printf "both %.0f\nmoves %d\nstray %d\nresets %d\nannounced %d\n", $both * 1000, $moves, $stray, $resets, $announced;
