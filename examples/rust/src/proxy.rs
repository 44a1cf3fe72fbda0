//! A TCP proxy: `proxy LISTEN TARGET` passes on what comes to LISTEN to TARGET, and the answers back, two tasks a connection. At
//! SIGINT or SIGTERM it takes no more connections, gives those that are open five seconds, and then ends them.
//!
//! Without arguments it shows that by itself: a server, the proxy before it, and clients of which one never ends.

use gmp_core::net::{TcpListener, TcpStream};
use gmp_core::{signal, spawn, spawn_in, time, within, Context, Error, Select, WaitGroup};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

const DIAL: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(5);

struct Proxy {
    listener: TcpListener,
    target: String,
    /// What the tasks of connections are in.
    context: Context,
    open: WaitGroup,
    connections: AtomicU64,
    bytes: AtomicU64,
}

/// Passes on one direction until it ends, and the end too.
fn pass(proxy: &Proxy, from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    let passed = io::copy(&mut &*from, &mut &*to);
    // It may have ended by itself.
    let _ = to.shutdown(Shutdown::Write);
    proxy.bytes.fetch_add(passed?, Relaxed);
    Ok(())
}

fn connect(proxy: &Arc<Proxy>, client: TcpStream) -> io::Result<()> {
    let server = Arc::new(TcpStream::dial_until(&proxy.target, within(DIAL))?);
    let client = Arc::new(client);
    let there = {
        let (proxy, client, server) = (proxy.clone(), client.clone(), server.clone());
        spawn(move || pass(&proxy, &client, &server))?
    };
    let back = pass(proxy, &server, &client);
    // Cancelled, it has ended as well, or is about to.
    there.join()?.and(back)
}

fn serve(proxy: &Arc<Proxy>) -> io::Result<()> {
    for client in proxy.listener.incoming() {
        let client = client?;
        let (proxy, working) = (proxy.clone(), proxy.open.working()?);
        proxy.connections.fetch_add(1, Relaxed);
        let context = proxy.context.clone();
        drop(spawn_in(&context, move || {
            let _working = working;
            if let Err(e) = connect(&proxy, client) {
                eprintln!("proxy: {e}");
            }
        })?);
    }
    Ok(())
}

impl Proxy {
    fn new(listen: &str, target: String) -> io::Result<Arc<Proxy>> {
        Ok(Arc::new(Proxy {
            listener: TcpListener::bind(listen)?,
            target,
            context: Context::new(None)?,
            open: WaitGroup::new(),
            connections: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }))
    }

    /// No more connections; the open ones have until `deadline`. True: that was enough.
    fn stop(&self, deadline: i64) -> io::Result<bool> {
        self.listener.close();
        match self.open.wait_until(deadline) {
            Err(Error::TimedOut) => {
                self.context.cancel()?;
                self.open.wait()?;
                Ok(false)
            }
            ended => Ok(ended.map(|()| true)?),
        }
    }

    fn report(&self) {
        println!("{} connections, {} bytes", self.connections.load(Relaxed), self.bytes.load(Relaxed));
    }
}

fn run(listen: &str, target: String) -> io::Result<()> {
    let proxy = Proxy::new(listen, target)?;
    println!("listening on {}", proxy.listener.local_addr()?);
    let (interrupt, terminate) = (signal::channel(2)?, signal::channel(15)?);
    let server = proxy.clone();
    let server = spawn(move || serve(&server))?;
    Select::new().recv(&interrupt, &mut None).recv(&terminate, &mut None).wait()?;
    println!("stopping");
    let in_time = proxy.stop(within(GRACE))?;
    server.join()??;
    proxy.report();
    println!("{}", if in_time { "all connections have ended" } else { "what was still open was ended" });
    Ok(())
}

/// A server that answers with what it got, until its listener is closed.
fn echo(listener: &TcpListener) -> io::Result<()> {
    for stream in listener.incoming() {
        let stream = stream?;
        drop(spawn(move || io::copy(&mut &stream, &mut &stream))?);
    }
    Ok(())
}

fn exchange(address: SocketAddr, number: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let message = vec![number as u8; 1000];
    for _ in 0..10 {
        stream.write_all(&message)?;
        let mut back = vec![0; message.len()];
        stream.read_exact(&mut back)?;
        assert_eq!(back, message);
    }
    Ok(())
}

fn show() -> io::Result<()> {
    let upstream = Arc::new(TcpListener::bind("127.0.0.1:0")?);
    let target = upstream.local_addr()?.to_string();
    let server = upstream.clone();
    let server = spawn(move || echo(&server))?;
    let proxy = Proxy::new("127.0.0.1:0", target)?;
    let address = proxy.listener.local_addr()?;
    let proxying = proxy.clone();
    let proxying = spawn(move || serve(&proxying))?;

    let clients: Vec<_> =
        (0..100).map(|number| spawn(move || exchange(address, number))).collect::<gmp_core::Result<_>>()?;
    clients.into_iter().try_for_each(|client| client.join()?)?;
    // One that stays.
    let mut idle = TcpStream::connect(address)?;
    idle.write_all(b"still here")?;
    idle.read_exact(&mut [0; 10])?;

    let in_time = proxy.stop(within(Duration::from_millis(50)))?;
    proxying.join()??;
    assert!(!in_time, "one client had not ended");
    assert_eq!(idle.read(&mut [0; 1]).unwrap_or(0), 0);
    upstream.close();
    server.join()??;
    proxy.report();
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => show()?,
        [listen, target] => run(listen, target.clone())?,
        _ => return Err(io::Error::other("usage: proxy [LISTEN TARGET]")),
    }
    Ok(gmp_core::global::shutdown(time::FOREVER)?)
}
