#!/usr/bin/perl
# An attacker on the segment who sees everything and lacks the key.
#
#   pair-send.pl ADDRESS PORT CAPTURE MODE SECONDS [FROM]
#   pair-send.pl claim ADDRESS MAC INTERFACE-NUMBER
#
# The second says by ARP that somebody has an address. The first
# sends UDP datagrams made of those in CAPTURE (a pcap file of Ethernet frames) as fast as it
# is let. MODE is "replay" (as they were), "mutate" (a bit of each is another one), "cut"
# (shorter or longer) or "forge" (as they were, with another sequence, state and
# signature). Prints how many.
use strict;
use warnings;
use Socket;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

if ($ARGV[0] eq 'claim') {
    my (undef, $claimed, $mac, $interface) = @ARGV;
    my $from = pack 'H12', $mac =~ s/://gr;
    my $everybody = "\xff" x 6;
    my $ip = inet_aton($claimed);
    # Ethernet, then a request in the form of RFC 5227's announcement.
    my $frame = $everybody . $from . pack('n n n C C n', 0x0806, 1, 0x0800, 6, 4, 1) . $from . $ip . "\0" x 6 . $ip;
    # AF_PACKET, ETH_P_ARP, struct sockaddr_ll.
    socket(my $raw, 17, SOCK_RAW, unpack 'S', pack 'n', 0x0806) or die "socket: $!";
    send($raw, $frame, 0, pack 'S n i S C C a8', 17, 0x0806, $interface, 1, 0, 6, $everybody) or die "send: $!";
    exit;
}
my ($address, $port, $capture, $mode, $seconds) = @ARGV;
open my $file, '<:raw', $capture or die "$capture: $!";
read($file, my $head, 24);
my @packets;
while (read($file, my $record, 16)) {
    my $length = (unpack 'L4', $record)[2];
    read($file, my $frame, $length);
    my $ip = 4 * (ord(substr $frame, 14, 1) & 15);
    my $udp = substr $frame, 14 + $ip;
    my $size = unpack 'x4 n', $udp;
    push @packets, substr $udp, 8, $size - 8;
}
die "nothing in $capture\n" unless @packets;

socket(my $socket, AF_INET, SOCK_DGRAM, 0) or die "socket: $!";
my $to = sockaddr_in($port, inet_aton($address));
if (unpack('C', inet_aton($address)) >= 224) {
    # IP_MULTICAST_IF: out of the interface with the route to the segment.
    setsockopt($socket, 0, 32, inet_aton($ARGV[5])) if $ARGV[5];
}

my %made = (
    replay => sub { $_[0] },
    mutate => sub { my $p = $_[0]; my $bit = int rand 8 * length $p; vec($p, $bit, 1) ^= 1; $p },
    cut => sub { int rand 2 ? substr($_[0], 0, rand length $_[0]) : $_[0] . "\0" x rand 400 },
    forge => sub {
        my $p = $_[0];
        substr($p, 40, 4) = pack 'N', rand 2**31;
        substr($p, -32) = join '', map { chr rand 256 } 1 .. 32;
        $p;
    },
);
my $make = $made{$mode} or die "no mode $mode\n";
my $sent = 0;
my $end = clock_gettime(CLOCK_MONOTONIC) + $seconds;
while (clock_gettime(CLOCK_MONOTONIC) < $end) {
    for (1 .. 16) {
        send($socket, $make->($packets[rand @packets]), 0, $to) and $sent++;
    }
}
print "$sent\n";
