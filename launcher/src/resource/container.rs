//! The ID of the container that a process runs in, from `/proc/<pid>/cgroup` and `/proc/<pid>/mountinfo`.
//!
//! Control groups name it where they are visible: always with version 1, with version 2 unless the container has its own
//! cgroup namespace, as is usual. Then files that the engine mounts into the container (`/etc/hostname`, …) name it in
//! their source. In a Kubernetes pod these belong to the sandbox, not to the container, and are not taken.

/// The container's ID; `None` outside of containers, and where no file tells it.
#[must_use]
pub fn id(cgroup: &str, mountinfo: &str) -> Option<String> {
    from_cgroup(cgroup).or_else(|| from_mountinfo(mountinfo)).map(str::to_owned)
}

/// The innermost group named like a container, for instance
/// `0::/system.slice/docker-<id>.scope`, `0::/machine.slice/libpod-<id>.scope/container`,
/// `11:cpu:/kubepods/burstable/pod<uid>/<id>`, `0::/../cri-containerd-<id>.scope`.
fn from_cgroup(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        path.rsplit('/').find_map(|group| {
            let name = group.strip_suffix(".scope").unwrap_or(group);
            // Amazon ECS: 32 digits, a hyphen, a number.
            if is_ecs(name) {
                return Some(name);
            }
            // Some engines write `kubepods-….slice:cri-containerd:<id>`.
            let name = name.rsplit(['-', ':']).next().unwrap_or(name);
            is_id(name).then_some(name)
        })
    })
}

/// The source of a file that the engine makes for each container:
/// `/var/lib/docker/containers/<id>/hostname`, `…/overlay-containers/<id>/userdata/hostname`.
fn from_mountinfo(mountinfo: &str) -> Option<&str> {
    if mountinfo.contains("/kubelet/pods/") {
        return None;
    }
    mountinfo.lines().find_map(|line| {
        // <https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>: the fourth field is the source within its
        // file system, the fifth the place.
        let mut fields = line.split(' ').skip(3);
        let (source, place) = (fields.next()?, fields.next()?);
        if !matches!(place, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf" | "/run/.containerenv") {
            return None;
        }
        let mut parts = source.split('/');
        parts.find(|part| matches!(*part, "containers" | "overlay-containers"))?;
        parts.find(|part| is_id(part))
    })
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

fn is_ecs(text: &str) -> bool {
    text.split_once('-').is_some_and(|(task, number)| {
        task.len() == 32 && is_hex(task) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4c8c4b1f0d0a0b5f4e2d7c9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b";
    const SANDBOX: &str = "b0a1f2e3d4c5b6a7f8e9d0c1b2a3f4e5d6c7b8a9c7d2e4f5b0a0d0f1b4c8c4f3";

    #[test]
    fn control_groups_of_the_engines() {
        for (engine, group) in [
            ("docker, version 1", format!("12:pids:/docker/{ID}\n11:cpu:/docker/{ID}\n0::/system.slice/containerd.service")),
            ("docker with systemd", format!("0::/system.slice/docker-{ID}.scope")),
            ("podman", format!("0::/machine.slice/libpod-{ID}.scope/container")),
            (
                "rootless podman",
                format!("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container"),
            ),
            ("containerd", format!("0::/default/{ID}")),
            ("kubernetes, version 1", format!("11:memory:/kubepods/burstable/pod1c9ecb8e-0b1c-4f0a-9f0e-8a7d1a5b6c7d/{ID}")),
            ("kubernetes with systemd", format!("0::/kubepods.slice/kubepods-pod1c9e.slice/cri-containerd-{ID}.scope")),
            ("kubernetes, own namespace", format!("0::/../cri-containerd-{ID}.scope")),
            ("cri-o", format!("0::/kubepods.slice/kubepods-besteffort.slice/crio-{ID}.scope")),
            (
                "containerd without systemd driver",
                format!("11:cpu:/system.slice/containerd.service/kubepods-burstable-pod1c9e.slice:cri-containerd:{ID}"),
            ),
        ] {
            assert_eq!(id(&group, "").as_deref(), Some(ID), "{engine}");
        }
        let ecs = "1:name=systemd:/ecs/55091c13b8cf4801b527f8601742204e/55091c13b8cf4801b527f8601742204e-2386796112";
        assert_eq!(id(ecs, "").as_deref(), Some("55091c13b8cf4801b527f8601742204e-2386796112"));
    }

    #[test]
    fn mounts_of_docker_and_podman() {
        let docker = format!(
            "600 590 0:50 / /proc rw - proc proc rw\n\
             612 590 254:1 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw\n\
             613 590 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n"
        );
        assert_eq!(id("0::/", &docker).as_deref(), Some(ID));
        let podman = format!(
            "983 961 0:25 /containers/storage/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n"
        );
        assert_eq!(id("0::/\n", &podman).as_deref(), Some(ID));
    }

    #[test]
    fn a_sandbox_is_not_the_container() {
        let mounts = format!(
            "612 590 254:1 /var/lib/kubelet/pods/1c9e/etc-hosts /etc/hosts rw - ext4 /dev/vda1 rw\n\
             613 590 254:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{SANDBOX}/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n\
             614 590 254:1 /var/lib/docker/containers/{SANDBOX}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda1 rw\n"
        );
        assert_eq!(id("0::/", &mounts), None);
    }

    #[test]
    fn no_container_no_id() {
        assert_eq!(id("0::/user.slice/user-0.slice/session-1.scope", "26 1 254:1 / / rw - ext4 /dev/vda1 rw\n"), None);
        assert_eq!(id("", ""), None);
    }

    #[test]
    fn a_volume_that_is_named_like_one_does_not_count() {
        let mounts = format!("612 590 254:1 /srv/containers/{ID}/data /data rw - ext4 /dev/vda1 rw\n");
        assert_eq!(id("0::/", &mounts), None);
    }
}
