#!/bin/sh
# fabric.sh run|demo [--for DUR]: a keyed fabric on this machine's loopback, seen live.
# run: a collector and this machine's agent under ./var/. demo: five agents under ./var/demo/, one of
# which is killed and brought back. `./dev run` and `./dev demo` build first and end here.
set -eu

mode=$1
shift
seconds=
while [ $# -gt 0 ]; do
  case $1 in
    --for)
      [ $# -ge 2 ] || { echo "dev: --for needs a duration such as 20s" >&2; exit 2; }
      case $2 in
        *[!0-9smh]* | '' | [smh]*) echo "dev: '$2' is no duration: 20s, 5m or 1h" >&2; exit 2 ;;
        *m) seconds=$((${2%m} * 60)) ;;
        *h) seconds=$((${2%h} * 3600)) ;;
        *) seconds=${2%s} ;;
      esac
      shift 2 ;;
    *) echo "dev: unknown option '$1'; there is --for DURATION" >&2; exit 2 ;;
  esac
done

umask 077
if [ "$mode" = demo ]; then
  state=var/demo base=7711 cluster=demo nodes="n1 n2 n3 n4 n5"
else
  state=var base=7701 cluster=local
  node=$(uname -n | tr -c 'A-Za-z0-9._\n-' '-' | cut -c 1-36 | sed 's/^[^A-Za-z0-9]*//')
  nodes=${node:-this-machine}
fi
stream_in=tcp://127.0.0.1:$base
stream_out=tcp://127.0.0.1:$((base + 1))
control=tcp://127.0.0.1:$((base + 2))
mkdir -p "$state"

say() { printf '%s\n' "dev: $*"; }

if [ ! -e "$state/keyring" ]; then
  build/belfry keygen secret --epoch 1 --out "$state/keyring" >/dev/null
  say "made a cluster secret: $state/keyring"
fi

cat >"$state/collector.yaml" <<YAML
cluster: $cluster
name: c1
state_dir: $state/collector
stream_in: $stream_in
stream_out: $stream_out
control: $control
security:
  keyring: $state/keyring
YAML
cat >"$state/belfry.yaml" <<YAML
stream: $stream_out
control: $control
keyring: $state/keyring
socket: $state/$(set -- $nodes; echo "$1")/agent.sock
YAML
port=$((base + 3))
for n in $nodes; do
  mkdir -p "$state/$n"
  cat >"$state/$n.yaml" <<YAML
cluster: $cluster
node: $n
state_dir: $state/$n
collectors:
  - stream: $stream_in
    control: $control
peer: tcp://127.0.0.1:$port
socket: $state/$n/agent.sock
security:
  keyring: $state/keyring
probes:
  health: {interval: 1s}
  nodes: {interval: 200ms}
  persistence:
    interval: 5s
    stores:
      - {name: data, type: directory, path: $state/$n, probe_path: $state/$n/fsync.probe}
YAML
  port=$((port + 1))
done

pids=
agents=
stop() {
  trap '' INT TERM
  # Agents first: their farewell should still find a collector.
  for p in $agents $pids; do
    kill -TERM "$p" 2>/dev/null || :
    wait "$p" 2>/dev/null || :
  done
  agents= pids=
}
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM
trap stop EXIT

start_agent() {
  build/belfry-agent --config "$state/$1.yaml" 2>>"$state/$1.log" &
  agents="$agents $!"
  eval "agent_$(echo "$1" | tr -c 'A-Za-z0-9\n' _)=$!"
}

tap() { build/belfry --config "$state/belfry.yaml" "$@"; }

if tap status --timeout 300ms >/dev/null 2>&1; then
  say "a collector answers on $control already: stop it first, or look at it with" >&2
  say "  build/belfry --config $state/belfry.yaml status" >&2
  exit 1
fi

build/belfry-collector --config "$state/collector.yaml" 2>>"$state/collector.log" &
collector=$!
pids=$collector
for n in $nodes; do start_agent "$n"; done

# Wait until the cluster answers and every node is alive; a program that ended says why.
tries=0
wanted=$(echo "$nodes" | wc -w)
while :; do
  for p in $collector $agents; do
    kill -0 "$p" 2>/dev/null || {
      say "a program ended at its start:" >&2
      tail -n 5 "$state"/*.log >&2
      exit 1
    }
  done
  alive=$(tap status --json 2>/dev/null | grep -o '"state":"alive"' | wc -l) || alive=0
  [ "$alive" -lt "$wanted" ] || break
  tries=$((tries + 1))
  if [ "$tries" -gt 150 ]; then
    say "no live cluster after 30 s; the logs are in $state/" >&2
    tail -n 5 "$state"/*.log >&2
    exit 1
  fi
  sleep 0.2
done

next_steps() {
  cat <<TEXT

Running: collector c1 on 127.0.0.1 ports $base to $((base + 2)), $wanted agent(s), logs in $state/*.log
The dashboard (127.0.0.1:7780) is not part of this release. Try, in another terminal:

  build/belfry --config $state/belfry.yaml tap                      everything, live
  build/belfry --config $state/belfry.yaml tap --json --count 50    the same for programs
  build/belfry --config $state/belfry.yaml status                   the cluster
  build/belfry --config $state/belfry.yaml alerts                   what is wrong
  build/belfry --config $state/belfry.yaml send logging LogEntry level=info message=hello
TEXT
}

if [ "$mode" = demo ]; then
  # A node is only worth killing once its three probers have had an answer from it.
  tries=0
  while [ "$(tap status --json 2>/dev/null | grep -o '"state":"ok"' | wc -l)" -lt $((3 * wanted)) ] && [ $tries -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.2
  done
  say "five nodes are up:"
  tap status
  say "a collector that just began judges nobody for 4 s"
  sleep 5
  victim=n3
  eval "pid=\$agent_$victim"
  say "killing the agent of $victim (pid $pid)"
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null || :
  tap tap lifecycle/node/ alerts/ --no-snapshot --for 6s || :
  tap status "$victim" || :
  say "starting $victim again"
  start_agent "$victim"
  tap tap lifecycle/node/ alerts/ --no-snapshot --for 6s || :
  tap status || :
fi

next_steps
if [ -t 1 ]; then
  if [ -n "$seconds" ]; then
    timeout --foreground "$seconds" build/belfry --config "$state/belfry.yaml" status --watch || :
  else
    tap status --watch || :
  fi
else
  end=$(($(date +%s) + ${seconds:-86400}))
  while [ "$(date +%s)" -lt "$end" ]; do
    tap status || :
    left=$((end - $(date +%s)))
    [ "$left" -gt 0 ] || break
    sleep $((left < 5 ? left : 5)) &
    wait $! || :
  done
fi
say "stopping"
stop
trap - EXIT
say "stopped cleanly; start again with ./dev $mode"
