//! x86-64, System V: arguments in rdi, rsi, rdx, rcx, r8; the return address on top of the stack.

macro_rules! sited {
    ($inner:path, $a:ident, $b:ident) => {
        sited!(@text "rdx", $inner)
    };
    ($inner:path, $a:ident, $b:ident, $c:ident) => {
        sited!(@text "rcx", $inner)
    };
    ($inner:path, $a:ident, $b:ident, $c:ident, $d:ident) => {
        sited!(@text "r8", $inner)
    };
    (@text $next:literal, $inner:path) => {
        core::arch::naked_asm!(
            "endbr64", // an exported function may be called through a pointer
            concat!("mov ", $next, ", [rsp]"),
            "jmp {inner}",
            inner = sym $inner,
        )
    };
}
