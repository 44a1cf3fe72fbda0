//! Size classes: how big a slot is, and how much of it is guard.
//!
//! ```text
//! low                limit                                      top
//! | guard: no access | usable: the stack, growing down from top |
//! ```
//!
//! Always true: a guard is whole pages, and slots of 256 KiB and more have one of at least 64 KiB: a single
//! frame of 20 KiB jumps over a guard of one page into the neighbour.

use crate::sys::mem;

/// A size of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// 64 KiB, of which 16 KiB are guard: for code whose depth is known.
    Small,
    /// 256 KiB: the default.
    Medium,
    /// 1 MiB.
    Large,
    /// 2 MiB.
    Larger,
    /// 8 MiB: what a main thread usually has.
    Huge,
}

const KIB: usize = 1024;

impl Class {
    /// Every class, smallest first; a class is at the index of its number.
    pub const ALL: [Class; 5] = [Class::Small, Class::Medium, Class::Large, Class::Larger, Class::Huge];

    /// What a task gets that asks for no size.
    pub const DEFAULT: Class = Class::Medium;

    /// The smallest class with at least `bytes` usable; the default class for 0; None if there is none so big.
    pub fn for_size(bytes: usize) -> Option<Class> {
        if bytes == 0 {
            return Some(Class::DEFAULT);
        }
        Class::ALL.into_iter().find(|class| class.usable() >= bytes)
    }

    /// Bytes of a slot, guard included: a power of two.
    #[inline]
    pub const fn slot(self) -> usize {
        match self {
            Class::Small => 64 * KIB,
            Class::Medium => 256 * KIB,
            Class::Large => 1024 * KIB,
            Class::Larger => 2048 * KIB,
            Class::Huge => 8192 * KIB,
        }
    }

    /// Bytes of the guard at the low end of a slot.
    #[inline]
    pub fn guard(self) -> usize {
        let least = match self {
            Class::Small => 16 * KIB,
            _ => 64 * KIB,
        };
        // With pages of 64 KiB the smallest class is all guard, and `for_size` never chooses it.
        least.next_multiple_of(mem::page_size())
    }

    /// Bytes of a slot that are stack.
    pub fn usable(self) -> usize {
        self.slot() - self.guard()
    }

    /// The class with this number.
    #[inline]
    pub(super) fn from_index(index: usize) -> Class {
        Class::ALL[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_class_that_fits_is_chosen() {
        assert_eq!(Class::for_size(0), Some(Class::Medium));
        assert_eq!(Class::for_size(Class::Small.usable()), Some(Class::Small).filter(|_| mem::page_size() < 65536));
        for pair in Class::ALL.windows(2) {
            assert_eq!(Class::for_size(pair[0].usable() + 1), Some(pair[1]));
        }
        assert_eq!(Class::for_size(Class::Huge.usable()), Some(Class::Huge));
        assert_eq!(Class::for_size(Class::Huge.usable() + 1), None);
        assert_eq!(Class::for_size(usize::MAX), None);
    }

    #[test]
    fn a_class_is_at_the_index_of_its_number() {
        for (index, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index);
            assert!(class.slot().is_power_of_two());
        }
    }
}
