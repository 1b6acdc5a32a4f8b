#!/usr/bin/perl
# Watches the kernel's table of its network namespace, cheaply and from outside of every
# program under test. In Perl, which every Debian has, since starting a program for each
# look would cost more than what is measured.
#
#   bench-await.pl full SERVICES SERVERS LIMIT LOG COMMAND…   starts the command; prints the
#       milliseconds until all are in the table, and its process id, which goes on running
#   bench-await.pl gone ADDRESS:PORT LIMIT PID…   kills these; prints the milliseconds until
#       the server is out of the table or has weight 0
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

sub servers {
    open my $table, '<', '/proc/net/ip_vs' or return 0;
    local $/;
    return (() = <$table> =~ /^  ->/mg) - 1;
}

# Weight of a server in the first service that has it.
sub weight {
    my ($address, $port) = split /:/, shift;
    my $key = sprintf '%s:%04X', uc unpack('H*', inet_aton($address)), $port;
    open my $table, '<', '/proc/net/ip_vs' or return;
    while (<$table>) {
        return $1 if /^  -> $key +\S+ +(\d+)/;
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
