# What a reader copies: examples/Dockerfile, with base images made here.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # case.sh and steps.sh supply what is used

case_example_dockerfile() {
  title "examples/Dockerfile: not root, file capabilities as +p"
  local capability=bpf,cap_perfmon add=(--cap-add BPF --cap-add PERFMON)
  if ! container --rm --cap-add BPF "$scratch_image" exit 0; then
    docker rm --force "$service"
    capability=sys_admin add=(--cap-add SYS_ADMIN)
  fi
  example=$service:latest
  with_buildkit --tag "${example,,}" --file "$root/examples/Dockerfile" --build-arg "LAUNCHER=$image" \
    --build-arg GO=go-auto-launch-go --build-arg BASE=scratch --build-arg "CAPABILITIES=cap_$capability+p" \
    --network none "$root/examples/shop"
  example=${example,,}

  # Without the capabilities, the file's do not keep it from starting.
  run_example --cap-drop ALL
  untraced_in_one_line
  docker rm "$service"

  run_example --cap-drop ALL "${add[@]}"
  fetch "$collector_url/spans?service=$service" >"$directory/spans"
  detail "$(wc -l <"$directory/spans") of 20 spans"
  same 20 "$(wc -l <"$directory/spans")" "spans with the file's capabilities"
}

# Builds with BuildKit: without it, COPY takes the capabilities off a file. Old clients have it built in, new ones need the
# plug-in buildx; where the first client has neither, the distribution's is asked.
with_buildkit() {
  local client
  for client in docker /usr/bin/docker; do
    if DOCKER_BUILDKIT=1 "$client" build "$@" >"$directory/build.log" 2>&1; then return; fi
    grep -q 'buildx component is missing' "$directory/build.log" || break
  done
  wrong "the build failed: $(tail -n 12 "$directory/build.log")"
}

# Runs the shop for 20 requests, and looks at who it is.
run_example() {
  local launcher permitted
  container --detach "$@" "$example"
  await fetch "http://$(address):8080/products/1"
  fetch "http://$(address):8080/products/[1-3]" "http://$(address):8080/products?[1-16]" >"$directory/answers"
  launcher=$(docker inspect --format '{{.State.Pid}}' "$service")
  grep -q $'^Uid:\t65532\t65532' "/proc/$(program)/status" || wrong "the program is not user 65532"
  permitted=$(sed -n 's/^CapPrm:\t//p' "/proc/$launcher/status")
  # Given up when the program runs, if there were any.
  same 0 "$((16#$permitted))" "permitted capabilities of the launcher"
  stop_well
}
