//! Nobody is known to watch.

/// Nobody answers.
pub fn ask(_: usize, _: [usize; 5]) -> usize {
    0
}

pub fn current_fiber() -> usize {
    0
}

pub fn create_fiber() -> usize {
    0
}

pub fn switch_to_fiber() -> usize {
    0
}

pub fn destroy_fiber() -> usize {
    0
}

pub fn release() -> usize {
    0
}

pub fn acquire() -> usize {
    0
}

pub fn start_switch() -> usize {
    0
}

pub fn finish_switch() -> usize {
    0
}

pub fn unpoison() -> usize {
    0
}
