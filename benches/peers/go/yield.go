package main

import (
	"runtime"
	"sync"
	"time"
)

// yield: two goroutines call runtime.Gosched; ns per call. The main goroutine is parked meanwhile.
func yield() {
	for rep := -1; rep < *reps; rep++ {
		count := size(rep)
		var both sync.WaitGroup
		yieldOften := func() {
			for i := 0; i < count; i++ {
				runtime.Gosched()
			}
		}
		start := time.Now()
		both.Go(yieldOften)
		both.Go(yieldOften)
		both.Wait()
		line("yield", rep, "yield", nsEach(start, 2*count), "ns")
	}
}
