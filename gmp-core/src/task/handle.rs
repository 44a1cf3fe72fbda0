//! Handles: how the outside names a task.
//!
//! Owns: the packing. A handle is a number in a pointer's clothes (never dereferenced): the record's index
//! (28 bits), its generation (30 bits, never 0), and the start of the runtime it belongs to (6 bits).
//! Always true: a handle whose task was joined or given up answers `Invalid`, also after a restart (of which the last
//! 64 are told apart); in a fork's child a handle from before answers `Forked`.

/// A handle, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    pub index: u32,
    pub generation: u32,
    pub epoch: u8,
}

const INDEX_BITS: u32 = 28;
const GENERATION_BITS: u32 = 30;
/// Generations run from 1 to this and then from 1 again.
pub const MAX_GENERATION: u32 = (1 << GENERATION_BITS) - 1;
/// More records than this cannot be named.
pub const MAX_INDEX: u32 = (1 << INDEX_BITS) - 1;
/// Starts of the runtime are numbered modulo this.
pub const EPOCHS: u8 = 1 << 6;

impl Handle {
    /// As the number that stands for it. Never 0.
    #[inline(always)]
    pub fn pack(self) -> u64 {
        self.index as u64
            | (self.generation as u64) << INDEX_BITS
            | (self.epoch as u64) << (INDEX_BITS + GENERATION_BITS)
    }

    /// Back from the number. Any number unpacks; whether it names a task is for the slab to say.
    #[inline(always)]
    pub fn unpack(bits: u64) -> Handle {
        Handle {
            index: bits as u32 & MAX_INDEX,
            generation: (bits >> INDEX_BITS) as u32 & MAX_GENERATION,
            epoch: (bits >> (INDEX_BITS + GENERATION_BITS)) as u8,
        }
    }

    /// The generation after `g`.
    #[inline(always)]
    pub fn next_generation(g: u32) -> u32 {
        if g == MAX_GENERATION {
            1
        } else {
            g + 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_lossless_and_never_null() {
        for h in [
            Handle { index: 0, generation: 1, epoch: 0 },
            Handle { index: MAX_INDEX, generation: MAX_GENERATION, epoch: EPOCHS - 1 },
            Handle { index: 12345, generation: 678, epoch: 9 },
        ] {
            assert_ne!(h.pack(), 0);
            assert_eq!(Handle::unpack(h.pack()), h);
        }
        assert_eq!(Handle::next_generation(MAX_GENERATION), 1);
    }
}
