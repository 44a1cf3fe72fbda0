package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// hog: P goroutines compute in a loop without a call until a new one has run: how long that takes. n times, with new hogs
// each time; ms, the mean and the worst. `mean`, `worst`: a timer makes the new one while they compute, 0 to 100 ms after
// they were started. `fresh_*`: the last of them to start makes it, and then computes. The main goroutine is parked
// meanwhile.
func hog() {
	for rep := -1; rep < *reps; rep++ {
		hogs(rep, "mean", "worst", false)
		hogs(rep, "fresh_mean", "fresh_worst", true)
	}
}

func hogs(rep int, mean, worstOf string, fresh bool) {
	count := size(rep)
	var sum, worst time.Duration
	for i := range count {
		var all sync.WaitGroup
		var computing atomic.Int32
		var letGo atomic.Bool
		var made time.Time
		var delay time.Duration
		all.Add(1)
		newOne := func() {
			delay = time.Since(made)
			letGo.Store(true)
			all.Done()
		}
		if !fresh {
			made = time.Now().Add(drawSleep(i))
			time.AfterFunc(drawSleep(i), newOne)
		}
		for range *procs {
			all.Go(func() {
				if int(computing.Add(1)) == *procs && fresh {
					made = time.Now()
					go newOne()
				}
				for !letGo.Load() {
				}
			})
		}
		all.Wait()
		sum += delay
		worst = max(worst, delay)
	}
	line("hog", rep, mean, ms(sum)/float64(count), "ms")
	line("hog", rep, worstOf, ms(worst), "ms")
}

// quiet: goroutines came and went, n stay parked, and the process does nothing for seconds. What wakes its threads is
// counted from outside, by ../../wakeups.py.
func quiet() {
	gate := make(chan struct{})
	var busy sync.WaitGroup
	for range *n {
		go func() { <-gate }()
		busy.Go(func() { runtime.Gosched() })
	}
	busy.Wait()
	time.Sleep(benchQuiet)
	close(gate)
	line("quiet", 0, "parked", float64(*n), "tasks")
}

const benchQuiet = 8 * time.Second // BENCH_QUIET of ../../c/frame.h
