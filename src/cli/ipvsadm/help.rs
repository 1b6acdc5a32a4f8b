//! `-h` and `-v`.

use crate::model::Info;

/// The version line of the program that this one stands for, which scripts ask for.
pub(super) fn version(info: Info) -> String {
    let (major, minor, patch) = info.version;
    format!("ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v{major}.{minor}.{patch})\n")
}

/// What there is to say.
pub(super) const TEXT: &str = "\
directord, as ipvsadm
Usage:
  ipvsadm -A|-E SERVICE [-s SCHEDULER] [-p [SECONDS]] [-M MASK] [--pe ENGINE] [-b FLAG,…] [-o]
  ipvsadm -D SERVICE
  ipvsadm -a|-e SERVICE -r HOST[:PORT] [-g|-i|-m] [-w WEIGHT] [-x UPPER] [-y LOWER] [TUNNEL]
  ipvsadm -d SERVICE -r HOST[:PORT]
  ipvsadm -L [SERVICE|-c|--timeout|--daemon] [-n] [COLUMNS] [--exact] [--nosort]
  ipvsadm -S [-n]        ipvsadm -R        ipvsadm -C        ipvsadm -Z [SERVICE]
  ipvsadm --set TCP TCPFIN UDP
  ipvsadm --start-daemon master|backup [DAEMON]        ipvsadm --stop-daemon master|backup
  ipvsadm -h             ipvsadm -v

The command comes first. Without any argument the table is listed.

Commands:
  -A, --add-service      add a virtual service
  -E, --edit-service     give it other attributes; what is not named returns to its default
  -D, --delete-service   remove it and its real servers
  -a, --add-server       add a real server to a virtual service
  -e, --edit-server      give it other attributes; what is not named returns to its default
  -d, --delete-server    remove it
  -L, -l, --list         list the table
  -S, --save             print the table as commands, for -R
  -R, --restore          carry out commands from standard input, a line each
  -C, --clear            remove all services
  -Z, --zero             set counters to zero, of one service or of all
  --set                  seconds until idle TCP, closing TCP and UDP entries end; 0: as it is
  --start-daemon         start sending (master) or receiving (backup) connection entries
  --stop-daemon          stop it
  -h, --help             this text
  -v, --version          version of the program and of IPVS

SERVICE:
  -t, --tcp-service HOST[:PORT]      -u, --udp-service HOST[:PORT]
  --sctp-service HOST[:PORT]         -f, --fwmark-service MARK [-6, --ipv6]

Of a service:
  -s, --scheduler NAME        rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh; wlc without
  -p, --persistent [SECONDS]  a client keeps its server, for 360 seconds without a number
  -M, --netmask MASK          which clients count as one: an IPv4 mask, an IPv6 prefix length
  --pe ENGINE                 persistence engine: sip
  -b, --sched-flags FLAG,…    sh-fallback sh-port mh-fallback mh-port flag-1 flag-2 flag-3
  -o, --ops                   every datagram is scheduled by itself

Of a real server:
  -g, --gatewaying            direct routing, the default
  -i, --ipip                  tunnel
  -m, --masquerading          network address translation
  -w, --weight NUMBER         1 without; 0: no new connections
  -x, --u-threshold NUMBER    connections from which on it gets no more; 0: no limit
  -y, --l-threshold NUMBER    connections below which it gets some again

TUNNEL:
  --tun-type ipip|gue|gre     ipip without
  --tun-port PORT             of gue
  --tun-nocsum, --tun-csum, --tun-remcsum

COLUMNS:
  --stats  --rate  --thresholds  --persistent-conn  --tun-info

Of a listing:
  -n, --numeric               addresses and ports as numbers
  -c, --connection            connection entries; with --persistent-conn what engines know
  --timeout                   the values of --set
  --daemon                    the sync daemons
  -X, --exact                 counters in full
  --nosort                    in the kernel's order
  --sort                      as it is anyway

DAEMON:
  --mcast-interface NAME      eth0 without
  --syncid NUMBER             0 without
  --sync-maxlen BYTES         1472 without
  --mcast-group ADDRESS       224.0.0.81 without
  --mcast-port PORT           8848 without
  --mcast-ttl NUMBER          1 without
";
