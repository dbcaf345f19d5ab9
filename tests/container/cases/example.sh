# What a reader copies: examples/Dockerfile, with base images made here.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # case.sh and steps.sh supply what is used

case_example_dockerfile() {
  title "examples/Dockerfile: not root, all capabilities dropped, no-new-privileges, read-only"
  example=$service:latest
  docker build --tag "${example,,}" --file "$root/examples/Dockerfile" --build-arg "LAUNCHER=$image" \
    --build-arg GO=go-auto-launch-go --build-arg BASE=scratch \
    --network none "$root/examples/shop" >"$directory/build.log" 2>&1 ||
    wrong "the build failed: $(tail -n 12 "$directory/build.log")"
  example=${example,,}
  run_example --cap-drop ALL --security-opt no-new-privileges --read-only
  fetch "$collector_url/spans?service=$service" >"$directory/spans"
  detail "$(wc -l <"$directory/spans") of 20 spans"
  same 20 "$(wc -l <"$directory/spans")" "spans"
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
