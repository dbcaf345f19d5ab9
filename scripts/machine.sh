# What scripts/arm64 and scripts/kernels share: a virtual machine (QEMU) with a kernel of Debian's and a file system of the launcher, the
# programs that it traces, and a first process that tests them (tests/machine). Sourced, with $work, where all of it is made.
# shellcheck shell=bash
# shellcheck disable=SC2154 # work is the script's

fail() { echo "${0##*/}: $*" >&2; exit 1; }

# What apt needs to know of a suite ($2) and an architecture ($1), apart from what this machine installs. Prints its configuration's name.
apt_of() {
  local folder=$work/apt/$1-$2 mirror
  mirror=$(grep -rhoE "https?://[^ ]+/debian/?( |$)" /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -v snapshot | head -n 1)
  [ -n "$mirror" ] || fail "apt knows no mirror of Debian here, and kernels come from there"
  mkdir -p "$folder"/{lists,archives}/partial
  echo "deb $mirror $2 main" >"$folder/sources.list"
  cat >"$folder/apt.conf" <<END
APT::Architecture "$1";
APT::Architectures { "$1"; };
Acquire::Languages "none";
Dir::Etc::SourceList "$folder/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$folder/lists";
Dir::Cache "$folder";
END
  echo "$folder/apt.conf"
}

# Takes the kernel for $1 (amd64, arm64) of the suite $2 into the file $4, out of the package that the package $3 depends on.
fetch_kernel() {
  local package binary folder=$work/package
  APT_CONFIG=$(apt_of "$1" "$2")
  export APT_CONFIG
  apt-get update -qq
  package=$(apt-cache depends "$3" | sed -n 's/^ *Depends: \(linux-image-\)/\1/p' | head -n 1)
  [ -n "$package" ] || fail "there is no package $3 in $2"
  # Newer ones have the file in one of their own.
  binary=$(apt-cache depends "$package" | sed -n 's/^ *Depends: \(linux-binary-\)/\1/p' | head -n 1)
  package=${binary:-$package}
  echo "${0##*/}: fetching $package"
  rm -rf "$folder"
  mkdir -p "$folder"
  # Who apt would rather be may not write here, which it says.
  (cd "$folder" && apt-get download -qq "$package" 2>/dev/null && dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards '*/vmlinuz*')
  mv "$(find "$folder" -name 'vmlinuz*' -type f | head -n 1)" "$4"
  rm -rf "$folder" "${APT_CONFIG%/*}"
  unset APT_CONFIG
}

# cargo for $1 with the rest as arguments: for static programs with debug assertions, which have the code in which faults are planted.
cargo_for() {
  local target linker
  target=$(scripts/cross "$1")
  linker=CARGO_TARGET_${target^^}_LINKER
  shift
  env "${linker//-/_}=${target%%-*}-linux-gnu-gcc" RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=none \
    cargo "$@" --quiet --locked --package go-auto-launch --target "$target" --target-dir "$work/build"
}

# A launcher for $1.
build_launcher() {
  cargo_for "$1" build
  cp "$work/build/$(scripts/cross "$1")/debug/go-auto-launch" "$work/initramfs/"
}

# Builds a program for $1, with the compiler of C for it, from the folder $2 by the rest, which is for `go build`.
go_build() {
  local compiler folder=$2
  compiler=$(scripts/cross "$1") && compiler=${compiler%%-*}-linux-gnu-gcc
  env GOARCH="$1" GOCACHE="${GOCACHE:-$PWD/target/go/cache}" GOFLAGS="${GOFLAGS:--buildvcs=false}" GOWORK=off CC="$compiler" \
    go build -C "$folder" -trimpath "${@:3}"
}

# The programs for $1: the first process, and the traced one, built in several ways.
build_programs() {
  local libraries library compiler app=tests/machine/app into=$work/initramfs
  compiler=$(scripts/cross "$1") && compiler=${compiler%%-*}-linux-gnu-gcc
  CGO_ENABLED=0 go_build "$1" tests/machine -o "$into/init" .
  # Stripped, as programs are deployed.
  CGO_ENABLED=0 go_build "$1" $app -ldflags="-s -w" -o "$into/app" .
  CGO_ENABLED=0 go_build "$1" $app -ldflags="-s -w" -buildmode=pie -o "$into/app-pie" .
  CGO_ENABLED=1 go_build "$1" $app -ldflags="-s -w" -o "$into/app-cgo" .
  CGO_ENABLED=1 go_build "$1" $app -race -o "$into/app-race" .
  # What these are linked with.
  for library in app-pie app-cgo app-race; do
    readelf -ld "$work/initramfs/$library"
  done | sed -n 's/.*\(Shared library: \[\|program interpreter: \)\([^]]*\).*/\2/p' | sort -u >"$work/libraries"
  while read -r library; do
    libraries=/lib
    case $library in /*) libraries=${library%/*} ;; esac
    mkdir -p "$work/initramfs$libraries"
    cp -L "$("$compiler" -print-file-name="${library##*/}")" "$work/initramfs$libraries/"
  done <"$work/libraries"
}

# The traced program for $1 by the oldest and the newest version of Go, by the latter with the newest gRPC.
build_versions() {
  local app=tests/machine/app into=$work/initramfs
  CGO_ENABLED=0 GOTOOLCHAIN=go1.21.13 go_build "$1" $app -ldflags="-s -w" -o "$into/app-go1.21" .
  CGO_ENABLED=0 GOTOOLCHAIN=go1.27.3 go_build "$1" $app -ldflags="-s -w" -modfile=newest.mod -o "$into/app-go1.27" .
}

# All of it, for $1, into a file system.
build_machine() {
  local missing=()
  command -v "qemu-system-$2" >/dev/null || missing+=("qemu-system-$3")
  command -v cpio >/dev/null || missing+=(cpio)
  [ ${#missing[@]} = 0 ] || scripts/packages "${missing[@]}"
  echo "${0##*/}: building"
  mkdir -p "$work/initramfs"
  build_launcher "$1"
  build_programs "$1"
  [ "$1" = amd64 ] || build_versions "$1"
  (cd "$work/initramfs" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/initramfs.cpio.gz"
}

# Starts the kernel $1, whose console is the device $2, by the rest, which is QEMU with arguments; says what the first process has found,
# and writes all that was said to $1.log. With the variable ONLY, only runs with that in their names.
run_machine() {
  local kernel=$1 console=$2 log=$1.log
  shift 2
  "$@" -smp 2 -m 1024 -nographic -no-reboot -nic none -kernel "$kernel" -initrd "$work/initramfs.cpio.gz" \
    -append "console=$console quiet oops=panic panic=-1 rdinit=/init${ONLY:+ ONLY=$ONLY}${PARAMETERS:+ $PARAMETERS}" </dev/null >"$log" 2>&1 || true
  grep -a 'machine: ' "$log" || true
  grep -qa 'machine: 0 failed' "$log" || { tail -n 60 "$log" >&2; echo "${0##*/}: failed; the console is in $log" >&2; return 1; }
}
