#!/usr/bin/env bash
# Records the captures of testdata/captures again, from real software.
#
#   record.sh CASE...|all     needs root, the Debian packages named in ../README.md and nothing else
#
# Every case runs in its own network namespaces ("ss-…") with documentation addresses; nothing leaves
# the machine. Leftovers of an interrupted run are removed first, so it can always be started again.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
captures=$here/../captures
work=$(mktemp -d /tmp/sipscope-record.XXXXXX)
export LC_ALL=C

# name      number   IPv4            IPv6
table='
alice       10       192.0.2.10      2001:db8:1::10
p1          01       198.51.100.1    2001:db8:2::1
p2          02       198.51.100.2    2001:db8:2::2
bob         20       203.0.113.20    2001:db8:3::20
bob2        21       203.0.113.21    2001:db8:3::21
carol       30       203.0.113.30    2001:db8:3::30
silent      66       203.0.113.66    2001:db8:3::66
'
column_of() { awk -v n="$1" -v c="$2" '$1 == n { print $c }' <<<"$table"; }
ip4() { column_of "$1" 3; }
ip6() { column_of "$1" 4; }

# ---- namespaces ----------------------------------------------------------------------------------

clean() {
	local ns pids
	for ns in $(ip netns list | awk '$1 ~ /^ss-/ { print $1 }'); do
		pids=$(ip netns pids "$ns" 2>/dev/null || true)
		# Only what runs inside our own namespaces.
		[ -z "$pids" ] || kill $pids 2>/dev/null || true
		sleep 0.1
		pids=$(ip netns pids "$ns" 2>/dev/null || true)
		[ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
		ip netns delete "$ns"
	done
}
trap 'clean; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

within() { local ns=$1; shift; ip netns exec "ss-$ns" "$@"; }

# One host: namespace, one veth into the middle. Offloading is off, so that checksums and segment
# sizes on the wire are those a network card would send; MAC addresses are those for documentation.
host() {
	local name=$1 mac
	mac=00:00:5e:00:53:$(column_of "$name" 2)
	ip netns add "ss-$name"
	ip -n "ss-$name" link set lo up
	ip -n "ss-$name" link add eth0 address "$mac" type veth peer name "$name" netns ss-mid
	within "$name" ethtool -K eth0 tx off tso off gso off gro off >/dev/null
	within mid ethtool -K "$name" tx off tso off gso off gro off >/dev/null
	within "$name" sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.router_solicitations=0
	ip -n "ss-$name" link set eth0 up
	ip -n ss-mid link set "$name" up
}

# Hosts on one switch; all documentation networks are on the link.
lab() {
	local name
	ip netns add ss-mid
	ip -n ss-mid link set lo up
	ip -n ss-mid link add br0 type bridge
	within mid sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	ip -n ss-mid link set br0 up
	for name in "$@"; do
		host "$name"
		ip -n ss-mid link set "$name" master br0
		ip -n "ss-$name" address add "$(ip4 "$name")/32" dev eth0
		ip -n "ss-$name" address add "$(ip6 "$name")/32" dev eth0 nodad
		for net in 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24; do
			ip -n "ss-$name" route add "$net" dev eth0
		done
	done
}

# Two hosts with a router between them.
routed_lab() {
	ip netns add ss-mid
	ip -n ss-mid link set lo up
	host alice
	host bob
	ip -n ss-alice address add 192.0.2.10/24 dev eth0
	ip -n ss-bob address add 203.0.113.20/24 dev eth0
	ip -n ss-mid address add 192.0.2.1/24 dev alice
	ip -n ss-mid address add 203.0.113.1/24 dev bob
	ip -n ss-alice route add default via 192.0.2.1
	ip -n ss-bob route add default via 203.0.113.1
	within mid sysctl -qw net.ipv4.ip_forward=1
}

# Drops the first N packets for a host whose SIP message begins with the characters given. The
# switch has carried (and captured) them by then.
drop_first() {
	local name=$1 count=$2 start=$3
	within "$name" nft add table inet lossy
	within "$name" nft 'add chain inet lossy in { type filter hook input priority 0; }'
	within "$name" nft "add rule inet lossy in udp dport 5060 @th,64,$((${#start} * 8)) 0x$(printf %s "$start" | od -An -tx1 | tr -d ' \n') numgen inc mod 100000 < $count drop"
}

# ---- programs ------------------------------------------------------------------------------------

sip_only='udp port 5060 or tcp port 5060 or (ip[6:2] & 0x1fff != 0) or ip6[6] == 44'

# capture NAMESPACE INTERFACE FILE [FILTER] [tcpdump options]
capture() {
	local ns=$1 interface=$2 file=$3 filter=${4:-$sip_only}
	shift 3; shift || true
	# Not by way of `within`: the id in $! has to be tcpdump's own.
	ip netns exec "ss-$ns" tcpdump -n -Z root -i "$interface" --immediate-mode -U -s 0 -w "$work/$file" "$@" "$filter" \
		>/dev/null 2>"$work/$file.log" &
	dumps+=($!)
	for _ in $(seq 50); do
		grep -q 'listening on' "$work/$file.log" 2>/dev/null && return
		sleep 0.1
	done
	cat "$work/$file.log" >&2
	return 1
}

end_capture() {
	local pid
	sleep 0.4
	for pid in "${dumps[@]}"; do
		kill -TERM "$pid" 2>/dev/null || true
		wait "$pid" || true
	done
	dumps=()
}

wait_for_port() {
	for _ in $(seq 60); do
		within "$1" ss -lntuH | grep -q ':5060 ' && return
		sleep 0.1
	done
	echo "nothing listens on port 5060 of $1" >&2
	return 1
}

# kamailio HOST CONFIG [options]
start_kamailio() {
	local name=$1 config=$2
	shift 2
	mkdir -p "$work/run-$name"
	within "$name" kamailio -DD -E -m 16 -M 4 -Y "$work/run-$name" -f "$here/kamailio/$config" \
		-l "udp:$(ip4 "$name"):5060" -l "tcp:$(ip4 "$name"):5060" -l "udp:[$(ip6 "$name")]:5060" "$@" \
		>"$work/kamailio-$name.log" 2>&1 &
	wait_for_port "$name" || { tail -20 "$work/kamailio-$name.log" >&2; return 1; }
	sleep 0.5
}
start_proxy() { local name=$1; shift; start_kamailio "$name" proxy.cfg -A 'DOMAIN="example.com"' "$@"; }

# sipp HOST SCENARIO [options]; the family and transport come from $family and $transport.
family=4
transport=u1
run_sipp() {
	local name=$1 scenario=$2 address
	shift 2
	if [ "$family" = 6 ]; then address=$(ip6 "$name"); else address=$(ip4 "$name"); fi
	(cd "$work" && within "$name" timeout 60 sipp -nostdin -sf "$here/sipp/$scenario.xml" -i "$address" -mi "$address" -p 5060 \
		-t "$transport" -m 1 -key me "$name" -timeout 50 \
		-trace_err -error_file "$work/$name-$scenario.err" "$@" >"$work/$name-$scenario.log" 2>&1) || {
		[ "${may_fail:-}" = yes ] && return
		echo "$case: sipp $scenario on $name failed" >&2
		cat "$work/$name-$scenario.err" >&2 2>/dev/null || tail -20 "$work/$name-$scenario.log" >&2
		return 1
	}
}
# A callee, in the background; `finish` waits for it.
callee() {
	local name=$1
	run_sipp "$@" -s "$name" -key domain example.com &
	callees+=($!)
	wait_for_port "$name"
}
# caller SCENARIO WHOM VIA-HOST [options]
caller() {
	local scenario=$1 whom=$2 via=$3 target
	shift 3
	if [ "$family" = 6 ]; then target="[$(ip6 "$via")]:5060"; else target="$(ip4 "$via"):5060"; fi
	run_sipp alice "$scenario" "$target" -s "${whom%@*}" -key domain "${whom#*@}" -cid_str "$case-%u@alice.example.com" \
		-au alice -ap secret -d "${talk:-1000}" "$@"
}
# Puts a host into the location table of a proxy, before the capture starts.
enrol() {
	local name=$1 proxy=$2 domain=${3:-example.com} aor=${4:-$1}
	run_sipp "$name" register "$(ip4 "$proxy"):5060" -s "$aor" -key domain "$domain" -cid_str "enrol-%u@$name"
}
finish() {
	local pid
	for pid in "${callees[@]}"; do wait "$pid"; done
	callees=()
	end_capture
}

# ---- cases ---------------------------------------------------------------------------------------
# Each leaves $work/capture.pcap or $work/capture.pcapng.

register_case() {
	lab alice p1
	start_proxy p1 -A WITH_CHALLENGE
	capture alice eth0 capture.pcap
	run_sipp alice "$1" "$(ip4 p1):5060" -s alice -key domain example.com -cid_str "$case-%u@alice.example.com" -au alice -ap "$2" \
		-auth_uri example.com
	end_capture
}
case_register_401() { register_case register-auth secret; }
case_register_unregister() { register_case register-unregister secret; }
case_register_wrong_password() { register_case register-refused wrong; }

# A call through one proxy; the capture at the proxy has both hops.
proxied() {
	local uac=$1 uas=$2
	shift 2
	lab alice bob p1
	start_proxy p1
	enrol bob p1
	capture p1 eth0 capture.pcap
	[ -z "$uas" ] || callee bob "$uas"
	caller "$uac" bob@example.com p1
	finish
}
case_proxy_call() { proxied uac-call uas-call; }
case_cancel_487() { proxied uac-cancel uas-elsewhere; }
case_busy_486() { proxied uac-refused uas-busy; }
case_declined_603() { proxied uac-refused uas-decline; }
case_no_answer_408() { proxied uac-refused uas-elsewhere; }
case_not_found_404() {
	lab alice p1
	start_proxy p1
	capture p1 eth0 capture.pcap
	caller uac-refused nobody@example.com p1
	end_capture
}
case_call_407() {
	lab alice bob p1
	start_proxy p1 -A WITH_CHALLENGE
	run_sipp bob register-auth "$(ip4 p1):5060" -s bob -key domain example.com -au bob -ap secret
	capture p1 eth0 capture.pcap
	callee bob uas-call
	caller uac-call-auth bob@example.com p1 -auth_uri bob@example.com
	finish
}
case_two_proxies() {
	lab alice bob p1 p2
	start_kamailio p2 proxy.cfg -A 'DOMAIN="example.net"'
	start_proxy p1 -A 'NEXT="sip:198.51.100.2:5060"'
	enrol bob p2 example.net
	capture mid br0 capture.pcap "$sip_only" --time-stamp-precision=nano
	callee bob uas-call
	caller uac-call bob@example.net p1
	finish
}

fork_case() {
	lab alice bob bob2 p1
	start_proxy p1
	enrol bob p1
	enrol bob2 p1 example.com bob
	capture mid br0 capture.pcap
	callee bob uas-call
	callee bob2 "$2"
	caller "$1" bob@example.com p1
	finish
}
case_fork_elsewhere() { fork_case uac-call uas-elsewhere; }
case_fork_two_answers() {
	# bob2 would never answer a branch it saw cancelled: the first CANCEL is lost behind the capture.
	lab alice bob bob2 p1
	drop_first bob2 1 CANC
	start_proxy p1
	enrol bob p1
	enrol bob2 p1 example.com bob
	capture mid br0 capture.pcap
	callee bob uas-call
	callee bob2 uas-late
	caller uac-two-answers bob@example.com p1
	finish
}

redirected() {
	lab alice bob p1
	start_proxy p1 -A WITH_REDIRECT
	capture alice eth0 capture.pcap
}
case_redirect_302() { redirected; caller uac-refused bob@example.com p1; end_capture; }
case_redirect_followed() { redirected; callee bob uas-call; caller uac-redirect bob@example.com p1; finish; }

# Calls without a proxy, captured on the switch.
direct() {
	local uac=$1 uas=$2
	shift 2
	lab alice bob
	[ "$#" = 0 ] || "$@"
	capture mid br0 capture.pcap
	callee bob "$uas"
	caller "$uac" bob@example.com bob
	finish
}
case_lost_200() { direct uac-call uas-call drop_first alice 2 'SIP/2.0 200'; }
case_lost_ack() { talk=2500 direct uac-call uas-call drop_first bob 2 'ACK '; }
case_no_ack() {
	lab alice bob
	# Lost before the point of capture, unlike in the cases above: no ACK is ever seen.
	within mid nft add table bridge lossy
	within mid nft 'add chain bridge lossy way { type filter hook forward priority 0; }'
	within mid nft 'add rule bridge lossy way oifname "bob" udp dport 5060 @th,64,32 0x41434b20 drop'
	capture bob eth0 capture.pcap
	callee bob uas-no-ack
	caller uac-orphan bob@example.com bob
	finish
}
case_hold() { direct uac-hold uas-hold; }
case_prack_update() { direct uac-prack uas-prack; }
case_fragments() { direct uac-large uas-call; }
case_fragments_ipv6() { family=6 direct uac-large uas-call; }
case_ipv6() { family=6 direct uac-call uas-call; }
case_tcp() { transport=t1 direct uac-call uas-call; }
case_tcp_to_udp() {
	lab alice bob p1
	start_proxy p1
	enrol bob p1
	capture p1 eth0 capture.pcap
	callee bob uas-call
	transport=t1 caller uac-call bob@example.com p1
	finish
}
case_lost_invite() {
	lab alice bob p1
	start_proxy p1
	enrol bob p1
	drop_first bob 1 INVI
	capture p1 eth0 capture.pcap
	callee bob uas-call
	caller uac-call bob@example.com p1
	finish
}
# The capture ends, or begins, in the middle of a call.
case_still_up() {
	lab alice bob
	capture mid br0 capture.pcap
	callee bob uas-call
	talk=2500 caller uac-call bob@example.com bob &
	callees+=($!)
	sleep 1.5
	end_capture
	finish
}
case_mid_call() {
	lab alice bob
	callee bob uas-call
	talk=2500 caller uac-call bob@example.com bob &
	callees+=($!)
	sleep 1.5
	capture mid br0 capture.pcap
	finish
}
case_no_response() {
	lab alice bob
	# A neighbour entry, so that the packets do leave although nobody is there.
	ip -n ss-alice neighbour add "$(ip4 silent)" lladdr 00:00:5e:00:53:66 dev eth0
	capture alice eth0 capture.pcap
	may_fail=yes
	caller uac-silence bob@example.com silent -max_invite_retrans 6 -default_behaviors none
	may_fail=
	end_capture
}

case_options_ping() {
	lab bob p1
	printf '1 sip:203.0.113.20:5060\n' >"$work/dispatcher.list"
	# Three pings and their answers; the server would go on for ever.
	capture p1 eth0 capture.pcap "$sip_only" -c 6
	callee bob uas-ok -m 3
	start_proxy p1 -A WITH_PING -A "PING_LIST=\"$work/dispatcher.list\""
	wait "${callees[0]}"
	callees=()
	end_capture
}
case_message() {
	lab alice bob p1
	start_proxy p1
	enrol bob p1
	capture p1 eth0 capture.pcap
	callee bob uas-message -m 2
	caller uac-message bob@example.com p1 -m 2 -r 1
	finish
}
case_presence() {
	lab alice bob p1
	cp -r /usr/share/kamailio/dbtext/kamailio "$work/db"
	start_kamailio p1 presence.cfg -A "DB=\"text://$work/db\""
	capture p1 eth0 capture.pcap
	caller subscriber bob@example.com p1 &
	callees+=($!)
	sleep 1
	run_sipp bob publisher "$(ip4 p1):5060" -key domain example.com -cid_str "$case-publish-%u@bob.example.com"
	finish
}

# The same packet more than once.
case_any_bridge() {
	lab alice bob
	capture mid any capture.pcap
	callee bob uas-call
	caller uac-call bob@example.com bob
	finish
}
case_any_router() {
	routed_lab
	capture mid any capture.pcap "$sip_only" -y LINUX_SLL
	callee bob uas-call
	caller uac-call bob@example.com bob
	finish
}
case_nat() {
	routed_lab
	within mid nft add table ip nat
	within mid nft 'add chain ip nat out { type nat hook postrouting priority 100; }'
	within mid nft 'add rule ip nat out oifname "bob" masquerade'
	capture mid alice inside.pcap
	capture mid bob outside.pcap
	callee bob uas-call-nat -key received 203.0.113.1
	caller uac-call bob@example.com bob
	finish
	mergecap -F pcapng -w "$work/capture.pcapng" "$work/inside.pcap" "$work/outside.pcap"
}

# Five seconds of 440 Hz, the microphone of every baresip.
make_tone() {
	python3 - "$1" <<-'END'
		import math, struct, sys, wave
		with wave.open(sys.argv[1], "wb") as out:
		    out.setnchannels(1), out.setsampwidth(2), out.setframerate(8000)
		    out.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * 440 * n / 8000))) for n in range(40000)))
	END
}
# baresip HOST SECONDS [options]: a phone without sound card.
start_baresip() {
	local name=$1 seconds=$2 dir=$work/baresip-$1
	shift 2
	mkdir -p "$dir"
	make_tone "$dir/tone.wav"
	sed "s/@ADDRESS@/$(ip4 "$name")/; s|@TONE@|$dir/tone.wav|" "$here/baresip/config" >"$dir/config"
	sed "s/@NAME@/$name/g; s/@ADDRESS@/$(ip4 "$name")/" "$here/baresip/accounts" >"$dir/accounts"
	: >"$dir/contacts"
	within "$name" baresip -f "$dir" -t "$seconds" "$@" </dev/null >"$work/baresip-$name.log" 2>&1 &
	callees+=($!)
	wait_for_port "$name"
	sleep 0.3
}
# One line to the console of a running baresip.
tell_baresip() {
	local name=$1 line=$2
	within "$name" python3 -c 'import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.argv[1].encode() + b"\n", ("127.0.0.1", 5555))' "$line"
}
case_baresip_rtp() {
	lab alice bob
	capture mid br0 capture.pcap udp
	start_baresip bob 6
	start_baresip alice 6
	tell_baresip alice '/dial sip:bob@203.0.113.20'
	sleep 1.2
	tell_baresip alice /hangup
	finish
}
case_refer_transfer() {
	lab alice bob carol
	capture mid br0 capture.pcap
	start_baresip carol 9
	start_baresip bob 9
	start_baresip alice 9
	tell_baresip alice '/dial sip:bob@203.0.113.20'
	sleep 2
	tell_baresip bob '/transfer sip:carol@203.0.113.30'
	sleep 2
	tell_baresip alice /hangup
	finish
}

# ---- all of it -----------------------------------------------------------------------------------

all() { declare -F | awk '$3 ~ /^case_/ { sub("case_", "", $3); gsub("_", "-", $3); print $3 }'; }

[ "$#" -gt 0 ] || { echo "usage: record.sh CASE...|all; cases:" $(all) >&2; exit 2; }
[ "$1" != all ] || set -- $(all)
for case in "$@"; do
	function=case_${case//-/_}
	declare -F "$function" >/dev/null || { echo "no such case: $case" >&2; exit 2; }
	clean
	dumps=() callees=()
	rm -rf "${work:?}"/*
	echo "== $case"
	"$function"
	mkdir -p "$captures/$case"
	rm -f "$captures/$case"/capture.pcap*
	mv "$work"/capture.pcap* "$captures/$case/" 2>/dev/null
	rm -f "$captures/$case"/*.log
	chmod 644 "$captures/$case"/capture.*
	python3 "$here/truth.py" "$captures/$case"
done
