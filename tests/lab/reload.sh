# Reload: D20, D24, D25, B22, REL-01…04, REL-07…09, GLO-09, GLO-10, CLI-28. What did not
# change is not touched, what changed is, and the table is that of the last configuration.
# shellcheck source=tests/lab/one-director
source "${0%/*}/one-director"

web r1 80 81
web r2
vip_add d1
http=tcp:$VIP:80 r1=${ADDRESS[r1]}:80 r2=${ADDRESS[r2]}:80 r3=${ADDRESS[r3]}:80
# configuration SERVERS [LINE…]: lines of the service under load, then anything.
configuration() {
    printf '%s\n' checkinterval=1 checktimeout=2 negotiatetimeout=2 "virtual=$VIP:80" \
        "	scheduler=rr" "	service=http" '	request="ldirector.html"' '	receive="Test Page"'
    printf '	real=%s gate\n' $1
    printf '%s\n' "virtual=$VIP:81" "	real=${ADDRESS[r1]}:81 gate" "	checktype=connect" "	scheduler=rr"
    shift
    printf '%s\n' "$@"
}
filler() { # filler N SERVERS [SCHEDULER [WEIGHT]]: a service of servers that are always up
    printf '%s\n' "virtual=$VIP:$((2000 + $1))" "	checktype=on" "	scheduler=${3:-rr}"
    for ((k = 1; k <= $2; k++)); do echo "	real=198.51.100.$k:80 masq ${4:-1}"; done
}
# reload: what "directord reload" asks, with a smaller program.
reload() { curl -sf --unix-socket /run/directord/control.sock -X POST -o /dev/null http://director/v1/reload; }
# wanted_fillers: the fillers as ipvsadm saves them, from the configuration itself.
wanted_fillers() {
    awk '/^virtual=.*:2[0-9][0-9][0-9]$/ { sub(/.*=/, ""); service = $1 }
         /^virtual=.*:8[01]$/ { service = "" }
         service && /scheduler/ { sub(/.*=/, ""); print "-A -t " service " -s " $1 }
         service && /real=/ { sub(/.*real=/, ""); print "-a -t " service " -r " $1 " -m -w " $3 }' $config | LC_ALL=C sort
}
fillers() { table | grep -E -- "-t $VIP:2[0-9]{3}( |$)" | LC_ALL=C sort; }
fillers_right() { [ "$(fillers)" = "$(wanted_fillers)" ]; }
rounds() { ctl status --json | awk -v server="\"$1\"" -F'[:,]' '/"server":/ { hit = index($0, server) } hit && /"rounds":/ { print $2 + 0; exit }'; }

configuration "$r1 $r2" >$config
watch_kernel
director
expect_within "both servers enter" 30 eval 'weight_is $VIP:80 $r1 1 && weight_is $VIP:80 $r2 1'
client_start
download_start "http://$VIP:81/slow"
expect_within "a download runs" 5 test -s /run/lab/download

# 50 reloads of the same, in both ways.
client_mark
operations_mark
from=$(now)
checked=$(rounds "$r1")
since=$(now)
for ((n = 0; n < 25; n++)); do
    kill -HUP $director
    if [ $((n % 8)) = 0 ]; then ctl reload; else reload; fi || not_ok "reload" "status $?"
done
took=$(($(now) - from))
again=$(rounds "$r1") until=$(($(now) - since))
untouched "50 reloads of the same file in $took ms"
none_lost "50 reloads: the client"
expect "50 reloads: servers up all the time" "up up" "$(state $http "$r1") $(state $http "$r2")"
[ $((again - checked)) -ge $((until / 2000)) ] && [ $((again - checked)) -le $((until / 1000 + 1)) ] &&
    ok "the rhythm of checks is kept ($((again - checked)) rounds in $until ms at 1 s)" ||
    not_ok "the rhythm of checks" "$((again - checked)) rounds in $until ms"

# A server that is dead and out is not tried by a reload.
web_stop r2
expect_within "a dead server leaves" 10 weight_is $VIP:80 "$r2" ""
client_mark
operations_mark
for ((n = 0; n < 5; n++)); do reload; done
configuration "$r1 $r2" "quiescent=no" >$config
reload
sleep 1
untouched "reloads with a dead server"
none_lost "reloads with a dead server: the client"

# Changes: a server more, a weight, a service more, a scheduler, all gone again.
web r3
configuration "$r1 $r2 $r3" "$(filler 1 3)" >$config
reload
expect_within "a new server" 10 weight_is $VIP:80 "$r3" 1
expect_within "a new service" 5 fillers_right
configuration "$r1 $r2 $r3" "$(filler 1 2 wrr 5)" >$config
operations_mark
reload
expect_within "other weights and scheduler, a server less" 5 fillers_right
expect "by editing what is there" "delete-server set-server set-server set-service" \
    "$(operations | cut -d' ' -f1 | sort | xargs)"
none_lost "all these: the client"
configuration "$r1 $r2" >$config
kill -HUP $director
expect_within "the service is deleted, the server leaves" 5 eval 'fillers_right && weight_is $VIP:80 $r3 ""'

# 200 reloads with a configuration that changes each time: after each the table is that of
# the newest one. In one process, because it is many.
cat >/run/lab/changing <<'CHANGING'
use strict;
use warnings;
use IO::Socket::UNIX;
my ($config, $vip) = @ARGV;
open my $base, '<', $config or die;
my $text = join '', <$base>;
my ($wrong, $slowest) = (0, 0);
for my $n (1 .. 200) {
    my ($new, %wanted) = ($text);
    for (my $i = $n % 7; $i < 12; $i += 1 + $n % 3) {
        my ($service, $scheduler) = ("$vip:" . (2000 + $i), $n % 2 ? 'wlc' : 'rr');
        $new .= "virtual=$service\n\tchecktype=on\n\tscheduler=$scheduler\n";
        $wanted{"-A -t $service -s $scheduler\n"}++;
        for my $k (1 .. ($n + $i) % 5) {
            my ($server, $weight) = ("198.51.100.$k:80", $n % 9 + 1);
            $new .= "\treal=$server masq $weight\n";
            $wanted{"-a -t $service -r $server -m -w $weight\n"}++;
        }
    }
    open my $file, '>', $config or die;
    print $file $new;
    close $file;
    my $director = IO::Socket::UNIX->new(Peer => '/run/directord/control.sock') or die;
    print $director "POST /v1/reload HTTP/1.1\r\nHost: d\r\n\r\n";
    my $answer = <$director> // '';
    my $right = '';
    for my $try (1 .. 50) {
        my %found = map { $_ => 1 } grep { / -t \Q$vip\E:2\d{3} / } qx(ipvsadm -Sn);
        $right = join('', sort keys %found) eq join '', sort keys %wanted;
        last if $right;
        $slowest = $try if $slowest < $try;
        select undef, undef, undef, 0.1;
    }
    $wrong++ unless $right && $answer =~ / 200 /;
}
print "$wrong wrong, at most $slowest looks more than one\n";
CHANGING
configuration "$r1 $r2" >$config
reload
client_mark
from=$(now)
seen=$(in_ d1 perl /run/lab/changing $config $VIP)
expect "200 reloads of changing files, ${seen#*, }, $(($(now) - from)) ms" "0 wrong" "${seen%%,*}"
none_lost "200 reloads: the client"
download_goes_on && ok "the download went on all the time" || not_ok "download" "it ended"
expect "memory in KiB, at most 40000" yes "$(awk '/VmRSS/ { print ($2 <= 40000 ? "yes" : $2) }' /proc/$director/status)"

# Change detection: time and content; callback; the relative path.
cat >/run/lab/callback <<'CALLBACK'
#!/bin/sh
echo "$@" >>/run/lab/called
CALLBACK
chmod +x /run/lab/callback
configuration "$r1" "autoreload=no" 'callback="/run/lab/callback"' >$config
reload
sleep 1.2
operations_mark
log_mark
touch $config
sleep 1.6
[ ! -e /run/lab/called ] && ok "a touched file is not a changed one" || not_ok "a touched file" "$(cat /run/lab/called)"
configuration "$r1" "autoreload=yes" 'callback="/run/lab/callback"' "$(filler 3 2)" >$config
expect_within "autoreload=no: the callback" 5 grep -qx "$config" /run/lab/called
untouched "autoreload=no: nothing is read"
expect "autoreload=no: told" 1 "$(told ' - ignore new configuration')"
reload
expect_within "read when told to" 5 fillers_right
rm /run/lab/called
sleep 1.2
configuration "$r1" "autoreload=yes" 'callback="/run/lab/callback"' "$(filler 3 4)" >$config
expect_within "autoreload=yes: it is read" 5 fillers_right
expect_within "autoreload=yes: the callback" 5 test -s /run/lab/called
expect "autoreload=yes: told" 1 "$(told ' - reread new configuration')"

# Whoever writes it takes his time.
log_mark
configuration "$r1" "autoreload=yes" "$(filler 3 4)" "$(filler 4 30)" >/run/lab/new
while IFS= read -r line; do
    printf '%s\n' "$line"
    sleep 0.05
done </run/lab/new >$config
expect_within "a file that is written slowly: it is read" 5 fillers_right
expect "a file that is written slowly: once" 1 "$(told ' - reread new configuration')"
expect "a file that is written slowly: nothing left meanwhile" 0 "$(told 'Purged|Deleted')"
sleep 1.2
configuration "$r1" "autoreload=yes" "nonsense" >$config
expect_within "autoreload of a broken file: status shows it" 5 eval 'ctl status | grep -q "LAST RELOAD FAILED.*$config:[0-9]"'
kill -TERM $director
ended 0

cd /run/lab || exit
config=ldirectord.cf
configuration "$r1" >$config
director
wait_until 10 answers_status
configuration "$r1" "$(filler 5 2)" >$config
ctl reload
expect_within "a relative path" 5 fillers_right
kill -TERM $director
ended 0
