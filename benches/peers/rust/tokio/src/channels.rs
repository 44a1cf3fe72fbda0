//! ping_pong, mpmc and skynet: tasks that talk.
//!
//! tokio has no unbuffered channel: a capacity of 1 stands for it, where a sender goes on and only the receiver waits.
//! It has no channel with many receivers either: `async-channel`, the crate usually taken, stands for one.

use crate::spawn::WaitGroup;
use frame::{ns_each, Args};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{channel, Sender};

/// ping_pong: two tasks, two channels, n messages each way; ns per message.
pub async fn ping_pong(args: Args) {
    for (rep, count) in args.repetitions() {
        let (ping_in, mut ping_out) = channel::<usize>(1);
        let (pong_in, mut pong_out) = channel::<usize>(1);
        let start = Instant::now();
        let one = tokio::spawn(async move {
            for i in 0..count {
                ping_in.send(i).await.expect("the other task listens");
                assert_eq!(pong_out.recv().await, Some(i));
            }
        });
        let two = tokio::spawn(async move {
            for _ in 0..count {
                let value = ping_out.recv().await.expect("the other task sends");
                pong_in.send(value).await.expect("the other task listens");
            }
        });
        one.await.expect("the first task ends");
        two.await.expect("the second task ends");
        args.line("ping_pong", rep, "message", ns_each(start, 2 * count), "ns");
    }
}

const SIDES: usize = 4;
const CAPACITY: usize = 128;

/// mpmc: 4 producers, 4 consumers, one channel of 128, n messages in all; ns per message.
pub async fn mpmc(args: Args) {
    for (rep, count) in args.repetitions() {
        let each = count / SIDES + 1;
        let (sender, receiver) = async_channel::bounded::<usize>(CAPACITY);
        let producers = WaitGroup::new(SIDES);
        let start = Instant::now();
        let mut consumers = Vec::new();
        for _ in 0..SIDES {
            let receiver = receiver.clone();
            consumers.push(tokio::spawn(async move {
                let mut sum = 0;
                while let Ok(value) = receiver.recv().await {
                    sum += value;
                }
                sum
            }));
            let (sender, producers) = (sender.clone(), Arc::clone(&producers));
            tokio::spawn(async move {
                for i in 1..=each {
                    sender.send(i).await.expect("the channel is open");
                }
                producers.done();
            });
        }
        producers.wait().await;
        sender.close();
        let mut sum = 0;
        for consumer in consumers {
            sum += consumer.await.expect("the consumer ends");
        }
        let message = ns_each(start, SIDES * each);
        assert_eq!(sum, SIDES * (each * (each + 1) / 2), "messages were lost or doubled");
        args.line("mpmc", rep, "message", message, "ns");
    }
}

/// A recursive task is boxed, as an async recursion must be.
fn skynet(up: Sender<usize>, first: usize, leaves: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if leaves == 1 {
            return up.send(first).await.expect("the node above listens");
        }
        let (sender, mut below) = channel(1);
        for i in 0..10 {
            tokio::spawn(skynet(sender.clone(), first + i * (leaves / 10), leaves / 10));
        }
        let mut sum = 0;
        for _ in 0..10 {
            sum += below.recv().await.expect("a node below sends");
        }
        up.send(sum).await.expect("the node above listens");
    })
}

/// skynet: a tree of tasks, ten below each, n leaves, each node sends the sum of its ten up; total ms, ns per task.
pub async fn skynet_row(args: Args) {
    for (rep, _) in args.repetitions() {
        let leaves = args.leaves(rep);
        let (sender, mut root) = channel(1);
        let start = Instant::now();
        tokio::spawn(skynet(sender, 0, leaves));
        let sum = root.recv().await.expect("the root sends");
        args.skynet_lines(rep, leaves, sum, start.elapsed());
    }
}
