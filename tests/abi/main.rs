//! The C ABI as programs see it: the header, the exported names, the layout, and life beside GNU MP.

mod docs;
mod header;
mod install;
mod link;
mod symbols;
