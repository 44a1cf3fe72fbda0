package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// parked: n goroutines wait on one channel; bytes resident per goroutine, ms until all wait, ms to wake all (the
// channel is closed) and see them end. One repetition a process: a second would find its memory resident.
func parked() {
	parkAndWake(100, -1)
	parkAndWake(*n, 0)
}

func parkAndWake(count, rep int) {
	gate := make(chan struct{})
	var all sync.WaitGroup
	var arrived atomic.Int64
	before := residentBytes()
	start := time.Now()
	for i := 0; i < count; i++ {
		all.Add(1)
		go func() {
			arrived.Add(1)
			<-gate
			all.Done()
		}()
	}
	for arrived.Load() < int64(count) {
		runtime.Gosched()
	}
	created := time.Since(start)
	grown := residentBytes() - before
	wake := time.Now()
	close(gate)
	all.Wait()
	woken := time.Since(wake)
	line("parked", rep, "resident", float64(grown)/float64(count), "B")
	line("parked", rep, "create", ms(created), "ms")
	line("parked", rep, "wake_all", ms(woken), "ms")
}
