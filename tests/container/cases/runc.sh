# The smaller capabilities where the engine does not know them: through its runtime, with a configuration of our own.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # case.sh and steps.sh supply what is used

case_runc_root() {
  title "runc, user 0: BPF and PERFMON alone, no ambient capabilities, read-only, no-new-privileges"
  with_bpf_and_perfmon 0 '[]'
}

case_runc_ambient() {
  title "runc, user 65534: BPF and PERFMON alone, ambient, read-only, no-new-privileges"
  with_bpf_and_perfmon 65534 '["CAP_BPF", "CAP_PERFMON"]'
}

# The network is the host's, and the program serves one request of its own on loopback.
with_bpf_and_perfmon() {
  local user=$1 ambient=$2 both='["CAP_BPF", "CAP_PERFMON"]' bundle=$directory/bundle
  mkdir -p "$bundle/rootfs"
  docker create --label "$run_label" --name "$service" "$scratch_image" >/dev/null
  docker export "$service" | tar -x -C "$bundle/rootfs"
  cat >"$bundle/config.json" <<JSON
{
  "ociVersion": "1.0.2",
  "process": {
    "user": {"uid": $user, "gid": $user},
    "args": ["/go-auto-launch", "--", "/app", "once"],
    "env": ["GO_AUTO_LAUNCH_ENGINE=bpf", "OTEL_SERVICE_NAME=$service", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_ENDPOINT=$collector_url"],
    "cwd": "/",
    "noNewPrivileges": true,
    "capabilities": {"bounding": $both, "effective": $both, "permitted": $both, "inheritable": $ambient, "ambient": $ambient}
  },
  "root": {"path": "rootfs", "readonly": true},
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/sys", "type": "bind", "source": "/sys", "options": ["rbind", "ro"]}
  ],
  "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}]}
}
JSON
  runc --root "$directory/runc" run --bundle "$bundle" "${service,,}" </dev/null
  spans 1
}
