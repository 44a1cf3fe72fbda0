package main

import (
	"sync"
	"time"
)

// ping_pong: two goroutines, two unbuffered channels, n messages each way; ns per message. The main goroutine is
// parked meanwhile.
func pingPong() {
	for rep := -1; rep < *reps; rep++ {
		count := size(rep)
		ping, pong := make(chan int), make(chan int)
		var both sync.WaitGroup
		start := time.Now()
		both.Go(func() {
			for i := 0; i < count; i++ {
				ping <- i
				if <-pong != i {
					die("a message came back changed")
				}
			}
		})
		both.Go(func() {
			for i := 0; i < count; i++ {
				pong <- <-ping
			}
		})
		both.Wait()
		line("ping_pong", rep, "message", nsEach(start, 2*count), "ns")
	}
}

// mpmc: 4 producers, 4 consumers, one channel of 128, n messages in all; ns per message. It is closed after the last.
func mpmc() {
	const sides, capacity = 4, 128
	for rep := -1; rep < *reps; rep++ {
		each := size(rep)/sides + 1
		channel := make(chan int, capacity)
		var producers, consumers sync.WaitGroup
		var sums [sides]int
		start := time.Now()
		for side := range sides {
			consumers.Go(func() {
				sum := 0
				for value := range channel {
					sum += value
				}
				sums[side] = sum
			})
			producers.Go(func() {
				for i := 1; i <= each; i++ {
					channel <- i
				}
			})
		}
		producers.Wait()
		close(channel)
		consumers.Wait()
		message := nsEach(start, sides*each)
		if sums[0]+sums[1]+sums[2]+sums[3] != sides*(each*(each+1)/2) {
			die("messages were lost or doubled")
		}
		line("mpmc", rep, "message", message, "ns")
	}
}

// skynet: a tree of goroutines, ten below each, n leaves; a leaf sends its number, a node the sum of its ten, each on
// an unbuffered channel of the node above; ms in all and ns per goroutine.
func skynet(up chan<- int, first, leaves int) {
	if leaves == 1 {
		up <- first
		return
	}
	below := make(chan int)
	for i := range 10 {
		go skynet(below, first+i*(leaves/10), leaves/10)
	}
	sum := 0
	for range 10 {
		sum += <-below
	}
	up <- sum
}

func skynetRow() {
	for rep := -1; rep < *reps; rep++ {
		leaves := *n
		if rep < 0 && leaves >= 10 {
			leaves /= 10
		}
		root := make(chan int)
		start := time.Now()
		go skynet(root, 0, leaves)
		if <-root != leaves*(leaves-1)/2 {
			die("the sum is wrong, or n is no power of ten")
		}
		total := time.Since(start)
		line("skynet", rep, "total", ms(total), "ms")
		line("skynet", rep, "task", float64(total.Nanoseconds())/float64((10*leaves-1)/9), "ns")
	}
}
