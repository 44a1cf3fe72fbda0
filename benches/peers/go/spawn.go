package main

import (
	"sync"
	"time"
)

// spawn_wait: one goroutine spawns n that do nothing and waits for all of them on a WaitGroup; ns per goroutine.
func spawnWait() {
	for rep := -1; rep < *reps; rep++ {
		count := size(rep)
		var all sync.WaitGroup
		start := time.Now()
		for i := 0; i < count; i++ {
			all.Add(1)
			go func() { all.Done() }()
		}
		all.Wait()
		line("spawn_wait", rep, "task", nsEach(start, count), "ns")
	}
}

// spawn_join: spawn one goroutine, wait for its result, n times over; ns each.
// Go has no join. A channel per goroutine stands for the handle: like a handle it can be waited for while others are
// outstanding. The usual forms (channel with or without buffer, WaitGroup, one shared channel) lie within 15 %.
func spawnJoin() {
	for rep := -1; rep < *reps; rep++ {
		count := size(rep)
		start := time.Now()
		for i := 0; i < count; i++ {
			result := make(chan int)
			go func() { result <- i }()
			if <-result != i {
				die("a join gave another goroutine's result")
			}
		}
		line("spawn_join", rep, "task", nsEach(start, count), "ns")
	}
}
