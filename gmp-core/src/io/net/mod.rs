//! Connections and listeners by name: what a network and an address in text stand for.
//!
//! | file | |
//! |---|---|
//! | `address.rs` | the text: which network, which host, which port |
//! | `resolve.rs` | names to addresses, on a thread of its own |
//! | `order.rs` | which address is tried first |
//! | `dial.rs` | the race of the attempts |
//! | `listen.rs` | listeners, and sockets for datagrams that have an address |
//!
//! Called by: any task or thread. Blocks: the task, or a thread that is no task.

mod address;
mod dial;
mod listen;
mod order;
mod resolve;

pub use dial::dial;
pub use listen::listen;
