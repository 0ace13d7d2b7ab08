// Package sign signs requests for AWS by Signature Version 4.
package sign

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Signer signs requests for one service in one region. It is safe for several goroutines.
type Signer struct {
	service, region, path string

	lock     sync.Mutex
	keys     keys
	askedAt  time.Time // when the file was looked at
	changed  time.Time // when it was written
	day      string    // of key
	key      []byte
	unsigned error // why there are no keys
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
	s.keys, s.changed, s.day, s.unsigned = read, status.ModTime(), "", nil
}

// unsignedHeaders may change on the way, or are not known yet.
var unsignedHeaders = []string{
	"accept", "accept-encoding", "connection", "expect", "traceparent", "transfer-encoding", "user-agent", "x-amzn-trace-id",
}

// replaced are the headers that signing sets.
var replaced = []string{"authorization", "x-amz-date", "x-amz-security-token"}

// header is one header of a request, its name in lower case.
type header struct {
	name  string
	value []byte
}

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
	now = now.UTC()
	stamp := now.Format("20060102T150405Z")
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	added := []header{{"x-amz-date", []byte(stamp)}}
	if s.keys.Token != "" {
		added = append(added, header{"x-amz-security-token", []byte(s.keys.Token)})
	}
	if s.service == "s3" {
		added = append(added, header{"x-amz-content-sha256", []byte(hash)})
	}
	signed := make([]byte, 0, len(wire)+600)
	signed = append(append(signed, line...), "\r\n"...)
	headers := slices.Clone(added)
	for field := range bytes.Lines(rest) {
		name, value, _ := bytes.Cut(field, []byte(":"))
		lower := strings.ToLower(string(name))
		if slices.Contains(replaced, lower) || s.service == "s3" && lower == "x-amz-content-sha256" {
			continue
		}
		signed = append(signed, field...)
		if lower == "x-amz-content-sha256" {
			hash = string(bytes.TrimSpace(value))
		}
		if !slices.Contains(unsignedHeaders, lower) {
			headers = append(headers, header{lower, value})
		}
	}
	names, canonical := canonicalHeaders(headers)
	path, query, _ := strings.Cut(string(target), "?")
	request := string(method) + "\n" + s.canonicalPath(path) + "\n" + canonicalQuery(query) + "\n" + canonical + "\n" + names + "\n" + hash
	scope := stamp[:8] + "/" + s.region + "/" + s.service + "/aws4_request"
	sum = sha256.Sum256([]byte(request))
	signature := mac(s.keyOf(stamp[:8]), "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(sum[:]))
	for _, one := range added {
		signed = fmt.Appendf(signed, "%s: %s\r\n", one.name, one.value)
	}
	signed = fmt.Appendf(signed, "authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x\r\n\r\n",
		s.keys.AccessKey, scope, names, signature)
	return append(signed, body...), nil
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

// canonicalHeaders returns the names, joined by semicolons, and the lines of names and values. Values of one name are
// joined, and blanks are single.
func canonicalHeaders(headers []header) (names, lines string) {
	slices.SortStableFunc(headers, func(a, b header) int { return strings.Compare(a.name, b.name) })
	var allNames, all strings.Builder
	for i, one := range headers {
		value := bytes.Join(bytes.Fields(one.value), []byte(" "))
		if i > 0 && headers[i-1].name == one.name {
			all.WriteByte(',')
			all.Write(value)
			continue
		}
		if i > 0 {
			allNames.WriteByte(';')
			all.WriteByte('\n')
		}
		allNames.WriteString(one.name)
		all.WriteString(one.name + ":")
		all.Write(value)
	}
	all.WriteByte('\n')
	return allNames.String(), all.String()
}

// canonicalPath returns the path without dots and double slashes, encoded once more. S3 takes it as it is.
func (s *Signer) canonicalPath(path string) string {
	if s.service == "s3" {
		return path
	}
	var segments []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			segments = segments[:max(len(segments)-1, 0)]
		default:
			segments = append(segments, encode(segment))
		}
	}
	joined := "/" + strings.Join(segments, "/")
	if strings.HasSuffix(path, "/") && len(segments) > 0 {
		joined += "/"
	}
	return joined
}

// encode encodes every byte but letters, digits, -, ., _ and ~.
func encode(text string) string {
	const digits = "0123456789ABCDEF"
	var encoded strings.Builder
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			encoded.WriteByte(c)
		} else {
			encoded.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return encoded.String()
}

// canonicalQuery returns the parameters in the order of their names and values.
func canonicalQuery(query string) string {
	if query == "" {
		return ""
	}
	type parameter struct{ name, value string }
	var parameters []parameter
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		parameters = append(parameters, parameter{name, value})
	}
	slices.SortFunc(parameters, func(a, b parameter) int {
		if order := strings.Compare(a.name, b.name); order != 0 {
			return order
		}
		return strings.Compare(a.value, b.value)
	})
	var joined strings.Builder
	for i, one := range parameters {
		if i > 0 {
			joined.WriteByte('&')
		}
		joined.WriteString(one.name + "=" + one.value)
	}
	return joined.String()
}

// keyOf returns the key of a day.
func (s *Signer) keyOf(day string) []byte {
	if day != s.day {
		s.day = day
		s.key = mac(mac(mac(mac([]byte("AWS4"+s.keys.SecretKey), day), s.region), s.service), "aws4_request")
	}
	return s.key
}

func mac(key []byte, text string) []byte {
	sum := hmac.New(sha256.New, key)
	sum.Write([]byte(text))
	return sum.Sum(nil)
}
