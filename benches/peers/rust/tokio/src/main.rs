//! The tokio peer: one program, the row as its first argument.
//!
//! Always true: the multi-thread runtime with P workers, at P = 1 too (the current-thread one cannot do
//! `block_in_place` and is another product); the timed section is a spawned task, not the thread in `block_on`.
//! A task here has no stack: these figures are what stackless tasks cost, and parked memory is not like for like.

mod blocking;
mod channels;
mod choice;
mod mutex;
mod net;
mod parked;
mod spawn;
mod timers;
mod yielding;

fn main() {
    let (row, args) = frame::parse("tokio");
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(args.procs);
    if row == "timers" || row == "idle" {
        builder.enable_time();
    }
    if row == "echo" {
        builder.enable_io();
    }
    let runtime = builder.build().unwrap_or_else(|e| frame::die(&e.to_string()));
    let ended = runtime.block_on(async move {
        match row.as_str() {
            "yield" => tokio::spawn(yielding::measure(args)).await,
            "spawn_wait" => tokio::spawn(spawn::wait(args)).await,
            "spawn_join" => tokio::spawn(spawn::join(args)).await,
            "fib" => tokio::spawn(spawn::fib_row(args)).await,
            "parked" => tokio::spawn(parked::measure(args)).await,
            "blocking" => tokio::spawn(blocking::pair(args)).await,
            "blocking_storm" => tokio::spawn(blocking::storm(args)).await,
            "ping_pong" => tokio::spawn(channels::ping_pong(args)).await,
            "skynet" => tokio::spawn(channels::skynet_row(args)).await,
            "mpmc" => tokio::spawn(channels::mpmc(args)).await,
            "select" => tokio::spawn(choice::measure(args)).await,
            "mutex" => tokio::spawn(mutex::measure(args)).await,
            "timers" => tokio::spawn(timers::measure(args)).await,
            "idle" => tokio::spawn(timers::idle(args)).await,
            "echo" => tokio::spawn(net::echo()).await,
            _ => frame::die("no such row"),
        }
    });
    ended.unwrap_or_else(|e| frame::die(&e.to_string()));
}
