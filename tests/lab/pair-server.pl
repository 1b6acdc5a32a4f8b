#!/usr/bin/perl
# What a real server of the pair's scenarios runs. In Perl, which every Debian has.
#
#   pair-server.pl NAME
#
# Port 7: a line "?" is answered with NAME, any other byte with itself. Port 9: bytes
# without end, 160 kB a second; when the client has sent all it has to say, the SHA-1 of
# what it was sent, in hexadecimal, and the end.
#
# System calls are dear in the lab's kernel, so there are few.
use strict;
use warnings;
use Digest::SHA;
use IO::Handle;
use Socket qw(:DEFAULT IN6ADDR_ANY);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($name) = @ARGV or die "usage: $0 NAME\n";
my $PIECE = 8192;
my $EVERY = 0.05;
$SIG{PIPE} = 'IGNORE';

my (%listens, %talks, $reads);
$reads = '';

sub watch { vec($reads, fileno $_[0], 1) = 1 }

for my $port (7, 9) {
    socket(my $socket, AF_INET6, SOCK_STREAM, 0) or die "socket: $!";
    $socket->blocking(0);
    setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
    bind($socket, pack_sockaddr_in6($port, IN6ADDR_ANY)) or die "port $port: $!";
    listen($socket, 1024) or die "listen: $!";
    $listens{ fileno $socket } = { socket => $socket, port => $port };
    watch($socket);
}

sub forget {
    my ($number) = @_;
    vec($reads, $number, 1) = 0;
    delete $talks{$number};
}

sub meet {
    my ($listen) = @_;
    if (accept(my $socket, $listen->{socket})) {
        my $talk = { socket => $socket, port => $listen->{port} };
        if ($talk->{port} == 9) {
            $talk->{digest} = Digest::SHA->new(1);
            $socket->blocking(0);
        }
        $talks{ fileno $socket } = $talk;
        watch($socket);
    }
}

sub hear {
    my ($number, $talk) = @_;
    my $got = sysread $talk->{socket}, my $said, 4096;
    return if !defined $got && $!{EAGAIN};
    if ($talk->{port} == 9) {
        return if $got;
        if (defined $got) {
            $talk->{socket}->blocking(1);
            syswrite $talk->{socket}, ($talk->{rest} // '') . $talk->{digest}->hexdigest;
        }
        return forget($number);
    }
    return forget($number) unless $got;
    syswrite $talk->{socket}, $said eq "?\n" ? "$name\n" : $said;
}

my $count = 0;

sub stream {
    my ($number, $talk) = @_;
    $talk->{rest} //= '';
    if ($talk->{rest} eq '') {
        $talk->{rest} = pack('N', $count++ * 2654435761 & 0xffffffff) x ($PIECE / 4);
        $talk->{digest}->add($talk->{rest});
    }
    my $sent = syswrite $talk->{socket}, $talk->{rest};
    return substr($talk->{rest}, 0, $sent, '') if $sent;
    forget($number) unless $!{EAGAIN};
}

my $due = 0;
while (1) {
    my @streams = grep { $talks{$_}{port} == 9 } keys %talks;
    my $now = clock_gettime(CLOCK_MONOTONIC);
    if (@streams && $now >= $due) {
        stream($_, $talks{$_}) for @streams;
        $due = $now + $EVERY;
    }
    my $left = @streams ? $due - $now : undef;
    my $found = select my $ready = $reads, undef, undef, $left;
    next if $found <= 0;
    my $bits = unpack 'b*', $ready;
    while ($bits =~ /1/g) {
        my $number = pos($bits) - 1;
        if    ($listens{$number}) { meet($listens{$number}) }
        elsif ($talks{$number})   { hear($number, $talks{$number}) }
    }
}
