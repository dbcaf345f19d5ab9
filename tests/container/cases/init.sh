# Being the first process, or not: orphans, terminals, other init programs, shells, processes beside the program.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # case.sh and steps.sh supply what is used

case_zombies() {
  title "zombies: 500 orphans, none left"
  start "$debian_image"
  same 500 "$(fetch "http://$(address):8080/orphans?n=500")" "orphans made"
  no_zombies
  stop_well
}

no_zombies() { await fetched 0 "http://$(address):8080/zombies"; }

case_init() {
  title "--init: behind the engine's own init"
  start --init "$debian_image"
  requests 20
  same 500 "$(fetch "http://$(address):8080/orphans?n=500")" "orphans made"
  no_zombies
  stop_well
  says "signal 15" || wrong "the program has not seen SIGTERM"
  [ -z "$can_trace" ] || [ "$(fetch "$collector_url/spans?service=$service" | grep -c 'url.path=/hello')" = 20 ] ||
    wrong "not 20 spans of /hello"
  detail "20 of 20 spans"
}

case_pid_host() {
  title "--pid=host: not the first process"
  start --pid host "$scratch_image"
  requests 20
  stop_well
  says "signal 15" || wrong "the program has not seen SIGTERM"
  spans 20
}

# A client at a terminal, whose keys are typed into "$terminal". `script` gives it the terminal.
at_a_terminal() {
  local command
  mkfifo "$directory/keys"
  printf -v command '%q ' docker run --label "$run_label" --network "$network" --name "$service" \
    --env "OTEL_SERVICE_NAME=$service" --env OTEL_EXPORTER_OTLP_PROTOCOL=http/json \
    --env OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 --interactive --tty "$@"
  script --quiet --return --flush --command "$command" /dev/null <"$directory/keys" >"$directory/screen" &
  client=$!
  exec {terminal}>"$directory/keys"
  await says listening
}

# The state letter of the program.
state_of_program() {
  sed 's/.*) //; s/ .*//' "/proc/$(program)/stat"
}
is_stopped() { [ "$(state_of_program)" = T ]; }
is_not_stopped() { [ "$(state_of_program)" != T ]; }

case_terminal_interrupt() {
  title "-it: ^C is one SIGINT"
  at_a_terminal "$scratch_image" -exit 3
  requests 10
  printf '\003' >&"$terminal"
  status=0
  wait "$client" || status=$?
  same 3 $status "exit status of the client"
  same 1 "$(grep -c 'signal' "$directory/screen")" "signals the program has seen"
  grep -q 'signal 2' "$directory/screen" || wrong "it was not SIGINT"
  spans 10
}

case_terminal_stop() {
  title "-it: ^Z stops the program, SIGCONT lets it go on"
  at_a_terminal "$scratch_image"
  requests 5
  printf '\032' >&"$terminal"
  await is_stopped
  same running "$(docker inspect --format '{{.State.Status}}' "$service")" "the container's state"
  docker kill --signal CONT "$service" >/dev/null
  await is_not_stopped
  requests 5
  printf '\003' >&"$terminal"
  wait "$client" || wrong "the client ended with status $?"
  spans 10
}

case_shell_form() {
  title "shell form, ENTRYPOINT exec /go-auto-launch -- /app"
  derived "$debian_image" 'ENTRYPOINT exec /go-auto-launch -- /app -exit 4'
  start "$derived"
  requests 20
  stop_well 4
  spans 20
}

# The shell stays in front as the first process, and takes no SIGTERM: that is so without the launcher, too.
case_shell_form_without_exec() {
  title "shell form without exec: traced, and the status passes through the shell"
  derived "$debian_image" 'ENTRYPOINT /go-auto-launch -- /app -exit 4'
  start "$derived"
  requests 20
  kill -TERM "$(program)"
  same 4 "$(exit_status)" "exit status"
  spans 20
}

case_program_in_a_shell() {
  title "the program behind a shell, -- sh -c 'exec /app'"
  start --entrypoint /go-auto-launch "$debian_image" -- sh -c 'exec /app -exit 5'
  requests 20
  stop_well 5
  spans 20
}

is_healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$service")" = healthy ]; }

case_health_check() {
  title "HEALTHCHECK and docker exec: their processes are nobody's business"
  derived "$scratch_image" \
    'HEALTHCHECK --interval=1s --timeout=10s CMD ["/app", "get", "http://127.0.0.1:8080/hello"]'
  start "$derived"
  await is_healthy
  status=0
  docker exec "$service" /app exit 7 || status=$?
  same 7 $status "exit status of docker exec"
  docker exec "$service" /app get http://127.0.0.1:8080/hello
  no_zombies
  stop_well
  [ -z "$can_trace" ] || [ "$(fetch "$collector_url/count?service=$service")" -ge 2 ] || wrong "the requests of both have no spans"
}

# An image made of the image $1 and one more instruction: "$derived".
derived() {
  derived=$service:latest
  derived=${derived,,}
  printf 'FROM %s\n%s\n' "$1" "$2" | docker build --tag "$derived" - >"$directory/build.log" 2>&1 ||
    wrong "docker build failed: $(tail -n 12 "$directory/build.log")"
}
