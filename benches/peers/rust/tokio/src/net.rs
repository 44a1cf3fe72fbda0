//! echo: a server, one task a connection, which reads what is there and writes it back. Driven from outside by
//! ../../../../serve_echo.py; it ends when it is killed.

use frame::die;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// ECHO_BUFFER of ../../../../net/net_frame.h.
const ECHO_BUFFER: usize = 1024;

pub async fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|e| die(&e.to_string()));
    println!("port {}", listener.local_addr().unwrap_or_else(|e| die(&e.to_string())).port());
    loop {
        let (stream, _) = listener.accept().await.unwrap_or_else(|e| die(&e.to_string()));
        stream.set_nodelay(true).unwrap_or_else(|e| die(&e.to_string()));
        tokio::spawn(serve(stream));
    }
}

async fn serve(mut stream: TcpStream) {
    let mut buffer = [0; ECHO_BUFFER];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
