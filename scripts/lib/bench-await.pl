#!/usr/bin/perl
# Watches the kernel's table of its network namespace, cheaply and from outside of every
# program under test. In Perl, which every Debian has, since starting a program for each
# look would cost more than what is measured.
#
#   bench-await.pl full SERVICES SERVERS LIMIT LOG COMMAND…   starts the command; prints the
#       milliseconds until all are in the table, and its process id, which goes on running
#   bench-await.pl gone ADDRESS:PORT LIMIT PID…   kills these; prints the milliseconds until
#       the server has weight 0 in the service 198.51.100.1:80, or is no more in it
#   bench-await.pl weight ADDRESS:PORT WEIGHT LIMIT            waits for it
#
# LIMIT is in seconds; after it the exit status is 1 and nothing is printed.
use strict;
use warnings;
use Socket;
use Time::HiRes qw(clock_gettime sleep CLOCK_MONOTONIC);

my $IP_VS_SO_GET_INFO = 64 + 1024 + 64 + 1;    # linux/ip_vs.h
socket(my $info, AF_INET, SOCK_RAW, 255) or die "raw socket: $!";

sub now { clock_gettime(CLOCK_MONOTONIC) }

# How many services there are: one system call, whatever the table holds.
sub services {
    my $reply = getsockopt($info, 0, $IP_VS_SO_GET_INFO) or return 0;
    return (unpack 'I3', $reply)[2];
}

# How many servers there are. To be trusted only while no other namespace has services:
# when /proc/net/ip_vs is read in pieces, Linux 6.1 leaves out as many of our services as
# it has passed foreign ones.
sub servers {
    open my $table, '<', '/proc/net/ip_vs' or return 0;
    local $/;
    return (() = <$table> =~ /^  ->/mg) - 1;
}

# ── a service's servers by generic netlink (linux/netlink.h, linux/genetlink.h, linux/ip_vs.h)

socket(my $netlink, 16, SOCK_RAW, 16) or die "netlink socket: $!";

sub attribute {
    my ($type, $data) = @_;
    return pack('S2 a*', 4 + length $data, $type, $data) . "\0" x (-length($data) % 4);
}

sub attributes {
    my ($data, %found) = @_;
    while (length $data >= 4) {
        my ($length, $type) = unpack 'S2', $data;
        last if $length < 4 || $length > length $data;
        $found{ $type & 0x3fff } = substr $data, 4, $length - 4;
        my $padded = ($length + 3) & ~3;
        $data = $padded < length $data ? substr($data, $padded) : '';
    }
    return %found;
}

# The attributes of each answer to a request.
sub request {
    my ($family, $flags, $command, $attributes) = @_;
    my $message = pack('L S2 L2 C2 S', 20 + length $attributes, $family, $flags, 1, 0, $command, 1, 0) . $attributes;
    send $netlink, $message, 0, pack 'S2 L2', 16, 0, 0, 0 or die "netlink: $!";
    my @answers;
    while (1) {
        defined recv $netlink, my $data, 65536, 0 or die "netlink: $!";
        while (length $data >= 16) {
            my ($length, $type) = unpack 'L S', $data;
            return @answers if $type == 2 || $type == 3;    # NLMSG_ERROR, NLMSG_DONE
            push @answers, substr $data, 20, $length - 20;
            $data = substr $data, $length;
        }
        return @answers unless $flags & 0x300;              # NLM_F_DUMP
    }
}

my %controller = attributes(request(16, 1, 3, attribute(2, "IPVS\0")));
my $ipvs       = unpack 'S', $controller{1} // die "no IPVS in this kernel\n";

# Weight of a server of the service under test; undefined when it is not there.
my $service = attribute(1, attribute(1, pack 'S', AF_INET) . attribute(2, pack 'S', 6)
      . attribute(3, inet_aton('198.51.100.1') . "\0" x 12) . attribute(4, pack 'n', 80));

sub weight {
    my ($address, $port) = split /:/, shift;
    my $wanted = inet_aton($address) . pack 'n', $port;
    for (request($ipvs, 0x301, 8, $service)) {
        my %answer      = attributes($_);
        my %destination = attributes($answer{2} // next);
        return unpack 'l', $destination{4} if substr($destination{1}, 0, 4) . $destination{2} eq $wanted;
    }
    return;
}

sub await {
    my ($limit, $pause, $done) = @_;
    my $from = now();
    until ($done->()) {
        exit 1 if now() - $from > $limit;
        sleep $pause;
    }
    return sprintf '%.1f', (now() - $from) * 1000;
}

my $what = shift;
if ($what eq 'full') {
    my ($services, $servers, $limit, $log, @command) = @ARGV;
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', $log;
        open STDERR, '>>', $log;
        exec @command or exit 127;
    }
    # Reading a large table takes its time from the program that fills it: after a look in
    # vain we stay away for as long as the look took.
    my $rest = 0;
    print await(
        $limit, 0.001,
        sub {
            return 0 if services() < $services || now() < $rest;
            my $before = now();
            my $count  = servers();
            $rest = 2 * now() - $before;
            return $count >= $servers;
        }
      ),
      " $pid\n";
} elsif ($what eq 'gone') {
    my ($server, $limit, @pids) = @ARGV;
    kill KILL => @pids;
    print await($limit, 0.001, sub { !weight($server) }), "\n";
} elsif ($what eq 'weight') {
    my ($server, $weight, $limit) = @ARGV;
    await($limit, 0.02, sub { (weight($server) // '') eq $weight });
} else {
    die "bench-await.pl: what is \"$what\"?\n";
}
