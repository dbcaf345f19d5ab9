# A compose project.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # case.sh and steps.sh supply what is used

case_compose() {
  title "a compose project: the application finds the collector by its service's name"
  export APP_IMAGE=$scratch_image SERVICE=$service
  trap 'compose_down; leave' EXIT
  project up --detach
  app=$(project ps --quiet app)
  receiver=$(project ps --quiet receiver)
  await said "$app" listening
  fetch "http://$(address_of "$app"):8080/hello?[1-20]" >"$directory/answers"
  same 20 "$(grep -cx hello "$directory/answers")" "requests answered"
  project stop app
  same 0 "$(docker inspect --format '{{.State.ExitCode}}' "$app")" "exit status"
  same "${can_trace:+2}0" "$(fetch "http://$(address_of "$receiver"):4318/count?service=$service")" "spans"
  detail "20 of 20 spans"
}

case_compose_for_development() {
  title "docker/compose.yaml: valid, and the shop starts with nothing but what it says"
  local file=$root/docker/compose.yaml
  compose --file "$file" config --quiet
  ! compose --file "$file" config | grep -q 'cap_add' || wrong "the file adds capabilities"
  traced_with --cap-drop ALL --read-only --security-opt no-new-privileges:true "$scratch_image"
}

compose() {
  local command=(docker-compose)
  if docker compose version >/dev/null 2>&1; then command=(docker compose); fi
  "${command[@]}" --project-name "${service,,}" "$@"
}

project() { compose --file "$here/compose/compose.yaml" "$@"; }

compose_down() {
  local status=$?
  if [ $status != 0 ]; then project logs --tail 12; fi
  project down --volumes
  return $status
}

address_of() { docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }
