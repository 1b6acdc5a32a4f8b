#!/usr/bin/perl
# Changes of IPVS tables in a capture of netlink messages: the witness for "the director did
# nothing". One line for each request, such as
#
#   add-service tcp:192.0.2.100:80
#   set-server tcp:192.0.2.100:80 192.0.2.21:80
#
# What the kernel answers, and what only reads, is left out.
#
#   operations.pl CAPTURE      a pcap file of an nlmon device, as tcpdump writes it
use strict;
use warnings;
use Socket qw(AF_INET6 inet_ntoa inet_ntop);

# Commands and attributes of linux/ip_vs.h.
my %changes = (
    1 => 'add-service', 2 => 'set-service', 3 => 'delete-service',
    5 => 'add-server', 6 => 'set-server', 7 => 'delete-server',
    9 => 'add-daemon', 10 => 'delete-daemon', 12 => 'set-timeouts',
    16 => 'zero', 17 => 'flush',
);
my %protocols = (6 => 'tcp', 17 => 'udp', 132 => 'sctp');
my ($SERVICE, $DESTINATION) = (1, 2);
my ($FAMILY, $PROTOCOL, $ADDRESS, $PORT, $MARK) = (1 .. 5);
my ($SERVER_ADDRESS, $SERVER_PORT) = (1, 2);
my $GENERIC = 16;    # netlink family
my $CONTROL = 16;    # type of messages to generic netlink itself
my $REQUEST = 1;     # flag

sub attributes {
    my ($bytes, %found) = @_;
    while (length $bytes >= 4) {
        my ($size, $type) = unpack 'v v', $bytes;
        last if $size < 4 || $size > length $bytes;
        $found{$type & 0x3fff} = substr $bytes, 4, $size - 4;
        $size = ($size + 3) & ~3;
        $bytes = $size < length $bytes ? substr $bytes, $size : '';
    }
    return %found;
}

sub address {
    my ($six, $bytes, $port) = @_;
    my $host = $six ? '[' . inet_ntop(AF_INET6, $bytes) . ']' : inet_ntoa(substr $bytes, 0, 4);
    return $host . ':' . unpack 'n', $port;
}

sub described {
    my %top = attributes(@_);
    return '' unless $top{$SERVICE};
    my %service = attributes($top{$SERVICE});
    my $six = unpack('v', $service{$FAMILY} // "\2\0") == AF_INET6;
    my $text = $service{$MARK}
        ? ' fwm:' . unpack 'V', $service{$MARK}
        : " $protocols{unpack 'v', $service{$PROTOCOL}}:"
            . address($six, @service{$ADDRESS, $PORT});
    if ($top{$DESTINATION}) {
        my %server = attributes($top{$DESTINATION});
        $text .= ' ' . address($six, @server{$SERVER_ADDRESS, $SERVER_PORT});
    }
    return $text;
}

open my $capture, '<:raw', $ARGV[0] or die "$ARGV[0]: $!\n";
read $capture, my $head, 24;
die "$ARGV[0]: not a capture of netlink\n"
    unless length $head == 24 && unpack('x20 V', $head) == 253;
while (read($capture, my $record, 16) == 16) {
    my $length = unpack 'x8 V', $record;
    read($capture, my $packet, $length) == $length or last;
    next unless unpack('x14 n', $packet) == $GENERIC;
    my $at = 16;
    while ($at + 20 <= $length) {
        my ($size, $type, $flags, $command) = unpack "x$at V v v x8 C", $packet;
        last if $size < 20 || $at + $size > $length;
        print $changes{$command}, described(substr $packet, $at + 20, $size - 20), "\n"
            if $type > $CONTROL && $flags & $REQUEST && $changes{$command};
        $at += ($size + 3) & ~3;
    }
}
