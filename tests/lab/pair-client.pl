#!/usr/bin/perl
# The clients of the pair's scenarios. In Perl, which every Debian has. Times are
# milliseconds since boot, so that a jump of the wall clock is none here.
#
#   pair-client.pl probe ADDRESS [MILLISECONDS]
#       every 10 ms a new connection to port 7 with one question; a line for each: its begin,
#       its end, and who answered, "reset", "failed", or "silent": not within 1.4 s, in which
#       TCP asks a second time for the connection
#   pair-client.pl long ADDRESS COUNT MILLISECONDS
#       COUNT connections to port 7 that send a byte so often and get it back. "open" when
#       all are; a line "COUNT ALIVE LONGEST" for each SIGUSR1: connections that still are,
#       and the longest time since the last SIGUSR1 that one waited for its byte
#   pair-client.pl young ADDRESS MILLISECONDS LIFE
#       so often a new connection to port 7 that sends a byte at once and every 200 ms, gets
#       each back, and ends after LIFE milliseconds; a line for each: its begin, and "whole" or
#       what broke it: "reset", or "silent": a byte did not come back within 1.4 s
#   pair-client.pl transfer ADDRESS
#       reads from port 9. On SIGTERM ends it in order: "whole BYTES LONGEST" when the
#       checksum is right, LONGEST being the longest silence in milliseconds
#
# System calls are dear in the lab's kernel, so there are few: the time, for one, is asked for
# once in each round.
use strict;
use warnings;
use Digest::SHA;
use IO::Handle;
use Socket qw(:DEFAULT inet_pton);
use Time::HiRes qw(clock_gettime CLOCK_BOOTTIME);

$| = 1;
$SIG{PIPE} = 'IGNORE';
my ($what, $address, @more) = @ARGV;
my $SOCK_NONBLOCK = 2048;    # not in Socket of every version

sub now { return clock_gettime(CLOCK_BOOTTIME) * 1000 }

# Begins to connect.
sub reach {
    my ($port) = @_;
    my $family = $address =~ /:/ ? AF_INET6 : AF_INET;
    my $to = inet_pton($family, $address);
    $to = $family == AF_INET ? pack_sockaddr_in($port, $to) : pack_sockaddr_in6($port, $to);
    socket(my $socket, $family, SOCK_STREAM | $SOCK_NONBLOCK, 0) or die "socket: $!";
    return $socket if connect($socket, $to) || $!{EINPROGRESS};
    return;
}

sub numbers { my $bits = unpack 'b*', $_[0]; my @all; push @all, pos($bits) - 1 while $bits =~ /1/g; return @all }

sub probe {
    my $every = $more[0] // 10;
    my $limit = 1400;
    $| = 0;
    my (%open, $reads, $writes);
    $reads = $writes = '';
    my $now = now();
    my ($due, $flush) = ($now, $now);
    my $end = sub {
        my ($number, $word) = @_;
        my $one = delete $open{$number};
        vec($reads, $number, 1) = vec($writes, $number, 1) = 0;
        printf "%.1f %.1f %s\n", $one->{begin}, $now, $word;
    };
    my $failed = sub { $end->($_[0], $!{ECONNREFUSED} || $!{ECONNRESET} ? 'reset' : 'failed') };
    while (1) {
        if ($now >= $due) {
            # What a busy machine made late is not made up for.
            $due += $every;
            $due = $now + $every if $due < $now;
            if (my $socket = reach(7)) {
                my $number = fileno $socket;
                $open{$number} = { socket => $socket, begin => $now };
                vec($writes, $number, 1) = 1;
            } else {
                printf "%.1f %.1f failed\n", $now, $now;
            }
            for my $number (keys %open) { $end->($number, 'silent') if $open{$number}{begin} < $now - $limit }
            if ($now - $flush > 50) { STDOUT->flush; $flush = $now }
        }
        my $left = ($due - $now) / 1000;
        my $found = select my $read = $reads, my $write = $writes, undef, $left > 0 ? $left : 0;
        $now = now();
        next if $found <= 0;
        for my $number (numbers($write)) {
            vec($writes, $number, 1) = 0;
            vec($reads, $number, 1) = 1;
            syswrite($open{$number}{socket}, "?\n") or $failed->($number);
        }
        for my $number (numbers($read)) {
            next unless $open{$number};
            my $got = sysread $open{$number}{socket}, my $said, 64;
            if ($got) { chomp $said; $end->($number, $said) }
            else      { $failed->($number) }
        }
    }
}

sub long {
    my ($count, $every) = @more;
    my (%open, $reads, $writes);
    $reads = $writes = '';
    my ($asked, $longest, $up, $report) = (0, 0, 0, 0);
    $SIG{USR1} = sub { $report = 1 };
    my $end = sub {
        my ($number) = @_;
        vec($reads, $number, 1) = vec($writes, $number, 1) = 0;
        delete $open{$number};
    };
    my $connecting = 0;
    my @ring;    # [when, file number], in the order of time
    my $now = now();
    while (1) {
        while ($asked < $count && $connecting < 32) {
            my $socket = reach(7) or last;
            $asked++;
            $connecting++;
            $open{ fileno $socket } = { socket => $socket };
            vec($writes, fileno $socket, 1) = 1;
        }
        while (@ring && $ring[0][0] <= $now) {
            my ($due, $number) = @{ shift @ring };
            my $one = $open{$number} or next;
            # One question at a time; another while the answer is missing says nothing new.
            if (!$one->{waits}) {
                $one->{waits} = $now;
                syswrite($one->{socket}, 'x') or $end->($number), next;
            }
            push @ring, [$due + $every, $number];
        }
        if ($report) {
            $report = 0;
            for my $one (values %open) {
                next unless $one->{waits};
                my $silence = $now - $one->{waits};
                $longest = $silence if $silence > $longest;
            }
            printf "%d %d %.0f\n", $count, scalar(keys %open), $longest;
            $longest = 0;
        }
        # Not for each of them: what is due in the next few milliseconds goes together.
        my $left = @ring ? ($ring[0][0] - $now) / 1000 + 0.005 : 1;
        my $found = select my $read = $reads, my $write = $writes, undef, $left > 0 ? $left : 0;
        $now = now();
        next if $found <= 0;
        for my $number (numbers($write)) {
            vec($writes, $number, 1) = 0;
            $connecting--;
            my $error = unpack 'i', getsockopt($open{$number}{socket}, SOL_SOCKET, SO_ERROR);
            if ($error) { $end->($number); next }
            vec($reads, $number, 1) = 1;
            $up++;
            # The questions of all are spread over the time between two.
            my $first = $now + $every * ($up / $count);
            push @ring, [$first, $number];
            if ($up == $count) {
                @ring = sort { $a->[0] <=> $b->[0] } @ring;
                print "open\n";
            }
        }
        for my $number (numbers($read)) {
            my $one = $open{$number} or next;
            my $got = sysread $one->{socket}, my $said, 64;
            if (!$got) { $end->($number) unless !defined $got && $!{EAGAIN}; next }
            next unless $one->{waits};
            my $silence = $now - $one->{waits};
            $longest = $silence if $silence > $longest;
            $one->{waits} = 0;
        }
    }
}

sub young {
    my ($every, $life) = @more;
    my (%open, @ring, $reads, $writes);
    $reads = $writes = '';
    my $due = my $now = now();
    my $end = sub {
        my ($number, $word) = @_;
        my $one = delete $open{$number} or return;
        vec($reads, $number, 1) = vec($writes, $number, 1) = 0;
        printf "%.1f %s\n", $one->{begin}, $word;
    };
    my $say = sub {
        my ($number, $one) = @_;
        $one->{waits} = $now;
        push @ring, [$now + 200, $number, $one->{begin}];
        syswrite($one->{socket}, 'x') or $end->($number, 'reset');
    };
    while (1) {
        if ($now >= $due) {
            $due += $every;
            $due = $now + $every if $due < $now;
            if (my $socket = reach(7)) {
                $open{ fileno $socket } = { socket => $socket, begin => $now, waits => $now };
                vec($writes, fileno $socket, 1) = 1;
            }
        }
        while (@ring && $ring[0][0] <= $now) {
            my (undef, $number, $begin) = @{ shift @ring };
            my $one = $open{$number};
            next unless $one && $one->{begin} == $begin;
            if    ($one->{waits} && $now - $one->{waits} > 1400) { $end->($number, 'silent') }
            elsif ($one->{waits}) { push @ring, [$now + 200, $number, $begin] }
            elsif ($now - $begin > $life) { $end->($number, 'whole') }
            else                          { $say->($number, $one) }
        }
        my $left = ($due - $now) / 1000;
        my $found = select my $read = $reads, my $write = $writes, undef, $left > 0 ? $left : 0;
        $now = now();
        next if $found <= 0;
        for my $number (numbers($write)) {
            vec($writes, $number, 1) = 0;
            vec($reads, $number, 1) = 1;
            $say->($number, $open{$number});
        }
        for my $number (numbers($read)) {
            my $one = $open{$number} or next;
            my $got = sysread $one->{socket}, my $said, 64;
            if ($got) { $one->{waits} = 0 }
            elsif (defined $got || !$!{EAGAIN}) { $end->($number, 'reset') }
        }
    }
}

sub transfer {
    my $socket = reach(9) or die "connect: $!\n";
    my ($tail, $bytes, $longest, $last) = ('', 0, 0, 0);
    my $digest = Digest::SHA->new(1);
    my $ending = 0;
    $SIG{TERM} = sub { $ending = 1 };
    my $reads = '';
    vec($reads, fileno $socket, 1) = 1;
    while (1) {
        if ($ending == 1) { shutdown $socket, 1; $ending = 2 }
        my $found = select my $ready = $reads, undef, undef, 0.2;
        next if $found <= 0;
        my $got = sysread $socket, my $piece, 65536;
        die "lost after $bytes bytes: $!\n" unless defined $got;
        my $now = now();
        $longest = $now - $last if $last && $now - $last > $longest;
        $last = $now;
        last unless $got;
        print "begun\n" unless $bytes;
        $bytes += $got;
        $tail .= $piece;
        # The last 40 bytes may be the checksum.
        $digest->add(substr $tail, 0, length($tail) - 40, '') if length $tail > 40;
    }
    die "ended after $bytes bytes by the server\n" unless $ending;
    die "broken: $bytes bytes, their checksum differs\n" unless $tail eq $digest->hexdigest;
    printf "whole %d %.0f\n", $bytes, $longest;
}

my %words = (probe => \&probe, long => \&long, young => \&young, transfer => \&transfer);
my $word = $words{ $what // '' } or die "usage: see the beginning of $0\n";
$word->();
