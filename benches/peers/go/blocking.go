package main

import (
	"sync"
	"syscall"
	"time"
)

// blocking: what Go pays to say "I may block now" and "I am back"; ns per pair.
// entersyscall and exitsyscall cannot be called by a program, so a trivial system call is made with them (Syscall)
// and without (RawSyscall), by turns in short runs, and the difference is the pair. Two large numbers are subtracted:
// it is the noisiest figure of the table.
func blocking() {
	const turn = 1000
	for rep := -1; rep < *reps; rep++ {
		turns := size(rep)/turn + 1
		var told, raw time.Duration
		for i := 0; i < turns; i++ {
			start := time.Now()
			for j := 0; j < turn; j++ {
				syscall.Syscall(syscall.SYS_GETPPID, 0, 0, 0)
			}
			between := time.Now()
			for j := 0; j < turn; j++ {
				syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0)
			}
			told += between.Sub(start)
			raw += time.Since(between)
		}
		line("blocking", rep, "pair", float64((told-raw).Nanoseconds())/float64(turns*turn), "ns")
	}
}

// blocking_storm, undeclared_storm: n goroutines at once, each in a 10 ms nanosleep system call; total ms. Go's system
// calls are always announced, so both rows are the same to it.
func storm(row string) {
	for rep := -1; rep < *reps; rep++ {
		count := size(rep)
		var all sync.WaitGroup
		start := time.Now()
		for i := 0; i < count; i++ {
			all.Add(1)
			go func() {
				tenMs := syscall.Timespec{Nsec: 10_000_000}
				syscall.Nanosleep(&tenMs, nil)
				all.Done()
			}()
		}
		all.Wait()
		line(row, rep, "total", ms(time.Since(start)), "ms")
	}
}
