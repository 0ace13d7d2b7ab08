// Package sign signs requests for AWS by Signature Version 4.
package sign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Signer signs requests for one service in one region. It is safe for several goroutines.
type Signer struct {
	service, region, path string
	signer                *v4.Signer

	lock     sync.Mutex
	keys     keys
	askedAt  time.Time // when the file was looked at
	changed  time.Time // when it was written
	unsigned error     // why there are no keys
}

// keys are the content of the credentials' file.
type keys struct {
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	Token     string `json:"token"`
}

// New returns a signer with the keys of a JSON file: access_key, secret_key and token. The worker writes this file
// again before the keys expire.
func New(service, region, path string) (*Signer, error) {
	s := &Signer{service: service, region: region, path: path}
	s.signer = v4.NewSigner(func(options *v4.SignerOptions) { options.DisableURIPathEscaping = service == "s3" })
	s.refresh(time.Now())
	return s, s.unsigned
}

// refreshEvery is how often the file is looked at. Keys are written minutes before the old ones expire.
const refreshEvery = time.Second

// refresh reads the file if it has changed. Keys that cannot be read leave the old ones in use.
func (s *Signer) refresh(now time.Time) {
	if passed := now.Sub(s.askedAt); passed >= 0 && passed < refreshEvery && s.unsigned == nil {
		return
	}
	s.askedAt = now
	status, err := os.Stat(s.path)
	if err == nil && s.unsigned == nil && status.ModTime().Equal(s.changed) {
		return
	}
	var data []byte
	var read keys
	if err == nil {
		data, err = os.ReadFile(s.path)
	}
	if err == nil {
		err = json.Unmarshal(data, &read)
	}
	if err == nil && (read.AccessKey == "" || read.SecretKey == "") {
		err = errors.New("there are no keys")
	}
	if err != nil {
		if s.keys.AccessKey == "" {
			s.unsigned = fmt.Errorf("the credentials of sign, %s: %w", s.path, err)
		}
		return
	}
	s.keys, s.changed, s.unsigned = read, status.ModTime(), nil
}

// unsignedHeaders may change on the way, or are not known yet.
var unsignedHeaders = []string{
	"accept", "accept-encoding", "connection", "expect", "traceparent", "transfer-encoding", "user-agent", "x-amzn-trace-id",
}

const contentHash = "x-amz-content-sha256"

var (
	replaced = []string{"authorization", "x-amz-date", "x-amz-security-token"} // what signing sets
	added    = []string{"x-amz-date", "x-amz-security-token", contentHash, "authorization"}
)

// Sign returns a request, as HTTP/1 sends it, with the headers of its signature. It replaces those that it has.
func (s *Signer) Sign(wire []byte, now time.Time) ([]byte, error) {
	at := bytes.Index(wire, []byte("\r\n\r\n"))
	if at < 0 {
		return wire, errors.New("a request without an end of its head")
	}
	head, body := wire[:at+2], wire[at+4:]
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	method, target, ok := bytes.Cut(line, []byte(" "))
	if ok {
		target, _, ok = bytes.Cut(target, []byte(" "))
	}
	if !ok {
		return wire, errors.New("a request without a target")
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.refresh(now); s.unsigned != nil {
		return wire, s.unsigned
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	request := http.Request{Method: string(method), URL: s.url(string(target)), Header: http.Header{}}
	if s.service == "s3" {
		request.Header.Set(contentHash, hash)
	}
	signed := make([]byte, 0, len(wire)+600)
	signed = append(append(signed, line...), "\r\n"...)
	for field := range bytes.Lines(rest) {
		name, value, _ := strings.Cut(string(field), ":")
		name, value = strings.ToLower(name), strings.TrimSpace(value)
		if slices.Contains(replaced, name) || s.service == "s3" && name == contentHash {
			continue
		}
		signed = append(signed, field...)
		switch {
		case name == "host":
			request.Host = value
		case name == contentHash:
			hash = value
			fallthrough
		case !slices.Contains(unsignedHeaders, name):
			request.Header.Add(name, value)
		}
	}
	keys := aws.Credentials{AccessKeyID: s.keys.AccessKey, SecretAccessKey: s.keys.SecretKey, SessionToken: s.keys.Token}
	err := s.signer.SignHTTP(context.Background(), keys, &request, hash, s.service, s.region, now)
	if err != nil {
		return wire, err
	}
	for _, name := range added {
		if value := request.Header.Get(name); value != "" && (name != contentHash || s.service == "s3") {
			signed = fmt.Appendf(signed, "%s: %s\r\n", name, value)
		}
	}
	return append(append(signed, "\r\n"...), body...), nil
}

// url returns a target as services other than S3 sign it: without dots and double slashes.
func (s *Signer) url(target string) *url.URL {
	name, query, _ := strings.Cut(target, "?")
	if s.service != "s3" {
		isFolder := strings.HasSuffix(name, "/")
		if name = path.Clean("/" + name); isFolder && name != "/" {
			name += "/"
		}
	}
	return &url.URL{Opaque: "//host" + name, RawQuery: query} // host is that of the request
}

// Strip returns a request without the headers that signing set: for a redirect to another service.
func Strip(wire []byte) []byte {
	head, body, _ := bytes.Cut(wire, []byte("\r\n\r\n"))
	stripped := make([]byte, 0, len(wire))
	for field := range bytes.Lines(slices.Concat(head, []byte("\r\n"))) {
		name, _, _ := bytes.Cut(field, []byte(":"))
		if !slices.Contains(replaced, strings.ToLower(string(name))) {
			stripped = append(stripped, field...)
		}
	}
	return append(append(stripped, "\r\n"...), body...)
}
