# Real servers that fail in every way: how long until they are out, and in again. Checks
# once a second, time-out 1 s, two failures in a row. Every fault has a service of its
# own, with a second server that nothing must happen to.
source "${0%/*}/director"

RST=2200 HANG=3200 UP=2200
# What is seen at once, and what has to time out.
quick=(refuse close reset garbage huge-header odd-headers short-body chunk-huge chunk-negative
    chunk-overflow chunk-no-crlf wrong-text status-503 redirect-loop "redirect=http://$r3:9010/")
slow=(silent hang full drip-header drip-body endless-headers endless-body chunk-trailers)
good=(split chunked)

words=() port=8000
declare -A PORT=()
for kind in "${quick[@]}" "${slow[@]}" "${good[@]}"; do
    port=$((port + 1))
    PORT[$kind]=$port
    words+=("$port=$kind")
done

service() { # service PORT REAL…
    echo "virtual=$VIP:$1"
    shift
    printf '    real=%s masq\n' "$@"
}
config() {
    printf 'checktimeout=1\nnegotiatetimeout=1\ncheckinterval=1\nfailurecount=2\n'
    local page='    service=http\n    request="ldirector.html"\n    receive="Test Page"\n'
    for port in "${PORT[@]}"; do service "$port" "$r1:$port" "$r2:80" && printf "$page"; done
    # Faults of the network.
    service 9001 "$r3:9001" "$r2:80" && echo '    checktype=connect'
    service 9002 "$r3:9002" "$r2:80" && printf "$page"
    service 9003 "$r3:9003" "$r2:80" && echo '    checktype=connect'
    service 9004 "$r3:9004" "$r2:80" && printf "$page"
    # Loss: the kernel repeats a connection request after one second and after three.
    for port in 9011:d2 9012:client; do
        service "${port%:*}" "${ADDRESS[${port#*:}]}":{80,81,82,83,84,85,86,87,88,89,90,91}
        printf '    checktype=connect\n    checktimeout=3\n    checkinterval=3\n    failurecount=3\n'
    done
}

web r2
web r3 9001 9002 9003 9004
for host in d2 client; do web $host 80 81 82 83 84 85 86 87 88 89 90 91; done
hostile r1 "${words[@]}"
changes_watch
director_start < <(config)

everyone() { [ "$(in_ d1 ipvsadm -Ln | awk '$1 == "->" && $4 == 1' | wc -l)" = $((2 * ${#PORT[@]} + 32)) ]; }
expect_within "all in" 15 everyone
for loss in d2:0.2 client:0.6; do
    in_ "${loss%:*}" iptables-legacy -A INPUT -p tcp --syn -m statistic --mode random --probability "${loss#*:}" -j DROP
done
lossy=$(now)
in_ r3 iptables-legacy -A INPUT -p tcp --dport 9010

began=$(now)
kill -USR1 "$hostile_pid"
sleep 3
for kind in "${quick[@]}"; do
    expect_change "out: ${kind%%=*}" "$began" $RST "$VIP:${PORT[$kind]}" "$r1:${PORT[$kind]}" -
done
for kind in "${slow[@]}"; do
    expect_change "out: $kind" "$began" $HANG "$VIP:${PORT[$kind]}" "$r1:${PORT[$kind]}" -
done
for kind in "${good[@]}"; do
    expect_still "stays: $kind" "$began" "$VIP:${PORT[$kind]}" "$r1:${PORT[$kind]}"
done
expect "a redirection elsewhere is not followed" "0 packets" \
    "$(in_ r3 iptables-legacy -nvxL INPUT | awk '/dpt:9010/ { print $1 }') packets"
"$DIRECTORD" status --json | sed -n 's/^ *"reason": "\(.*\)",/reason: \1/p' >/run/lab/reasons
sort -u /run/lab/reasons
expect "reasons are short" "0 above 1 KiB" "$(awk 'length > 1100' /run/lab/reasons | wc -l) above 1 KiB"

began=$(now)
kill -USR2 "$hostile_pid"
sleep 2
for kind in "${quick[@]}" "${slow[@]}"; do
    expect_change "in again: ${kind%%=*}" "$began" $UP "$VIP:${PORT[$kind]}" "$r1:${PORT[$kind]}" 1
done

declare -A from=()
filter() { # filter PORT RULE…: on r3, and from when on
    in_ r3 iptables-legacy -A "${@:2}"
    from[$1]=$(now)
}
filter 9001 INPUT -p tcp --dport 9001 -j REJECT --reject-with icmp-admin-prohibited
# Accepts, and is never heard of again.
filter 9002 OUTPUT -p tcp --sport 9002 ! --tcp-flags SYN,ACK SYN,ACK -j DROP
filter 9003 INPUT -p tcp --dport 9003 -j REJECT --reject-with icmp-net-unreachable
expect_change "out: administratively prohibited" "${from[9001]}" $RST "$VIP:9001" "$r3:9001" -
expect_change "out: half open" "${from[9002]}" $HANG "$VIP:9002" "$r3:9002" -
expect_change "out: network unreachable" "${from[9003]}" $RST "$VIP:9003" "$r3:9003" -
# An IPv4 socket is told of both prohibitions as of a host that is unreachable (ip(7)).
expect "the reason is kept: prohibited" "host unreachable" "$(reason "tcp:$VIP:9001" "$r3:9001")"
expect "the reason is kept: unreachable" "network unreachable" "$(reason "tcp:$VIP:9003" "$r3:9003")"
unplug r3
began=$(now)
expect_change "out: host silently gone" "$began" $HANG "$VIP:9004" "$r3:9004" -
expect "the others were left alone" "0 changes" "$(awk -v from="$lossy" -v r2="$r2:80" '
    $1 > from && $3 == r2' "$CHANGES" | wc -l) changes"

# Some 13 rounds of 12 servers each.
wait_until 40 test $(($(now) - lossy)) -gt 40000
out() { awk -v from="$lossy" -v service="$VIP:$1" '$1 > from && $2 == service && $4 == "-"' "$CHANGES" | wc -l; }
lossy_seconds=$((($(now) - lossy) / 1000))
expect "20 % loss takes nobody out ($lossy_seconds s)" "0 removals" "$(out 9011) removals"
if [ "$(out 9012)" -gt 0 ]; then
    ok "60 % loss takes servers out ($(out 9012) removals)"
else
    not_ok "60 % loss takes servers out" "none in $lossy_seconds s"
fi
director_stop
