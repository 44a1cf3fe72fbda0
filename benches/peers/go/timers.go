package main

import (
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// cpuTime is that of the whole process.
func cpuTime() time.Duration {
	const clockProcess = 2 // CLOCK_PROCESS_CPUTIME_ID
	var now syscall.Timespec
	at := uintptr(unsafe.Pointer(&now))
	if _, _, code := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockProcess, at, 0); code != 0 {
		die(code.Error())
	}
	return time.Duration(now.Nano())
}

// drawSleep gives the i-th of the sleeps that every program of the row draws: splitmix64, 0 to 100 ms.
func drawSleep(i int) time.Duration {
	z := uint64(i+1) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return time.Duration((z ^ z>>31) % 100_000_000)
}

// timers: n goroutines sleep 0 to 100 ms each; ms from the first spawn until all have ended beyond the longest of the
// sleeps, and ms of CPU time.
func timers() {
	for rep := -1; rep < *reps; rep++ {
		count := size(rep)
		longest := time.Duration(0)
		for i := range count {
			longest = max(longest, drawSleep(i))
		}
		var all sync.WaitGroup
		cpu := cpuTime()
		start := time.Now()
		for i := range count {
			all.Add(1)
			go func() {
				time.Sleep(drawSleep(i))
				all.Done()
			}()
		}
		all.Wait()
		over := time.Since(start) - longest
		cpu = cpuTime() - cpu
		line("timers", rep, "over", ms(over), "ms")
		line("timers", rep, "cpu", ms(cpu), "ms")
	}
}

// idle: n goroutines sleep 200 ms again and again, all in step; µs of CPU time a second over eight of their periods.
// What is used between the expiries is seen from outside, by ../../watch.py.
func idle() {
	const period, periods = 200 * time.Millisecond, 8
	var all sync.WaitGroup
	for range *n {
		all.Go(func() {
			for range periods + 2 {
				time.Sleep(period)
			}
		})
	}
	time.Sleep(period + period/8)
	cpu, start := cpuTime(), time.Now()
	time.Sleep(periods * period)
	used := cpuTime() - cpu
	line("idle", 0, "cpu", float64(used.Microseconds())/time.Since(start).Seconds(), "us/s")
	all.Wait()
}
