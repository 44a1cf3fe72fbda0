//! select: two channels that are ready in turn; ns per message. The channels hold 1, see channels.rs.

use frame::{ns_each, Args};
use std::time::Instant;
use tokio::sync::mpsc::{channel, Receiver};

async fn take_either(even: &mut Receiver<usize>, odd: &mut Receiver<usize>) -> usize {
    let (value, rest) = tokio::select! {
        value = even.recv() => (value, 0),
        value = odd.recv() => (value, 1),
    };
    let value = value.expect("the sender is there");
    assert_eq!(value % 2, rest, "a message came out of the wrong channel");
    value
}

/// "message": one task sends to the two by turns, another selects.
async fn waiting(args: Args, rep: i32, count: usize) {
    let (even_in, mut even_out) = channel(1);
    let (odd_in, mut odd_out) = channel(1);
    let start = Instant::now();
    let sender = tokio::spawn(async move {
        for i in 0..count {
            let turn = if i % 2 == 0 { &even_in } else { &odd_in };
            turn.send(i).await.expect("the other task listens");
        }
        (even_in, odd_in)
    });
    let receiver = tokio::spawn(async move {
        let (mut even, mut odd) = (0, 1);
        for _ in 0..count {
            let value = take_either(&mut even_out, &mut odd_out).await;
            let next = if value % 2 == 0 { &mut even } else { &mut odd };
            assert_eq!(value, *next, "a message came out of turn");
            *next += 2;
        }
    });
    let kept_open = sender.await.expect("the sender ends");
    receiver.await.expect("the receiver ends");
    args.line("select", rep, "message", ns_each(start, count), "ns");
    drop(kept_open);
}

/// "ready": one task puts a message into one of two by turns and selects it.
async fn ready(args: Args, rep: i32, count: usize) {
    let (even_in, mut even_out) = channel(1);
    let (odd_in, mut odd_out) = channel(1);
    let start = Instant::now();
    for i in 0..count {
        let turn = if i % 2 == 0 { &even_in } else { &odd_in };
        turn.send(i).await.expect("this task listens");
        assert_eq!(take_either(&mut even_out, &mut odd_out).await, i, "a message came out of turn");
    }
    args.line("select", rep, "ready", ns_each(start, count), "ns");
}

pub async fn measure(args: Args) {
    for (rep, count) in args.repetitions() {
        waiting(args, rep, count).await;
        ready(args, rep, count).await;
    }
}
