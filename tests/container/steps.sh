# What the cases are made of. Sourced by case.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2119,SC2120,SC2154 # name and directory are case's; run_label, network, collector_url and scratch are run's

# Far above what anything here takes; reaching it is a failure.
patience=30
# What BPF takes, where the engine does not know the smaller capabilities.
bpf=(--env GO_AUTO_LAUNCH_ENGINE=bpf --cap-add SYS_ADMIN)
# Only x86-64 is traced so far. Elsewhere the same cases show that the program runs as if alone: no spans, the same status.
can_trace=$([ "$(uname -m)" != x86_64 ] || echo yes)
# Each case has its own service name, and its containers' names begin with it.
service=$name-${scratch##*.}-$(basename "$(dirname "$directory")")

title() { echo "$*" >"$directory/title"; }
detail() { echo "$*" >"$directory/detail"; }
wrong() { echo "$*" >&2; exit 1; }

# At the end of the case: what its containers said, if it has failed; then they go.
leave() {
  local status=$? container
  for container in $(docker ps --all --quiet --filter "name=^/$service"); do
    if [ $status != 0 ]; then
      docker inspect --format '{{.Name}}: {{.State.Status}}, exit code {{.State.ExitCode}}' "$container"
      docker logs "$container" 2>&1 | tail -n 12
    fi
    docker rm --force --volumes "$container" >/dev/null
  done
  # The image that the case has made, if it has.
  docker image rm --force "${service,,}:latest" >/dev/null 2>&1 || true
  exit $status
}

# Waits until the command succeeds.
await() {
  local deadline=$((SECONDS + patience))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || wrong "waited $patience s in vain for: $*"
    sleep 0.05
  done
}

same() { [ "$1" = "$2" ] || wrong "$3: expected '$1', got '$2'"; }

# `docker run` with what every container of a case gets.
container() {
  docker run --label "$run_label" --network "$network" --name "$service" \
    --env "OTEL_SERVICE_NAME=$service" --env OTEL_EXPORTER_OTLP_PROTOCOL=http/json \
    --env OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 "$@"
}

# Starts a container in the background, and waits until its program listens.
start() {
  container --detach "$@" >/dev/null
  await says listening
}

# Whether the container has said this line.
said() { docker logs "$1" 2>&1 | tr -d '\r' | grep -qxF "$2"; }
says() { said "$service" "$1"; }

# The pid, seen from here, of the program: the child of the container's first process.
program() {
  local launcher child
  launcher=$(docker inspect --format '{{.State.Pid}}' "$service")
  read -r child _ <"/proc/$launcher/task/$launcher/children"
  echo "$child"
}
address() { docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$service"; }
fetch() { curl --silent --show-error --fail --noproxy '*' --max-time "$patience" "$@"; }

# Whether this is the answer of that URL.
fetched() { [ "$(fetch "$2")" = "$1" ]; }

# Sends $1 requests for /hello, one after the other.
requests() {
  local answered
  answered=$(fetch "http://$(address):8080/hello?[1-$1]" | grep -cx hello) || true
  same "$1" "$answered" "requests answered"
}

# The exit status of the container, as soon as it has ended.
exit_status() { timeout $patience docker wait "$service"; }
stop_well() {
  docker stop "$service" >/dev/null
  same "${1:-0}" "$(exit_status)" "exit status after SIGTERM"
}

# The collector has exactly $1 spans of this case; nobody waits, for the container has ended.
spans() {
  local arrived
  arrived=$(fetch "$collector_url/count?service=$service")
  if [ -z "$can_trace" ]; then
    same 0 "$arrived" "spans where nothing can be traced"
    return
  fi
  same "$1" "$arrived" "spans"
  [ "$1" = 0 ] || detail "$arrived of $1 spans"
}

# The lines that the launcher itself has written.
launcher_lines() { docker logs "$service" 2>&1 | tr -d '\r' | grep '^go-auto-launch: ' || true; }

# One line of the launcher says that, and why, the program is not traced.
untraced_in_one_line() {
  local lines
  lines=$(launcher_lines)
  same 1 "$(grep -c . <<<"$lines")" "lines of the launcher"
  grep -qi 'untraced\|not traced' <<<"$lines" || wrong "the launcher does not say that it does not trace: $lines"
}

# The program is traced with these options of docker run, from the first request to the last.
traced_with() {
  start "$@"
  requests 20
  stop_well
  spans 20
}

# The program runs untraced with these options.
untraced_with() {
  start "$@"
  requests 20
  stop_well
  spans 0
  untraced_in_one_line
}

scratch_image=go-auto-launch-app:scratch
debian_image=go-auto-launch-app:debian
