//! aarch64: arguments in x0 to x7; the return address in x30.

macro_rules! sited {
    ($inner:path, $a:ident, $b:ident) => {
        sited!(@text "x2", $inner)
    };
    ($inner:path, $a:ident, $b:ident, $c:ident) => {
        sited!(@text "x3", $inner)
    };
    ($inner:path, $a:ident, $b:ident, $c:ident, $d:ident) => {
        sited!(@text "x4", $inner)
    };
    (@text $next:literal, $inner:path) => {
        core::arch::naked_asm!(
            "hint #34", // bti c: an exported function may be called through a pointer
            concat!("mov ", $next, ", x30"),
            "b {inner}",
            inner = sym $inner,
        )
    };
}
