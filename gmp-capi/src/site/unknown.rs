//! Other architectures: an ordinary call, the site unknown.

macro_rules! sited {
    ($inner:path, $($argument:ident),+) => {
        // SAFETY: the caller's arguments, handed on.
        unsafe { $inner($($argument,)+ 0) }
    };
}
