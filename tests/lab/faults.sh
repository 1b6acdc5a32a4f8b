# Real servers that fail in every way: how long until they are out, and in again. Checks
# once a second, time-out 1 s, two failures in a row. Every fault has a service of its
# own; one more server stays good, to see that nobody else is touched.
source "${0%/*}/director"

RST=2200 HANG=3200 UP=2200
# Bounds by kind: what answers at once (or refuses) and what has to time out.
quick=(refuse close reset garbage huge-header odd-headers short-body chunk-huge chunk-negative
    chunk-overflow chunk-no-crlf wrong-text status-503 redirect-loop "redirect=http://$r2/ldirector.html")
slow=(silent hang full drip-header drip-body endless-headers endless-body chunk-trailers)
good=(split chunked)

words=() port=8000
declare -A PORT=()
for kind in "${quick[@]}" "${slow[@]}" "${good[@]}"; do
    port=$((port + 1))
    PORT[$kind]=$port
    words+=("$port=$kind")
done

service() { # service PORT REAL…: a checked service
    echo "virtual=$VIP:$1"
    shift
    printf '    real=%s masq\n' "$@"
}
config() {
    printf 'checktimeout=1\nnegotiatetimeout=1\ncheckinterval=1\nfailurecount=2\n'
    for port in "${PORT[@]}"; do
        service "$port" "$r1:$port" "$r2:80"
        printf '    service=http\n    request="ldirector.html"\n    receive="Test Page"\n'
    done
    # Faults of the network, made by packet filters on r3 and by pulling its cable.
    service 9001 "$r3:9001" "$r2:80" && echo '    checktype=connect'
    service 9002 "$r3:9002" "$r2:80" && printf '    service=http\n    request="ldirector.html"\n'
    service 9003 "$r3:9003" "$r2:80" && echo '    checktype=connect'
    service 9004 "$r3:9004" "$r2:80" && printf '    service=http\n    request="ldirector.html"\n'
    # Loss: the kernel's second attempt comes after one second.
    service 9011 "${ADDRESS[d2]}":{80,81,82,83,84,85,86,87} && loss_settings
    service 9012 "${ADDRESS[client]}":{80,81,82,83,84,85,86,87} && loss_settings
}
loss_settings() {
    printf '    checktype=connect\n    checktimeout=3\n    checkinterval=3\n    failurecount=3\n'
}

web r2
web r3 9001 9002 9003 9004
web d2 80 81 82 83 84 85 86 87
web client 80 81 82 83 84 85 86 87
hostile r1 "${words[@]}"
changes_watch
config | director_start

everyone() { [ "$(in_ d1 ipvsadm -Ln | awk '$1 == "->" && $4 == 1' | wc -l)" = $((2 * ${#PORT[@]} + 24)) ]; }
expect_within "all in" 15 everyone

for loss in d2:20% client:60%; do in_ "${loss%:*}" tc qdisc add dev eth0 root netem loss "${loss#*:}"; done
lossy=$(now)

sleep 1
began=$(now)
kill -USR1 "$hostile_pid"
for kind in "${quick[@]}"; do
    expect_change "out: ${kind%%=*}" "$began" $RST "$VIP:${PORT[$kind]}" "$r1:${PORT[$kind]}" -
done
for kind in "${slow[@]}"; do
    expect_change "out: $kind" "$began" $HANG "$VIP:${PORT[$kind]}" "$r1:${PORT[$kind]}" -
done
for kind in "${good[@]}"; do
    expect_still "stays: $kind" "$began" "$VIP:${PORT[$kind]}" "$r1:${PORT[$kind]}"
done
longest=$("$DIRECTORD" status --json | grep -o '"reason": *"[^"]*"' | awk '{ print length }' | sort -n | tail -1)
if [ "$longest" -gt 10 ] && [ "$longest" -le 1100 ]; then
    ok "reasons are short (longest $longest bytes)"
else
    not_ok "reasons are short" "$longest bytes"
fi
for kind in "${!PORT[@]}"; do
    echo "reason of $kind: $(reason "tcp:$VIP:${PORT[$kind]}" "$r1:${PORT[$kind]}")"
done
began=$(now)
kill -USR2 "$hostile_pid"
for kind in "${quick[@]}" "${slow[@]}"; do
    expect_change "back: ${kind%%=*}" "$began" $UP "$VIP:${PORT[$kind]}" "$r1:${PORT[$kind]}" 1
done

filter() { in_ r3 iptables-legacy "$@"; }
declare -A FROM=()
FROM[9001]=$(now)
filter -A INPUT -p tcp --dport 9001 -j REJECT --reject-with icmp-admin-prohibited
FROM[9002]=$(now)
filter -A OUTPUT -p tcp --sport 9002 ! --tcp-flags SYN,ACK SYN,ACK -j DROP
filter -A INPUT -p tcp --dport 9002 ! --syn -j DROP
FROM[9003]=$(now)
filter -A INPUT -p tcp --dport 9003 -j REJECT --reject-with icmp-host-unreachable
expect_change "out: administratively prohibited" "${FROM[9001]}" $RST "$VIP:9001" "$r3:9001" -
expect_change "out: half open" "${FROM[9002]}" $HANG "$VIP:9002" "$r3:9002" -
expect_change "out: host unreachable" "${FROM[9003]}" $RST "$VIP:9003" "$r3:9003" -
expect "the reason is kept: prohibited" "administratively prohibited" "$(reason "tcp:$VIP:9001" "$r3:9001")"
expect "the reason is kept: unreachable" "host unreachable" "$(reason "tcp:$VIP:9003" "$r3:9003")"
began=$(now)
unplug r3
expect_change "out: host silently gone" "$began" $HANG "$VIP:9004" "$r3:9004" -
