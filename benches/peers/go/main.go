// The Go peer: one program, the row as its first argument.
//
// Owns the frame: arguments, the clock, resident memory, result lines. Always true: standard output carries
// `row go procs metric value unit` lines only; GOMAXPROCS is --procs. The rows are the files beside it.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

var (
	procs = flag.Int("procs", 1, "GOMAXPROCS")
	n     = flag.Int("n", 1000, "size of the row")
	reps  = flag.Int("reps", 1, "timed repetitions after the warm-up")
)

var rows = map[string]func(){
	"yield":            yield,
	"spawn_wait":       spawnWait,
	"spawn_join":       spawnJoin,
	"fib":              fibRow,
	"parked":           parked,
	"blocking":         blocking,
	"blocking_storm":   func() { storm("blocking_storm") },
	"undeclared_storm": func() { storm("undeclared_storm") },
	"hog":              hog,
	"ping_pong":        pingPong,
	"skynet":           skynetRow,
	"mpmc":             mpmc,
	"select":           choice,
	"mutex":            mutex,
	"timers":           timers,
	"idle":             idle,
	"quiet":            quiet,
	"echo":             echo,
	"httpd":            httpd,
}

// size gives the work of a repetition; -1 is the warm-up, a tenth of it.
func size(rep int) int {
	if rep < 0 {
		return *n/10 + 1
	}
	return *n
}

func line(row string, rep int, metric string, value float64, unit string) {
	if rep >= 0 {
		fmt.Printf("%s go %d %s %.3f %s\n", row, *procs, metric, value, unit)
	}
}

func nsEach(start time.Time, count int) float64 {
	return float64(time.Since(start).Nanoseconds()) / float64(count)
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func die(what string) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(1)
}

func residentBytes() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		die(err.Error())
	}
	var size, pages int
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		die(err.Error())
	}
	return pages * os.Getpagesize()
}

func main() {
	if len(os.Args) < 2 || rows[os.Args[1]] == nil {
		die("usage: gopeer ROW --procs N --n N --reps N")
	}
	row := os.Args[1]
	os.Args = append(os.Args[:1], os.Args[2:]...)
	flag.Parse()
	runtime.GOMAXPROCS(*procs)
	rows[row]()
}
