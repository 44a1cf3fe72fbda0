//! A line of text that takes no memory but its own: for handlers of signals.
//!
//! Always true: what does not fit is left out; nothing here can panic.

/// As much as one write hands to a pipe in one piece, and more than a line is long.
const ROOM: usize = 512;

/// See the module.
#[derive(Debug)]
pub struct Line {
    bytes: [u8; ROOM],
    len: usize,
}

impl Line {
    /// An empty line.
    pub fn new() -> Line {
        Line { bytes: [0; ROOM], len: 0 }
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Adds these bytes.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Line {
        for &byte in bytes {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
        self
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Line {
        self.raw(text.as_bytes())
    }

    /// Adds a number in decimal.
    pub fn number(&mut self, n: u64) -> &mut Line {
        self.digits(n, 10)
    }

    /// Adds an address.
    pub fn address(&mut self, n: usize) -> &mut Line {
        self.text("0x").digits(n as u64, 16)
    }

    fn digits(&mut self, mut n: u64, base: u64) -> &mut Line {
        let mut digits = [0u8; 20];
        let mut used = 0;
        for place in digits.iter_mut().rev() {
            let digit = (n % base) as u8;
            *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            used += 1;
            n /= base;
            if n == 0 {
                break;
            }
        }
        self.raw(digits.get(digits.len() - used..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_was_added_and_ends_at_its_room() {
        let mut line = Line::new();
        line.text("task ").number(0).text(" ").number(u64::MAX).text(" ").address(0xdead_beef).raw(b"!\n");
        assert_eq!(line.bytes(), b"task 0 18446744073709551615 0xdeadbeef!\n");
        for _ in 0..1000 {
            line.text("more");
        }
        assert_eq!(line.bytes().len(), ROOM);
        assert!(line.bytes().starts_with(b"task 0"));
    }
}
