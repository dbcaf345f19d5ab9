# How a container ends: exit codes, docker stop, docker kill, restarts.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # case.sh and steps.sh supply what is used

case_exit_codes() {
  local code
  title "exit codes: 0, 1, 42, 125 and 255 are the program's; 127 without a program"
  for code in 0 1 42 125 255; do
    status=0
    container --rm "$scratch_image" exit $code || status=$?
    same $code $status "exit status"
  done
  status=0
  container --entrypoint /go-auto-launch "$scratch_image" -- /nothing 2>"$directory/error" || status=$?
  same 127 $status "exit status without a program"
  grep -q '^go-auto-launch: .*/nothing' "$directory/error" || wrong "no line names the missing program"
}

case_docker_stop() {
  title "docker stop: SIGTERM reaches the program, which finishes a request in progress"
  start "$scratch_image"
  requests 39
  fetch "http://$(address):8080/sleep?ms=700" &
  await says sleeping
  local began=$SECONDS
  stop_well
  wait $! || wrong "the request in progress got no answer"
  [ $((SECONDS - began)) -lt 10 ] || wrong "the grace period of 10 s was used up"
  says "signal 15" || wrong "the program has not seen SIGTERM"
  spans 40
}

case_docker_kill() {
  title "docker kill -s: HUP, USR1, WINCH and the real-time signals 35, 37 and 64, once each"
  local signal
  # Not 34: Go's runtime keeps it for itself.
  start "$scratch_image"
  for signal in 1 10 28 35 37 64; do
    docker kill --signal $signal "$service" >/dev/null
    await says "signal $signal"
  done
  requests 5
  docker kill --signal TERM "$service" >/dev/null
  same 0 "$(exit_status)" "exit status"
  same 7 "$(docker logs "$service" | grep -c '^signal')" "signals the program has seen"
  spans 5
}

case_program_killed() {
  title "the program is killed by SIGKILL: status 137, and its spans are there"
  start "$scratch_image"
  requests 10
  # The program, not the launcher: the child of the container's first process.
  kill -KILL "$(program)"
  same 137 "$(exit_status)" "exit status"
  spans 10
}

case_no_collector() {
  title "a collector that does not exist: the container stops within the grace period, with the program's status"
  local began=$SECONDS
  start --env OTEL_EXPORTER_OTLP_ENDPOINT=http://nowhere.invalid:4318 "$scratch_image" -exit 9
  requests 5
  stop_well 9
  [ $((SECONDS - began)) -lt 10 ] || wrong "the grace period of 10 s was used up"
  [ -z "$can_trace" ] || launcher_lines | grep -q 'nowhere.invalid' || wrong "no line names the collector"
}

case_restarts() {
  title "50 starts of one container: each run's span arrives"
  local run
  container --detach "$scratch_image" once >/dev/null
  same 0 "$(exit_status)" "exit status of run 1"
  for run in {2..50}; do
    docker start --attach "$service" || wrong "run $run ended with status $?"
  done
  spans 50
}

case_restart_always() {
  title "--restart=always: the engine starts it again after each end, and each run is traced"
  container --detach --restart always "$scratch_image" once >/dev/null
  await restarted
  docker update --restart no "$service" >/dev/null
  [ -z "$can_trace" ] || [ "$(fetch "$collector_url/count?service=$service&at-least=4&within=${patience}s")" -ge 4 ] ||
    wrong "less than 4 spans after 4 starts"
}

restarted() { [ "$(docker inspect --format '{{.RestartCount}}' "$service")" -ge 4 ]; }
