package main

import (
	"sync"
	"time"
)

// mutex: 8 goroutines lock, count one up, unlock, n times in all; ns per lock and unlock.
func mutex() {
	const tasks = 8
	for rep := -1; rep < *reps; rep++ {
		each := size(rep)/tasks + 1
		var lock sync.Mutex
		var all sync.WaitGroup
		counter := 0
		start := time.Now()
		for range tasks {
			all.Go(func() {
				for range each {
					lock.Lock()
					counter++
					lock.Unlock()
				}
			})
		}
		all.Wait()
		pair := nsEach(start, tasks*each)
		if counter != tasks*each {
			die("two goroutines held the mutex at once")
		}
		line("mutex", rep, "pair", pair, "ns")
	}
}
