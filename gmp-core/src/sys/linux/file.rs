//! Small text files of the kernel, read without memory of our own.
//!
//! Always true: no heap is used, so the monitor may read here when memory is out.
//! Called by: `cgroup`, `mem`. Blocks only as reading `/proc` does.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Room for a line of a table like mountinfo.
pub(super) const LONG: usize = 8192;
/// Room for a line of a file that holds a number or two.
const SHORT: usize = 256;

/// Calls `each` with every line of the file, without its newline. A line longer than `LINE_MAX` is skipped.
/// False if the file cannot be opened.
pub(super) fn for_each_line<const LINE_MAX: usize>(path: &Path, mut each: impl FnMut(&[u8])) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut buffer = [0u8; LINE_MAX];
    let mut held = 0;
    let mut skipping = false;
    loop {
        let count = match file.read(&mut buffer[held..]) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        let filled = held + count;
        let mut start = 0;
        while let Some(length) = buffer[start..filled].iter().position(|&byte| byte == b'\n') {
            if !std::mem::take(&mut skipping) {
                each(&buffer[start..start + length]);
            }
            start += length + 1;
        }
        if count == 0 {
            if start < filled && !skipping {
                each(&buffer[start..filled]);
            }
            return true;
        }
        buffer.copy_within(start..filled, 0);
        held = filled - start;
        if held == buffer.len() {
            (held, skipping) = (0, true);
        }
    }
}

/// The first line of the file as `parse` understands it.
pub(super) fn first_line<T>(path: &Path, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut seen = false;
    let mut value = None;
    for_each_line::<SHORT>(path, |line| {
        if !std::mem::replace(&mut seen, true) {
            value = std::str::from_utf8(line).ok().and_then(|text| parse(text.trim()));
        }
    });
    value
}

/// A file that holds one number.
pub(super) fn read_number(path: &Path) -> Option<i64> {
    first_line(path, |text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::linux::cgroup::tests::Tree;

    fn lines(content: &[u8]) -> Vec<Vec<u8>> {
        let tree = Tree::new();
        tree.write("file", content);
        let mut lines = Vec::new();
        assert!(for_each_line::<LONG>(&tree.path("file"), |line| lines.push(line.to_vec())));
        lines
    }

    #[test]
    fn lines_come_whole_across_reads_and_without_a_last_newline() {
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"a\n\nb"), [b"a".to_vec(), b"".to_vec(), b"b".to_vec()]);
        let long: Vec<Vec<u8>> = (0..100).map(|i| vec![b'a' + i as u8 % 26; 1000 + i]).collect();
        assert_eq!(lines(&long.join(&b'\n')), long);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_alone() {
        let content = [b"first".to_vec(), vec![b'x'; 3 * LONG], b"last".to_vec()].join(&b'\n');
        assert_eq!(lines(&content), [b"first".to_vec(), b"last".to_vec()]);
        assert!(!for_each_line::<LONG>("/nonexistent/file".as_ref(), |_| panic!("there is no line")));
    }
}
