# What the launcher may do: capabilities, users, seccomp, read-only roots, limits.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # case.sh and steps.sh supply what is used

case_scratch() {
  title "FROM scratch, nothing added"
  traced_with "$scratch_image"
}

case_debian() {
  title "a Debian image, nothing added"
  traced_with "$debian_image"
}

case_bpf_default_rights() {
  title "BPF with the engine's default capabilities: the program runs, one line says why untraced"
  untraced_with --env GO_AUTO_LAUNCH_ENGINE=bpf "$scratch_image"
}

case_no_ptrace() {
  title "a seccomp profile without ptrace: the program runs, one line says why untraced; with SYS_ADMIN, by BPF"
  local profile=$directory/profile.json
  echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}]}' >"$profile"
  untraced_with --security-opt "seccomp=$profile" "$scratch_image"
  docker rm --force "$service" >/dev/null
  traced_with --security-opt "seccomp=$profile" --cap-add SYS_ADMIN "$scratch_image"
}

case_no_capabilities() {
  title "--cap-drop ALL"
  traced_with --cap-drop ALL "$scratch_image"
}

case_nothing_at_all() {
  title "--cap-drop ALL --user 65534 --read-only --security-opt no-new-privileges"
  traced_with --cap-drop ALL --user 65534:65534 --read-only --security-opt no-new-privileges "$scratch_image"
}

case_only_sys_admin() {
  title "BPF, --cap-drop ALL --cap-add SYS_ADMIN"
  traced_with --cap-drop ALL "${bpf[@]}" "$scratch_image"
}

case_bpf_and_perfmon() {
  title "BPF, --cap-drop ALL --cap-add BPF --cap-add PERFMON"
  if container --rm --cap-add BPF "$scratch_image" exit 0 2>"$directory/error"; then
    traced_with --env GO_AUTO_LAUNCH_ENGINE=bpf --cap-drop ALL --cap-add BPF --cap-add PERFMON "$scratch_image"
  else
    # As the documentation says.
    grep -q 'invalid CapAdd: unknown capability: "CAP_BPF"' "$directory/error" || wrong "$(cat "$directory/error")"
    detail 'which this engine refuses: unknown capability: "CAP_BPF"'
  fi
}

case_read_only() {
  title "--read-only"
  traced_with --read-only "$scratch_image"
}

case_no_new_privileges() {
  title "--security-opt no-new-privileges"
  traced_with --security-opt no-new-privileges "$scratch_image"
}

case_all_restrictions() {
  title "BPF, --cap-drop ALL --cap-add SYS_ADMIN --read-only --security-opt no-new-privileges"
  traced_with --cap-drop ALL "${bpf[@]}" --read-only --security-opt no-new-privileges "$scratch_image"
}

case_user() {
  title "--user 65534; by BPF untraced, for capabilities that are added do not reach it"
  start --user 65534:65534 "$scratch_image"
  requests 20
  grep -q $'^Uid:\t65534\t65534' "/proc/$(program)/status" || wrong "the program is not user 65534"
  stop_well
  spans 20
  docker rm --force "$service" >/dev/null
  start --user 65534:65534 "${bpf[@]}" "$scratch_image"
  stop_well
  spans 20
  untraced_in_one_line
}

case_memory_limit() {
  title "--memory 64m: 4000 requests, 8 at a time"
  start --memory 64m --memory-swap 64m "$scratch_image"
  fetch --parallel --parallel-max 8 "http://$(address):8080/hello?[1-4000]" >"$directory/answers"
  same 4000 "$(grep -cx hello "$directory/answers")" "requests answered"
  stop_well
  same false "$(docker inspect --format '{{.State.OOMKilled}}' "$service")" "killed for want of memory"
  spans 4000
}

case_pids_limit() {
  title "--pids-limit 16, --ulimit nofile=64"
  traced_with --pids-limit 16 --ulimit nofile=64 "$scratch_image"
}

case_attach() {
  title "--pid: the program of another container, whose PID namespace is shared"
  local tracer=$service-tracer
  # The launcher is in this image too, and is not started.
  container --detach --entrypoint /app "$scratch_image" >/dev/null
  await says listening
  docker run --detach --label "$run_label" --network "$network" --name "$tracer" --pid "container:$service" \
    --cap-add SYS_ADMIN --cap-add SYS_PTRACE --env "OTEL_SERVICE_NAME=$service" --env OTEL_EXPORTER_OTLP_PROTOCOL=http/json \
    --env OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 "$image" --pid 1 >/dev/null
  if [ -z "$can_trace" ]; then
    same 125 "$(timeout $patience docker wait "$tracer")" "exit status of a launcher that cannot trace"
    return
  fi
  tracing() { docker logs "$tracer" 2>&1 | grep -q '^go-auto-launch: tracing /app'; }
  await tracing
  requests 20
  # What the tracer does not outlive is the program, which runs on.
  docker stop "$tracer" >/dev/null
  same 0 "$(docker inspect --format '{{.State.ExitCode}}' "$tracer")" "exit status of the stopped tracer"
  spans 20
  requests 5
  docker stop "$service" >/dev/null
  same 0 "$(exit_status)" "exit status of the program"
}

case_supervisor() {
  title "several programs behind a shell in a Debian image, short-lived ones too"
  container --rm --env OTEL_SERVICE_NAME= --entrypoint /go-auto-launch "$debian_image" -- sh -c \
    "OTEL_SERVICE_NAME=$service-one /app once & OTEL_SERVICE_NAME=$service /app once; wait; OTEL_SERVICE_NAME=$service /app once"
  [ -z "$can_trace" ] || same 1 "$(fetch "$collector_url/count?service=$service-one")" "spans of the other program"
  spans 2
}

case_install() {
  title "--install: the launcher copied into a volume, in front of an image without it"
  local volume=$service-volume
  docker volume create --label "$run_label" "$volume" >/dev/null
  docker run --rm --label "$run_label" --volume "$volume:/copy" "$image" --install /copy
  traced_with --volume "$volume:/copy:ro" --entrypoint /copy/go-auto-launch "$scratch_image" -- /app
  docker rm --force "$service" >/dev/null
  docker volume rm "$volume" >/dev/null
}
