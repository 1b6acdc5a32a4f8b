# D21, D22, B8, REL-05, REL-06, SYN-28: broken configurations. Each is refused as a whole,
# with file and line, and nothing changes: not the table, not the checks, not their rhythm.
# shellcheck source=tests/lab/one-director
source "${0%/*}/one-director"

for real in r1 r2; do web $real; done
vip_add d1
cat >/run/lab/good <<CONFIG
checkinterval=1
checktimeout=2
negotiatetimeout=2
quiescent=yes
fallback=127.0.0.1:80 gate
virtual=$VIP:80
	real=${ADDRESS[r1]}:80 gate 10
	real=${ADDRESS[r2]}:80 gate 10
	service=http
	request="ldirector.html"
	receive="Test Page"
	scheduler=wrr
	protocol=tcp
	checktype=negotiate
virtual=7
	real=${ADDRESS[r1]} gate 3
	scheduler=sh
	persistent=600
	checktype=on
CONFIG
http=$VIP:80 r1=${ADDRESS[r1]}:80 r2=${ADDRESS[r2]}:80
cp /run/lab/good $config

# Files with one thing wrong each.
mkdir /run/lab/broken
each() { # each KIND SED LINE…: with that change in each of these lines
    local kind=$1 line
    for line in "${@:3}"; do sed "$line$2" $config >/run/lab/broken/$kind-$line; done
}
# shellcheck disable=SC2046 # numbers are words
{
    each colon 's/=/ : /' $(seq 19)
    each name 's/^\(\t*\)[a-z]*/\1nonsense/' $(seq 19)
    each port 's/$/\n\treal=192.0.2.23:99999 gate/' $(seq 19)
    each empty 's/=.*/=/' $(seq 4) $(seq 6 19)
    each value 's/=\(.\).*/=\1%%/' 4 5 6 7 8 9 10 11 13 14 16 19
    each indent 's/^\t/ /' $(seq 7 14) $(seq 16 19)
    each method 's/gate/gatte/' 5 7 8 16
}
{ cat $config && grep -A2 "virtual=$VIP" $config; } >/run/lab/broken/twice
head -c 150 $config >/run/lab/broken/truncated
head -c 300 /dev/urandom >/run/lab/broken/random
{ cat $config && printf '\treal=[2001:db8::21]:80 gate\n'; } >/run/lab/broken/family

watch_kernel
director
expect_within "both servers enter" 30 eval 'weight_is $http $r1 10 && weight_is $http $r2 10'
client_start
before=$(table)
operations_mark
refused=0 unnamed=0
for file in /run/lab/broken/*; do
    cp "$file" $config
    case $(curl -s --unix-socket /run/directord/control.sock -X POST http://director/v1/reload) in
    '{"error"'*"$config:"[1-9]*) refused=$((refused + 1)) ;;
    '{"error"'*) refused=$((refused + 1)) unnamed=$((unnamed + 1)) && echo "without a line: $file" ;;
    *) not_ok "refused" "$file was accepted" ;;
    esac
done
[ $refused -ge 100 ] && ok "broken files, each refused as a whole ($refused)" || not_ok "broken files" "$refused"
expect "refusals that name no file and line" 0 $unnamed
untouched "all of them"
table_is "$before" && ok "the same table" || not_ok "the table" "$(table)"
none_lost "all of them: the client"
cp /run/lab/broken/name-5 $config
log_mark
ctl reload 2>/run/lab/error
expect "directord reload: exit status" 1 $?
grep -q "$config:5:.*nonsense" /run/lab/error && ok "and says where and what" || not_ok "reload's error" "$(cat /run/lab/error)"
expect_within "the log too" 5 eval "[ \$(told 'reading file $config at line 5: .*nonsense') = 1 ]"
ctl status | grep -q "LAST RELOAD FAILED.*$config:5" && ok "status too" || not_ok "status" "$(ctl status)"
ctl status --check >/run/lab/checked
expect "status --check: exit status" 1 $?
grep -q "^WARNING: the last reload failed: $config:5" /run/lab/checked && ok "and its reason" || not_ok "status --check" "$(cat /run/lab/checked)"

# The old configuration is in force in every respect: checks, quiescence, fallback, weights.
web_stop r2
expect_within "a server that dies afterwards is quiesced" 10 weight_is $http $r2 0
web_stop r1
expect_within "the last one: the fallback steps in" 10 weight_is $http 127.0.0.1:80 1
web r1
expect_within "one comes back with its weight" 10 weight_is $http $r1 10
expect_within "the fallback leaves" 5 weight_is $http 127.0.0.1:80 ""
cp /run/lab/good $config
ctl reload
expect "the repaired file: exit status" 0 $?
ctl status | grep -q "LAST RELOAD" && not_ok "status is clear again" "$(ctl status)" || ok "status is clear again"

# A file that vanished is a broken file.
operations_mark
rm $config
ctl reload 2>/run/lab/error
expect "a vanished file: exit status" 1 $?
grep -q $config /run/lab/error && ok "and it is named" || not_ok "a vanished file" "$(cat /run/lab/error)"
untouched "a vanished file"
kill -TERM $director
ended 0

# At the start: refused, and what is in the kernel stays.
in_ d1 ipvsadm -R <<<"$before"
cp /run/lab/broken/name-5 $config
operations_mark
from=$(now)
director
ended 1 "a broken file at the start: exit status"
[ $(($(now) - from)) -le 3000 ] && ok "at once ($(($(now) - from)) ms)" || not_ok "at once" "$(($(now) - from)) ms"
untouched "a broken file at the start"
