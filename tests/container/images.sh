# The images: base images made here, the launcher's, the application's. Sourced by run.
# shellcheck shell=bash
# shellcheck disable=SC2154 # work, here, root, run_label and network are run's

# $work/context holds the binaries that the Dockerfiles in images/ copy.
context=$work/context

# `docker build`, which speaks when it fails only.
build_image() { docker build "$@" >"$work/build.log" 2>&1 || fail "docker build failed: $(tail -n 12 "$work/build.log")"; }

build_launcher() {
  local binary=${LAUNCHER:-}
  mkdir -p "$context"
  if [ -z "$binary" ]; then
    local target
    target=$(uname -m)-unknown-linux-gnu
    say "building the static launcher"
    (cd "$root" && RUSTFLAGS="-C target-feature=+crt-static" \
      cargo build --quiet --locked --profile demo --package go-auto-launch --target "$target")
    binary=$root/target/$target/demo/go-auto-launch
  fi
  # What a debugger reads is no part of an image.
  strip --strip-debug -o "$context/go-auto-launch" "$binary"
}

# go-auto-launch-debian: this machine's own distribution, as small as it comes.
# go-auto-launch-go: with this machine's Go toolchain, in place of the public image golang.
make_base_images() {
  local id codename mirror tree=$work/debian goroot name
  mkdir -p "$context"
  build_programs
  if [ ! -e "$tree.done" ]; then
    id=$(. /etc/os-release && echo "$ID")
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(grep -rhoE "https?://[^ ]+/$id(-ports)?/?( |$)" /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
      grep -v snapshot | head -n 1) || true
    say "making a base image of $id $codename (a minute, once)"
    rm -rf "$tree"
    # shellcheck disable=SC2086 # without a mirror, debootstrap takes its default
    debootstrap --variant=minbase --include=libcap2-bin "$codename" "$tree" ${mirror:-} >"$work/debootstrap.log" 2>&1 ||
      fail "debootstrap failed: $(tail -n 3 "$work/debootstrap.log")"
    rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{doc,locale,man}
    touch "$tree.done"
  fi
  docker image inspect go-auto-launch-debian >/dev/null 2>&1 ||
    tar -C "$tree" -c . | docker import - go-auto-launch-debian >/dev/null
  docker image inspect go-auto-launch-go >/dev/null 2>&1 || {
    goroot=$(cd "$root/examples/shop" && go env GOROOT)
    name=$(basename "$goroot")
    tar -c -C "$tree" . -C "$(dirname "$goroot")" --exclude="$name/test" --exclude="$name/doc" --exclude="$name/api" \
      --transform "s,^$name/,./usr/local/go/," --hard-dereference "$name" |
      docker import --change "ENV PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin" - go-auto-launch-go >/dev/null
  }
}

build_programs() {
  (cd "$root/tests/apps/container" && export CGO_ENABLED=0 GOGC=off GOMEMLIMIT=1GiB &&
    go build -trimpath -ldflags="-s -w" -o "$context/app" ./app &&
    go build -trimpath -ldflags="-s -w" -o "$context/collector" ./collector)
}

start_collector() {
  build_image --tag go-auto-launch-collector --file "$here/images/collector.Dockerfile" "$context"
  collector=$(docker run --detach --label "$run_label" --network "$network" --network-alias collector \
    --name "$network-collector" go-auto-launch-collector)
  collector_url=http://$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$collector"):4318
  export collector_url
}

# The application on both bases, with the launcher of the image $1.
make_application_images() {
  local base
  docker image inspect "$1" >/dev/null 2>&1 || fail "there is no image $1 here"
  for base in scratch debian; do
    build_image --tag "go-auto-launch-app:$base" --build-arg "LAUNCHER=$1" \
      --build-arg "BASE=$([ $base = scratch ] && echo scratch || echo go-auto-launch-debian)" \
      --file "$here/images/app.Dockerfile" "$context"
  done
}
