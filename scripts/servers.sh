#!/usr/bin/env bash
# PostgreSQL and NATS for the tests: installs both where they are missing, starts them on free loopback ports, stops them.
#
#   eval "$(scripts/servers.sh start)"   # sets VECDELTA_TEST_POSTGRES and VECDELTA_TEST_NATS
#   scripts/servers.sh stop
#
# Their data are below target/servers/ and are thrown away by every start. Installing needs root and apt-get.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root="$PWD/target/servers"

# PostgreSQL refuses to run as root: then it runs as its own user.
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

pg_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }

install() {
    local missing=()
    [ -n "$(pg_bin)" ] || missing+=(postgresql)
    command -v nats-server >/dev/null || missing+=(nats-server)
    [ "${#missing[@]}" = 0 ] && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "missing: ${missing[*]}; install them first" >&2; exit 1; }
    # The packages would start servers of their own; ours are started here.
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; made=1; fi
    local done=0
    { apt-get update -q -o DPkg::Lock::Timeout=300 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"; } >&2 || done=1
    [ -z "$made" ] || rm -f "$policy"
    return "$done"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start_postgres() {
    local bin port data="$root/postgres"
    bin="$(pg_bin)" port="$(free_port)"
    mkdir -p "$data"
    [ "$(id -u)" != 0 ] || chown postgres "$data"
    # Whoever runs it has to get there; the folders above may be private, so it is linked from a place of its own.
    local short; short="$(mktemp -d /tmp/vecdelta-pg.XXXXXX)"
    chmod 755 "$short"
    if ! as_postgres test -w "$data"; then
        rm -rf "$data"; mkdir "$short/data"; data="$short/data"
        [ "$(id -u)" != 0 ] || chown postgres "$data"
    fi
    echo "$short" >"$root/postgres.place"
    echo "$data" >"$root/postgres.data"
    # initdb's own user is called postgres whoever runs it; only loopback is listened to.
    (cd / && as_postgres "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$root/initdb.log" 2>&1)
    printf "listen_addresses = '127.0.0.1'\nport = %s\nunix_socket_directories = ''\nmax_connections = 50\n" "$port" |
        as_postgres tee -a "$data/postgresql.conf" >/dev/null
    (cd / && as_postgres "$bin/pg_ctl" -D "$data" -l "$data/server.log" -w -t 60 start >/dev/null)
    echo "$port" >"$root/postgres.port"
}

start_nats() {
    local port; port="$(free_port)"
    # -V and the port are all that a test needs; the store is thrown away with the folder.
    nats-server -a 127.0.0.1 -p "$port" -js -sd "$root/nats" -l "$root/nats.log" -P "$root/nats.pid" >/dev/null 2>&1 &
    disown
    for _ in $(seq 100); do
        if python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; then break; fi
        sleep 0.1
    done
    echo "$port" >"$root/nats.port"
}

stop() {
    if [ -f "$root/postgres.data" ]; then
        local data; data="$(cat "$root/postgres.data")"
        (cd / && as_postgres "$(pg_bin)/pg_ctl" -D "$data" -m immediate -w stop >/dev/null 2>&1) || true
        rm -rf "$(cat "$root/postgres.place")"
    fi
    if [ -f "$root/nats.pid" ]; then kill "$(cat "$root/nats.pid")" 2>/dev/null || true; fi
    rm -rf "$root"
}

case "${1:-}" in
start)
    install
    stop
    mkdir -p "$root"
    start_postgres
    start_nats
    # What the tests restart or kill is told as well.
    echo "export VECDELTA_TEST_POSTGRES='postgres://postgres@127.0.0.1:$(cat "$root/postgres.port")/postgres'"
    echo "export VECDELTA_TEST_POSTGRES_DATA='$(cat "$root/postgres.data")'"
    echo "export VECDELTA_TEST_NATS_DATA='$root'"
    echo "export VECDELTA_TEST_NATS='nats://127.0.0.1:$(cat "$root/nats.port")'"
    ;;
stop) stop ;;
*) echo "usage: scripts/servers.sh start|stop" >&2; exit 2 ;;
esac
