# Servers by name, and a name server that fails in every way: nothing is removed because of it,
# and no check waits for it. R29.
source "${0%/*}/director"

dns=/run/lab/dns
mkdir -p $dns
echo 'nameserver 127.0.0.1' >/run/lab/resolv.conf
mount --bind /run/lab/resolv.conf /etc/resolv.conf
mode() { echo "$1" >$dns/mode; }
echo "$r1" >$dns/one.example
echo "$r2" >$dns/two.example
echo "$VIP" >$dns/vip.example
mode good
spawn d1 /usr/bin/python3 -IS "$HERE/dns.py" >/run/lab/dns.out
wait_until 10 grep -q ready /run/lab/dns.out || not_ok "a name server" "did not start"
web r1
web r2
web r3 80 $(seq 2100 2139)
changes_watch 50

configuration() {
    local i
    printf 'checktimeout=3\n'
    printf 'virtual=%s:80\n    real=one.example:80 gate\n    real=two.example:80 gate\n    real=three.example:80 gate\n' "$VIP"
    printf '    checktype=connect\n    checkinterval=1\n'
    printf 'virtual=vip.example:81\n    real=%s:80 gate\n    checktype=connect\n    checkinterval=1\n' "$r1"
    # The others, whose rhythm is watched.
    for ((i = 100; i < 140; i++)); do
        printf 'virtual=%s:%s\n    real=%s:%s gate\n    checktype=connect\n    checkinterval=1\n' "$VIP" $i "$r3" $((2000 + i))
    done
    printf 'virtual=unknown.example:82\n    real=%s:80 gate\n    checktype=connect\n    checkinterval=1\n' "$r1"
}
names() { # what the status says of them
    "$DIRECTORD" status --json | /usr/bin/python3 -IS -c '
import json, sys
names = json.load(sys.stdin)["names"]
print(" ".join("%s=%s" % (one["name"].split(".")[0], one["keeps"]) for one in names["unresolved"]))'
}
failures() {
    "$DIRECTORD" status --json | /usr/bin/python3 -IS -c 'import json, sys; print(json.load(sys.stdin)["names"]["failures"])'
}
# interval SECONDS: mean time between two rounds of a check, in ms, by the director's count and clock.
interval() {
    "$DIRECTORD" status --json >/run/lab/before
    sleep "$1"
    "$DIRECTORD" status --json >/run/lab/after
    /usr/bin/python3 -IS -c '
import json
def look(path):
    status = json.load(open(path))
    rounds = [server["check"]["rounds"] for service in status["services"] for server in service["servers"]]
    return status["uptime_seconds"], sum(rounds) / len(rounds)
(began, first), (ended, last) = look("/run/lab/before"), look("/run/lab/after")
print(round((ended - began) / (last - first) * 1000))'
}
both="$r1:80 Route 1, $r2:80 Route 1"

director_start < <(configuration)
expect_servers "known names serve, one that is not known is left out" "$both" -t $VIP:80
expect_servers "a service by name" "$r1:81 Route 1" -t $VIP:81
expect "the status names them" "three=None unknown=None" "$(names)"
expect "the log has the line" 1 "$(told 'invalid address (three.example) for real server (could not resolve host), left out until the name is found')"
calm=$(interval 8)
began=$(now)
for how in nxdomain silent servfail cnames compression garbage; do
    mode $how
    from=$(now)
    "$DIRECTORD" reload >/dev/null || not_ok "$how: reload" "failed"
    took=$(($(now) - from))
    if [ $took -le 3500 ]; then ok "$how: reload ends ($took ms)"; else not_ok "$how: reload ends" "$took ms"; fi
    expect "$how: the last good addresses are kept" "one=$r1 three=None two=$r2 unknown=None vip=$VIP" "$(names)"
done
mode silent
for _ in 1 2 3; do "$DIRECTORD" reload >/dev/null; done &
upset=$(interval 8)
wait $!
if [ "$upset" -le $((calm * 105 / 100)) ]; then
    ok "checks keep their interval ($calm ms, then $upset ms)"
else
    not_ok "checks keep their interval" "$calm ms, then $upset ms"
fi
expect "told once for each name" 3 "$(told 'cannot be resolved and keeps its last address')"
if [ "$(failures)" -ge 30 ]; then ok "failures are counted"; else not_ok "failures are counted" "$(failures)"; fi
mode many
for _ in 1 2 3; do "$DIRECTORD" reload >/dev/null; done
expect "a thousand answers: known again, and the address in use is kept" "three=None unknown=None" "$(names)"
expect_still "nothing was done to the first" "$began" $VIP:80 "$r1:80"
expect_still "nor to the second" "$began" $VIP:80 "$r2:80"
expect_still "nor to the service by name" "$began" $VIP:81 "$r1:81"
mode silent
kill -KILL "$director"
wait "$director" 2>/dev/null
rm /run/directord/control.sock
director_start < <(configuration)
sleep 2
expect "a start without names leaves the table as it is" "$both" "$(servers -t $VIP:80)"
expect_still "and touches nobody" "$began" $VIP:80 "$r1:80"
echo "$r3" >$dns/three.example
mode good
SOON=45 expect_servers "names are asked for again" "$both, $r3:80 Route 1" -t $VIP:80
expect "only one is left" "unknown=None" "$(names)"
expect_still "the known ones were left alone" "$began" $VIP:80 "$r1:80"
rm $dns/one.example
echo "$r3" >$dns/two.example
"$DIRECTORD" config check /run/lab/director.cf >/run/lab/check && not_ok "config check" "took an unknown name"
expect "config check refuses unknown names" 1 "$(grep -c 'invalid address (one.example)' /run/lab/check)"
director_stop
