//! Text that grows without aborting.
//!
//! Always true: a write fails only for lack of memory, and the text so far stays.

use crate::base::error::{Error, Result};
use std::fmt::{self, Write};

/// See the module.
#[derive(Debug, Default)]
pub struct Text(Vec<u8>);

impl Text {
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.try_reserve(bytes.len()).map_err(|_| Error::NoMemory)?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// For `format_args!`: no allocation but this text's.
    pub fn add(&mut self, what: fmt::Arguments<'_>) -> Result<()> {
        self.write_fmt(what).map_err(|_| Error::NoMemory)
    }

    /// Bytes of somebody else's in quotes: what could break a line, or the quotes, is escaped.
    pub fn quote(&mut self, bytes: &[u8]) -> Result<()> {
        self.push(b"\"")?;
        for &byte in bytes {
            match byte {
                b'"' | b'\\' => self.push(&[b'\\', byte])?,
                0..=0x1f | 0x7f => self.add(format_args!("\\x{byte:02x}"))?,
                _ => self.push(&[byte])?,
            }
        }
        self.push(b"\"")
    }

    /// Nanoseconds as seconds with three decimals.
    pub fn seconds(&mut self, ns: i64) -> Result<()> {
        let ms = ns.max(0) / 1_000_000;
        self.add(format_args!("{}.{:03}s", ms / 1000, ms % 1000))
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_escaped() {
        let mut text = Text::default();
        text.quote(b"a\"b\\c\nd\xc3\xa9\0").unwrap();
        text.seconds(61_234_567_890).unwrap();
        text.seconds(-1).unwrap();
        assert_eq!(text.into_bytes(), b"\"a\\\"b\\\\c\\x0ad\xc3\xa9\\x00\"61.234s0.000s");
    }
}
