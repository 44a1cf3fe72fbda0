//! Every rule of the quota, on directories that stand for `/proc` and `/sys/fs/cgroup`.

use super::*;
use crate::sys::{clock, thread};
use std::path::PathBuf;

/// A temporary directory, gone when dropped.
pub(in crate::sys::linux) struct Tree(PathBuf);

impl Tree {
    pub(in crate::sys::linux) fn new() -> Tree {
        let name = format!("gmp-cgroup-{}-{}", thread::current_tid(), clock::now());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        Tree(dir)
    }

    pub(in crate::sys::linux) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    pub(in crate::sys::linux) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn host(cgroup: &str, mountinfo: &str) -> Tree {
        let tree = Tree::new();
        tree.write("proc/self/cgroup", cgroup);
        tree.write("proc/self/mountinfo", mountinfo);
        tree
    }

    fn quota(&self) -> Option<i32> {
        quota_in(&self.0)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const V2: &str = "24 1 0:20 / /proc rw - proc proc rw\n\
                  41 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

fn v2(leaf: &str) -> Option<i32> {
    let tree = Tree::host("0::/a/b\n", V2);
    tree.write("sys/fs/cgroup/a/b/cpu.max", leaf);
    tree.quota()
}

#[test]
fn v2_rounds_up_to_whole_cpus() {
    assert_eq!(v2("50000 100000\n"), Some(1));
    assert_eq!(v2("200000 100000\n"), Some(2));
    assert_eq!(v2("200001 100000\n"), Some(3));
    assert_eq!(v2("250000 100000"), Some(3));
    assert_eq!(v2("9223372036854775807 1\n"), Some(i32::MAX));
}

#[test]
fn no_limit_and_garbage_are_no_limit() {
    for text in ["max 100000\n", "", "\n", "max", "banana\n", "100000\n", "100000 0\n", "-1 100000\n", "0 100000\n"] {
        assert_eq!(v2(text), None, "{text:?}");
    }
    assert_eq!(v2("99999999999999999999 100000"), None);
    assert_eq!(Tree::host("0::/gone\n", V2).quota(), None);
    assert_eq!(Tree::host("nonsense\n::\n0:\n", "nonsense\n - \n1 2 3 4 5 6 - cgroup2\n").quota(), None);
    let tree = Tree::new();
    tree.write("proc/unrelated", "");
    assert_eq!(tree.quota(), None);
}

#[test]
fn an_ancestor_smaller_than_the_leaf_counts_up_to_the_mount_point() {
    let tree = Tree::host("0::/a/b/c\n", V2);
    tree.write("sys/fs/cgroup/a/b/c/cpu.max", "800000 100000");
    tree.write("sys/fs/cgroup/a/b/cpu.max", "max 100000");
    assert_eq!(tree.quota(), Some(8));
    tree.write("sys/fs/cgroup/a/cpu.max", "300000 100000");
    assert_eq!(tree.quota(), Some(3));
    tree.write("sys/fs/cgroup/cpu.max", "100000 100000");
    assert_eq!(tree.quota(), Some(1));
    tree.write("sys/fs/cpu.max", "1 100000");
    tree.write("sys/fs/cgroup/cpu.max", "max 100000");
    assert_eq!(tree.quota(), Some(3), "a directory above the mount point is no cgroup");
}

#[test]
fn inside_a_cgroup_namespace_the_leaf_is_the_mount_point() {
    let tree = Tree::host("0::/\n", V2);
    tree.write("sys/fs/cgroup/cpu.max", "400000 100000");
    assert_eq!(tree.quota(), Some(4));
    let outside = Tree::host("0::/../other\n", V2);
    outside.write("sys/fs/other/cpu.max", "100000 100000");
    outside.write("sys/fs/cgroup/cpu.max", "100000 100000");
    assert_eq!(outside.quota(), None);
}

#[test]
fn a_mount_of_a_part_of_the_hierarchy_is_understood() {
    let info = "41 31 0:38 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup ro\n";
    let tree = Tree::host("0::/docker/abc/inner\n", info);
    tree.write("sys/fs/cgroup/inner/cpu.max", "700000 100000");
    tree.write("sys/fs/cgroup/cpu.max", "500000 100000");
    assert_eq!(tree.quota(), Some(5));
    let other = Tree::host("0::/docker/abcdef\n", info);
    other.write("sys/fs/cgroup/cpu.max", "500000 100000");
    assert_eq!(other.quota(), None, "a name that only begins alike is another cgroup");
}

#[test]
fn a_mount_point_with_a_space_is_unescaped() {
    let tree = Tree::host("0::/x y\n", "41 31 0:38 / /mnt\\040point rw - cgroup2 cgroup2 rw\n");
    tree.write("mnt point/x y/cpu.max", "600000 100000");
    assert_eq!(tree.quota(), Some(6));
}

fn v1_tree(controllers: &str) -> Tree {
    Tree::host(
        &format!("5:memory:/m\n4:cpuset:/s\n3:{controllers}:/docker/abc\n0::/\n"),
        &format!(
            "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
             32 31 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
             33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime master:3 - cgroup cgroup rw,{controllers}\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        ),
    )
}

#[test]
fn v1_is_read_alone_and_mounted_together_with_cpuacct() {
    for controllers in ["cpu", "cpu,cpuacct", "cpuacct,cpu"] {
        let tree = v1_tree(controllers);
        tree.write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "-1\n");
        tree.write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
        assert_eq!(tree.quota(), None);
        tree.write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "250000\n");
        assert_eq!(tree.quota(), Some(3));
        tree.write("sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us", "60000\n");
        tree.write("sys/fs/cgroup/cpu/docker/cpu.cfs_period_us", "50000\n");
        assert_eq!(tree.quota(), Some(2));
    }
}

#[test]
fn v1_wins_over_v2_and_cpuacct_alone_is_not_cpu() {
    let tree = v1_tree("cpu");
    tree.write("sys/fs/cgroup/unified/cpu.max", "100000 100000");
    tree.write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "900000");
    tree.write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000");
    assert_eq!(tree.quota(), Some(9));
    let tree = v1_tree("cpuacct");
    tree.write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "900000");
    tree.write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000");
    tree.write("sys/fs/cgroup/unified/cpu.max", "400000 100000");
    assert_eq!(tree.quota(), Some(4));
}

#[test]
fn a_bare_directory_is_a_cgroup_and_its_parents_count_while_they_are_cgroups() {
    let tree = Tree::new();
    tree.write("cpu.max", "100000 100000");
    tree.write("gap/x/y/cpu.max", "700000 100000");
    tree.write("gap/x/cpu.cfs_quota_us", "600000");
    tree.write("gap/x/cpu.cfs_period_us", "100000");
    assert_eq!(quota_in(&tree.path("gap/x/y")), Some(6));
    assert_eq!(quota_in(&tree.path("gap")), None);
}
