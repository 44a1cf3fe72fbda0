package main

import "time"

// fib: fib(n) where each call spawns a goroutine for fib(n-1), computes fib(n-2) itself and joins; total ms and ns per
// goroutine. No cut-off. The join is a channel, as each live goroutine needs a place for its own result.
func fib(n int) int {
	if n < 2 {
		return n
	}
	left := make(chan int, 1)
	go func() { left <- fib(n - 1) }()
	right := fib(n - 2)
	return <-left + right
}

func fibPlain(n int) int {
	a, b := 0, 1
	for ; n > 0; n-- {
		a, b = b, a+b
	}
	return a
}

func fibRow() {
	for rep := -1; rep < *reps; rep++ {
		depth := *n
		if rep < 0 && depth > 8 {
			depth -= 6
		}
		start := time.Now()
		if fib(depth) != fibPlain(depth) {
			die("fib is wrong")
		}
		total := time.Since(start)
		tasks := fibPlain(depth+1) - 1
		line("fib", rep, "total", ms(total), "ms")
		line("fib", rep, "task", float64(total.Nanoseconds())/float64(tasks), "ns")
	}
}
