//! Addresses of code as people read them: `function+0x12 (object)`.
//!
//! Owns: the form. A function has a name if its object exports it; else the offset in the object stands there, as
//! `addr2line` takes it: `object+0x1234`. What no object has is a bare number.

use super::text::Text;
use crate::base::error::Result;
use crate::sys::symbol::{self, Symbol};

/// Writes the place that a call at `address` returns to. 0 is `unknown`.
pub fn write(text: &mut Text, address: usize) -> Result<()> {
    if address == 0 {
        return text.push(b"unknown");
    }
    // The byte before: a call may be its function's last instruction.
    let found = symbol::find(address - 1, |symbol| {
        let object = name_of(&symbol);
        match symbol.function {
            Some((function, start)) => {
                text.push(function)?;
                text.add(format_args!("+{:#x} (", address - start))?;
                text.push(object)?;
                text.push(b")")
            }
            None => {
                text.push(object)?;
                text.add(format_args!("+{:#x}", address - symbol.base))
            }
        }
    });
    found.unwrap_or_else(|| text.add(format_args!("{address:#x}")))
}

/// The file's name without its folder.
fn name_of<'a>(symbol: &Symbol<'a>) -> &'a [u8] {
    symbol.object.rsplit(|&byte| byte == b'/').next().filter(|name| !name.is_empty()).unwrap_or(b"program")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_addresses_are_numbers() {
        let mut text = Text::default();
        write(&mut text, 0).unwrap();
        text.push(b" ").unwrap();
        write(&mut text, 9).unwrap();
        assert_eq!(text.into_bytes(), b"unknown 0x9");
        let mut text = Text::default();
        write(&mut text, write as *const () as usize + 1).unwrap();
        let text = String::from_utf8(text.into_bytes()).unwrap();
        assert!(text.contains("+0x"), "{text}");
    }
}
