// Sends one request with net/http and prints the status of the answer.
//
// scripts/early-answers.d/drive calls it: METHOD URL BYTES CA-FILE HOST. When it has sent half of the body, it prints
// "half" and waits for a line.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

type body struct {
	left, half int64
	input      *bufio.Reader
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.half > 0 && b.left <= b.half {
		b.half = 0
		fmt.Println("half")
		b.input.ReadString('\n')
	}
	n := int64(len(p))
	if n > b.left {
		n = b.left
	}
	for i := range p[:n] {
		p[i] = 0
	}
	b.left -= n
	return int(n), nil
}

func fail(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	size, err := strconv.ParseInt(os.Args[3], 10, 64)
	fail(err)
	pem, err := os.ReadFile(os.Args[4])
	fail(err)
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}
	client := http.Client{Timeout: time.Minute, Transport: transport}
	request, err := http.NewRequest(os.Args[1], os.Args[2], &body{size, size / 2, bufio.NewReader(os.Stdin)})
	fail(err)
	request.ContentLength = size
	request.Host = os.Args[5]
	answer, err := client.Do(request)
	fail(err)
	_, err = io.Copy(io.Discard, answer.Body)
	fail(err)
	fmt.Println(answer.StatusCode)
}
