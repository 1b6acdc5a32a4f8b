# F11, S070 to S074: the five failures of a guide of 2007 for such pairs: a web server, the
# active director, both of these, all web servers, all web servers and a director; one after
# the other in one order, or in every one with ORDERS=all, or in those that begin with FIRST.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

SERVICES="virtual=$VIP:80
	real=${ADDRESS[r1]}:80 gate
	real=${ADDRESS[r2]}:80 gate
	fallback=127.0.0.1:80 gate
	service=http
	request=\"ldirector.html\"
	receive=\"Test Page\"
	scheduler=rr
"
for host in r1 r2 d1 d2; do web $host 80; done
pair_start d1
probe_start 50

# answers WHO…: within the time of the checks, those and only those answer.
answers() {
    local seen
    seen=$(ask client "http://$VIP/" 6 | tr -dc 'a-z0-9 ,' | sed 's/[0-9]* \([a-z]\)/\1/g')
    [ "$seen" = "$1" ]
}
active() { if role_is d1 active; then echo d1; elif role_is d2 active; then echo d2; fi; }
whole() {
    local host
    for host in r1 r2; do [ -e /run/lab/web/$host/pid ] || web $host 80; done
    for host in d1 d2; do role_is $host none && power_on $host; done
    wait_until 15 eval '[ -n "$(active)" ]'
    settle "$(active)"
    expect_within "  all is well again" 15 answers "r1, r2"
}
failure() {
    local gone other
    gone=$(active) other=$(peer_of "$(active)")
    case $1 in
    1) web_stop r1 && expect_within "1 a web server" 10 answers r2 ;;
    2) power_off "$gone" && expect_within "2 the active director" 10 answers "r1, r2" ;;
    3) web_stop r1 && power_off "$gone" && expect_within "3 a web server and the active director" 10 answers r2 ;;
    4) web_stop r1 && web_stop r2 && expect_within "4 all web servers: the active answers itself" 10 answers "$gone" ;;
    5) web_stop r1 && web_stop r2 && power_off "$gone" && expect_within "5 all web servers and the active director" 10 answers "$other" ;;
    esac
}
# Every order of the five, by Heap's way.
orders() {
    local n=$1 i swap
    if [ "$n" = 1 ]; then echo "${five[*]}" && return; fi
    for ((i = 0; i < n; i++)); do
        orders $((n - 1))
        swap=$((n % 2 ? 0 : i))
        local keep=${five[swap]}
        five[swap]=${five[n - 1]} five[n - 1]=$keep
    done
}
five=(1 2 3 4 5)
[ "${ORDERS:=1 2 3 4 5}" != all ] || ORDERS=$(orders 5 | grep "^${FIRST:-}")
while read -r -a order; do
    echo "order ${order[*]}"
    for each in "${order[@]}"; do
        failure "$each"
        whole
    done
done <<<"$ORDERS"
one_owner "all of it"
