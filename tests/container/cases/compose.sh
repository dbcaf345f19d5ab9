# A compose project.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # case.sh and steps.sh supply what is used

case_compose() {
  title "a compose project: the application finds the collector by its service's name"
  export APP_IMAGE=$scratch_image SERVICE=$service
  trap 'compose_down; leave' EXIT
  compose up --detach
  app=$(compose ps --quiet app)
  receiver=$(compose ps --quiet receiver)
  await said "$app" listening
  fetch "http://$(address_of "$app"):8080/hello?[1-20]" >"$directory/answers"
  same 20 "$(grep -cx hello "$directory/answers")" "requests answered"
  compose stop app
  same 0 "$(docker inspect --format '{{.State.ExitCode}}' "$app")" "exit status"
  same "${can_trace:+2}0" "$(fetch "http://$(address_of "$receiver"):4318/count?service=$service")" "spans"
  detail "20 of 20 spans"
}

compose() {
  local command=(docker-compose)
  if docker compose version >/dev/null 2>&1; then command=(docker compose); fi
  "${command[@]}" --project-name "${service,,}" --file "$here/compose/compose.yaml" "$@"
}

compose_down() {
  local status=$?
  if [ $status != 0 ]; then compose logs --tail 12; fi
  compose down --volumes
  return $status
}

address_of() { docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }
