package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
)

var (
	root = flag.String("root", ".", "httpd: what is served")
	port = flag.Int("port", 0, "of a server; 0: a free one")
)

// The servers: driven from outside by ../../serve_*.py, they end when they are killed.

// echoBuffer is ECHO_BUFFER of ../../net/net_frame.h.
const echoBuffer = 1024

func listen() net.Listener {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		die(err.Error())
	}
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	return listener
}

// echo: a goroutine a connection, which reads what is there and writes it back.
func echo() {
	listener := listen()
	for {
		connection, err := listener.Accept()
		if err != nil {
			die(err.Error())
		}
		go serveEcho(connection)
	}
}

func serveEcho(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, echoBuffer)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// httpd: net/http with the routes of the example httpd that are asked for: files below a directory, and a JSON answer.
func httpd() {
	routes := http.NewServeMux()
	routes.Handle("/", http.FileServer(http.Dir(*root)))
	routes.HandleFunc("GET /api/hello", func(answer http.ResponseWriter, request *http.Request) {
		name := request.URL.Query().Get("name")
		if name == "" {
			name = "world"
		}
		answer.Header().Set("Content-Type", "application/json")
		json.NewEncoder(answer).Encode(map[string]string{"hello": name})
	})
	die(http.Serve(listen(), routes).Error())
}
