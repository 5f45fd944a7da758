// Go's net/http client in a closed loop, to compare with: what Go push servers send with, without their queues and logs.
// usage: go_peer ORDER.json, prints one JSON object.
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type order struct {
	URL      string            `json:"url"`
	Headers  map[string]string `json:"headers"`
	Body     map[string]any    `json:"body"`
	CAFile   string            `json:"ca_file"`
	Count    int64             `json:"count"`
	InFlight int               `json:"in_flight"`
}

func cpu() float64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}

func main() {
	var o order
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	pem, err2 := os.ReadFile(o.CAFile)
	if err != nil || err2 != nil {
		fmt.Fprintln(os.Stderr, err, err2)
		os.Exit(1)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{ForceAttemptHTTP2: true, MaxIdleConnsPerHost: o.InFlight, TLSClientConfig: &tls.Config{RootCAs: roots}}
	client := &http.Client{Transport: transport}
	one := func() bool {
		// Each push has an id of its own, so each body is encoded anew.
		id := make([]byte, 16)
		rand.Read(id)
		fields := make(map[string]any, len(o.Body)+1)
		for key, value := range o.Body {
			fields[key] = value
		}
		fields["push_id"] = fmt.Sprintf("%x", id)
		body, _ := json.Marshal(fields)
		request, _ := http.NewRequest("POST", o.URL, bytes.NewReader(body))
		for name, value := range o.Headers {
			request.Header.Set(name, value)
		}
		answer, err := client.Do(request)
		if err != nil {
			return false
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		return answer.StatusCode == 200
	}
	phase := func(n int64) int64 {
		var ok int64
		var wait sync.WaitGroup
		for w := 0; w < o.InFlight; w++ {
			wait.Add(1)
			go func() {
				defer wait.Done()
				for atomic.AddInt64(&n, -1) >= 0 {
					if one() {
						atomic.AddInt64(&ok, 1)
					}
				}
			}()
		}
		wait.Wait()
		return ok
	}
	one()
	phase(min(o.Count/5, 2000))
	began, used := time.Now(), cpu()
	ok := phase(o.Count)
	json.NewEncoder(os.Stdout).Encode(map[string]any{"ok": ok, "seconds": time.Since(began).Seconds(), "cpu_seconds": cpu() - used})
}
