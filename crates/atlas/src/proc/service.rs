//! What a process runs in, from the path of its control group (cgroups(7)): the unit of systemd, or the container.

/// The unit or the container; the whole path where it is neither, and `None` of the root.
pub(super) fn of(raw: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(raw);
    // Version 2 has one line, `0::PATH`; of version 1 the hierarchy that systemd names is the one that tells.
    let mut lines = text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    let version_1 = lines.clone().find(|(_, controller, _)| *controller == "name=systemd");
    let (_, _, path) = version_1.or_else(|| lines.find(|(number, ..)| *number == "0"))?;
    let names = || path.split('/').filter(|name| !name.is_empty());
    if let Some(container) = names().rev().find_map(container) {
        return Some(container);
    }
    let unit = names().rev().find(|name| name.ends_with(".service") || name.ends_with(".scope"));
    unit.map(str::to_owned).or_else(|| names().next().map(|_| path.to_owned()))
}

/// A container's name: the first 12 digits of its number, as its engine says it.
fn container(name: &str) -> Option<String> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (engine, id) = name.rsplit_once('-').unwrap_or(("container", name));
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| format!("{engine}:{}", &id[..12]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_a_container_and_the_root_are_told_apart() {
        let id = "0123456789abcdef".repeat(4);
        for (path, told) in [
            ("/", None),
            ("/system.slice/redis-server.service", Some("redis-server.service")),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-a.scope", Some("app-a.scope")),
            ("/made/by/hand", Some("/made/by/hand")),
            (&*format!("/docker/{id}"), Some("container:0123456789ab")),
            (&*format!("/system.slice/docker-{id}.scope"), Some("docker:0123456789ab")),
            (
                &*format!("/kubepods.slice/cri-containerd-{id}.scope/inner"),
                Some("cri-containerd:0123456789ab"),
            ),
        ] {
            assert_eq!(of(format!("0::{path}\n").as_bytes()).as_deref(), told, "{path}");
        }
        let old = b"3:cpu:/x\n1:name=systemd:/system.slice/a.service\n0::/\n";
        assert_eq!(of(old).as_deref(), Some("a.service"));
        for nonsense in [&b""[..], b"\n", b"0", b"0:", b"::", b"\xff\xff"] {
            assert_eq!(of(nonsense), None);
        }
    }
}
