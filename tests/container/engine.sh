# The Docker engine: the one that answers, or one of our own. Sourced by run.
# shellcheck shell=bash
# shellcheck disable=SC2154 # work and scratch are run's

install_what_is_missing() {
  local packages=() command
  # Package and command have the same name, but for the engine's.
  for command in curl debootstrap iptables; do
    command -v "$command" >/dev/null || packages+=("$command")
  done
  docker info >/dev/null 2>&1 || { command -v dockerd && command -v docker; } >/dev/null || packages+=(docker.io)
  docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || packages+=(docker-compose)
  [ ${#packages[@]} = 0 ] || {
    say "installing ${packages[*]}"
    apt-get update -qq
    # The package would start an engine of its own where there is an init system.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  }
  # Without the plug-in, the client has the engine's own builder only, and wants to be told.
  docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
}

engine_pid=
engine_start() {
  if docker info >/dev/null 2>&1; then
    return
  fi
  say "starting an engine"
  export DOCKER_HOST=unix://$scratch/docker.sock
  # Neither a default bridge nor packet filters of its own: it leaves the machine's network alone, and its containers
  # reach each other and the host only. A session of its own: ^C is for run, which then stops it.
  setsid dockerd --data-root "$work/engine" --exec-root "$scratch/exec" --pidfile "$scratch/dockerd.pid" \
    --host "$DOCKER_HOST" --bridge=none --iptables=false --ip6tables=false --ip-masq=false \
    >"$work/engine.log" 2>&1 {lock}>&- &
  engine_pid=$!
  # Not one of the jobs that run waits for.
  disown "$engine_pid"
  local deadline=$((SECONDS + 60))
  until docker info >/dev/null 2>&1; do
    kill -0 "$engine_pid" 2>/dev/null || fail "the engine has ended: $(tail -n 3 "$work/engine.log")"
    [ $SECONDS -lt $deadline ] || fail "the engine does not answer: $(tail -n 3 "$work/engine.log")"
    sleep 0.1
  done
  # All in it is ours; what an interrupted run has left goes.
  local left
  left=$(docker ps --all --quiet)
  # shellcheck disable=SC2086 # one word for each container
  [ -z "$left" ] || docker rm --force --volumes $left >/dev/null
  docker network prune --force >/dev/null
}

# Stops the engine if it is ours, and waits for its end (it takes its containerd along).
engine_stop() {
  [ -n "$engine_pid" ] || return 0
  kill "$engine_pid" 2>/dev/null || return 0
  local deadline=$((SECONDS + 30))
  while kill -0 "$engine_pid" 2>/dev/null; do
    [ $SECONDS -lt $deadline ] || { kill -KILL "$engine_pid"; break; }
    sleep 0.1
  done
}

remove_what_this_run_made() {
  local ids
  docker info >/dev/null 2>&1 || return 0
  ids=$(docker ps --all --quiet --filter "label=$run_label")
  # shellcheck disable=SC2086 # one word for each container
  [ -z "$ids" ] || docker rm --force --volumes $ids >/dev/null
  ids=$(docker volume ls --quiet --filter "label=$run_label")
  # shellcheck disable=SC2086 # one word for each volume
  [ -z "$ids" ] || docker volume rm --force $ids >/dev/null
  docker network rm "$network" >/dev/null 2>&1 || true
}
