package main

import (
	"sync"
	"time"
)

// select: two channels that are ready in turn; ns per message.
// "message": one goroutine sends to two unbuffered channels by turns, another selects, so that it mostly waits in both.
// "ready": one goroutine alone puts a message into one of two channels of capacity 1 by turns and selects it: the
// choice without any waiting, the send included.
func choice() {
	for rep := -1; rep < *reps; rep++ {
		count := size(rep)
		waiting(rep, count)
		ready(rep, count)
	}
}

func waiting(rep, count int) {
	even, odd := make(chan int), make(chan int)
	var both sync.WaitGroup
	start := time.Now()
	both.Go(func() {
		for i := 0; i < count; i++ {
			if i%2 == 0 {
				even <- i
			} else {
				odd <- i
			}
		}
	})
	both.Go(func() {
		for i := 0; i < count; i++ {
			if takeEither(even, odd) != i {
				die("a message came out of turn")
			}
		}
	})
	both.Wait()
	line("select", rep, "message", nsEach(start, count), "ns")
}

func ready(rep, count int) {
	even, odd := make(chan int, 1), make(chan int, 1)
	start := time.Now()
	for i := 0; i < count; i++ {
		if i%2 == 0 {
			even <- i
		} else {
			odd <- i
		}
		if takeEither(even, odd) != i {
			die("a message came out of turn")
		}
	}
	line("select", rep, "ready", nsEach(start, count), "ns")
}

func takeEither(even, odd <-chan int) int {
	select {
	case value := <-even:
		if value%2 != 0 {
			die("an odd message on the even channel")
		}
		return value
	case value := <-odd:
		return value
	}
}
