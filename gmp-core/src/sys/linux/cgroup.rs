//! The CPU quota of the process: the smallest of its own cgroup's and of every cgroup above it.
//!
//! A quota is `ceil(quota / period)` in whole CPUs; only whole CPUs are ever needed, so no fraction is kept.
//!
//! Always true: files are read anew each time, so a changed quota and a move to another cgroup are both seen.
//! What cannot be found, read or understood is no limit. A v1 hierarchy with the cpu controller wins over v2:
//! the controller can be in one hierarchy only.
//! Called by: `cpu`. No heap but what opening a very long path takes; blocks only as reading `/proc` and `/sys` does.

use super::file;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// A path in memory of its own: long enough for every path that the kernel accepts.
struct PathBuffer {
    bytes: [u8; 4096],
    len: usize,
}

impl PathBuffer {
    fn new() -> PathBuffer {
        PathBuffer { bytes: [0; 4096], len: 0 }
    }

    /// A path below a directory; empty when it does not fit.
    fn below(dir: &Path, name: &str) -> PathBuffer {
        let mut path = PathBuffer::new();
        if !(path.push(dir.as_os_str().as_bytes()) && path.push(b"/") && path.push(name.as_bytes())) {
            path.len = 0;
        }
        path
    }

    /// Appends bytes; false (and nothing done) when they do not fit.
    #[must_use]
    fn push(&mut self, part: &[u8]) -> bool {
        let Some(room) = self.bytes.get_mut(self.len..self.len + part.len()) else { return false };
        room.copy_from_slice(part);
        self.len += part.len();
        true
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.bytes()))
    }
}

/// The quota of the directory that a test names: a file system root with `proc/` in it, or one cgroup whose
/// parents count as long as they look like cgroups.
pub(super) fn quota_in(dir: &Path) -> Option<i32> {
    if dir.join("proc").is_dir() {
        return quota_under(dir);
    }
    dir.ancestors().take_while(|dir| is_cgroup(dir)).filter_map(quota_of).min()
}

fn is_cgroup(dir: &Path) -> bool {
    ["cpu.max", "cpu.cfs_quota_us"].iter().any(|name| dir.join(name).exists())
}

/// The quota of this process, where `root` stands for the root of the file system.
pub(super) fn quota_under(root: &Path) -> Option<i32> {
    let (mut v1_path, mut v2_path) = (PathBuffer::new(), PathBuffer::new());
    file::for_each_line::<{ file::LONG }>(PathBuffer::below(root, "proc/self/cgroup").path(), |line| {
        // id:controller,controller:path
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (Some(id), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { return };
        let place = if id == b"0" && controllers.is_empty() {
            &mut v2_path
        } else if has_word(controllers, b"cpu") {
            &mut v1_path
        } else {
            return;
        };
        // A path that does not fit stays empty, which counts as not found.
        let _fits = place.len > 0 || place.push(path);
    });
    let (mut v1_seen, mut v1, mut v2) = (false, None, None);
    file::for_each_line::<{ file::LONG }>(PathBuffer::below(root, "proc/self/mountinfo").path(), |line| {
        let Some(mount) = Mount::parse(line) else { return };
        if mount.kind == b"cgroup" && has_word(mount.options, b"cpu") && v1_path.len > 0 {
            v1_seen |= mount.smallest(root, v1_path.bytes(), &mut v1);
        } else if mount.kind == b"cgroup2" && v2_path.len > 0 {
            mount.smallest(root, v2_path.bytes(), &mut v2);
        }
    });
    if v1_seen {
        v1
    } else {
        v2
    }
}

/// Whether a comma-separated list has `word`.
fn has_word(list: &[u8], word: &[u8]) -> bool {
    list.split(|&byte| byte == b',').any(|entry| entry == word)
}

/// One line of mountinfo: `id parent major:minor root point options [optional ...] - kind source options`.
struct Mount<'a> {
    /// Which directory of the hierarchy is mounted, still escaped.
    root: &'a [u8],
    /// Where, still escaped.
    point: &'a [u8],
    kind: &'a [u8],
    options: &'a [u8],
}

impl<'a> Mount<'a> {
    fn parse(line: &'a [u8]) -> Option<Mount<'a>> {
        let mut fields = line.split(|&byte| byte == b' ');
        let (root, point) = (fields.nth(3)?, fields.next()?);
        fields.by_ref().find(|&field| field == b"-")?;
        let (kind, _source, options) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Mount { root, point, kind, options })
    }

    /// Lowers `least` to the smallest quota from the cgroup `path` up to the mount point. False when the
    /// mount does not show that cgroup.
    fn smallest(&self, root_dir: &Path, path: &[u8], least: &mut Option<i32>) -> bool {
        let (mut mounted, mut dir) = (PathBuffer::new(), PathBuffer::new());
        if !unescape(self.root, &mut mounted) || !dir.push(root_dir.as_os_str().as_bytes()) {
            return false;
        }
        let Some(below) = path_below(path, mounted.bytes()) else { return false };
        // Seen from inside a cgroup namespace a process outside it has a path of "..": no mount shows that.
        let climbs = Path::new(OsStr::from_bytes(below)).components().any(|part| part == Component::ParentDir);
        if climbs || !unescape(self.point, &mut dir) {
            return false;
        }
        let top = dir.len;
        if !dir.push(b"/") || !dir.push(below) {
            return false;
        }
        for cgroup in dir.path().ancestors().take_while(|cgroup| cgroup.as_os_str().len() >= top) {
            if let Some(quota) = quota_of(cgroup) {
                *least = Some(least.map_or(quota, |other| other.min(quota)));
            }
        }
        true
    }
}

/// What of `path` lies below `root`, without a slash in front; None when it is not below.
fn path_below<'a>(path: &'a [u8], root: &[u8]) -> Option<&'a [u8]> {
    let root = root.strip_suffix(b"/").unwrap_or(root);
    match path.strip_prefix(root)? {
        [] => Some(&[]),
        [b'/', below @ ..] => Some(below),
        _ => None,
    }
}

/// Appends a mountinfo path, in which space, tab, newline and backslash are three octal digits.
#[must_use]
fn unescape(mut text: &[u8], out: &mut PathBuffer) -> bool {
    loop {
        let (part, rest) = match text {
            [] => return true,
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                ([(a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')], rest)
            }
            [byte, rest @ ..] => ([*byte], rest),
        };
        if !out.push(&part) {
            return false;
        }
        text = rest;
    }
}

/// The quota of one cgroup directory, of either version.
fn quota_of(dir: &Path) -> Option<i32> {
    if let Some(quota) = file::first_line(PathBuffer::below(dir, "cpu.max").path(), parse_cpu_max) {
        return Some(quota);
    }
    let quota = file::read_number(PathBuffer::below(dir, "cpu.cfs_quota_us").path())?;
    whole_cpus(quota, file::read_number(PathBuffer::below(dir, "cpu.cfs_period_us").path())?)
}

/// `"max 100000"` or `"200000 100000"`.
fn parse_cpu_max(text: &str) -> Option<i32> {
    let mut fields = text.split_ascii_whitespace();
    let (quota, period) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    whole_cpus(quota, period)
}

fn whole_cpus(quota: i64, period: i64) -> Option<i32> {
    if quota <= 0 || period <= 0 {
        return None;
    }
    Some(i32::try_from((quota as u64).div_ceil(period as u64)).unwrap_or(i32::MAX))
}

#[cfg(test)]
pub(super) mod tests;
