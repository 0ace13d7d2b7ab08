package sign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

func keysFile(t testing.TB, access, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, access, token, now)
	return path
}

func write(t testing.TB, path, access, token string, at time.Time) {
	t.Helper()
	data, _ := json.Marshal(keys{access, "secret", token})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

const request = "GET /a?b=1 HTTP/1.1\r\nHost: x.example\r\n\r\n"

func signed(t testing.TB, s *Signer, wire string, at time.Time) string {
	t.Helper()
	got, err := s.Sign([]byte(wire), at)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// TestSignaturesAreBotocores reads vectors that tests/engines/test_toril_sign.py writes.
func TestSignaturesAreBotocores(t *testing.T) {
	path := os.Getenv("TORIL_SIGN_VECTORS")
	if path == "" {
		t.Skip("tests/engines/test_toril_sign.py runs it")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Service, Region, Credentials, Wire, Authorization string
		At                                                int64
	}
	if err := json.Unmarshal(data, &vectors); err != nil || len(vectors) < 20 {
		t.Fatal(len(vectors), err)
	}
	for _, v := range vectors {
		s, err := New(v.Service, v.Region, v.Credentials)
		if err != nil {
			t.Fatal(err)
		}
		got := signed(t, s, v.Wire, time.Unix(v.At, 0))
		if !strings.Contains(got, "\r\nauthorization: "+v.Authorization+"\r\n\r\n") {
			t.Errorf("%s\nis signed as\n%s\nby botocore with %s", v.Wire, got, v.Authorization)
		}
	}
}

func TestARequestIsSignedAgain(t *testing.T) {
	s, err := New("execute-api", "eu-west-1", keysFile(t, "A", "token"))
	if err != nil {
		t.Fatal(err)
	}
	once := signed(t, s, request+"body", now)
	if again := signed(t, s, once, now); again != once {
		t.Errorf("%s\nbecomes\n%s", once, again)
	}
	if !strings.HasSuffix(once, "\r\n\r\nbody") || strings.Count(once, "x-amz-security-token: token\r\n") != 1 {
		t.Error(once)
	}
	if plain := string(Strip([]byte(once))); plain != request+"body" {
		t.Error(plain)
	}
	if later := signed(t, s, request, now.Add(48*time.Hour)); !strings.Contains(later, "/20260205/") {
		t.Error(later)
	}
}

func TestNewKeysAreReadFromTheFile(t *testing.T) {
	path := keysFile(t, "FIRST", "")
	s, err := New("execute-api", "eu-west-1", path)
	if err != nil {
		t.Fatal(err)
	}
	uses := func(at time.Time, access string) {
		t.Helper()
		if got := signed(t, s, request, at); !strings.Contains(got, "Credential="+access+"/") {
			t.Errorf("want the keys of %s: %s", access, got)
		}
	}
	start := time.Now()
	uses(start, "FIRST")
	write(t, path, "SECOND", "", now.Add(time.Hour))
	uses(start.Add(2*time.Second), "SECOND")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	uses(start.Add(4*time.Second), "SECOND")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	uses(start.Add(6*time.Second), "SECOND")
	write(t, path, "THIRD", "", now.Add(2*time.Hour))
	uses(start.Add(8*time.Second), "THIRD")
}

func TestWithoutKeysNothingIsSigned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.json")
	for _, content := range []string{"", "{", "{}", `{"access_key":"A"}`} {
		if content != "" {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := New("s3", "eu-west-1", path)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", content, err)
		}
		if _, err := s.Sign([]byte(request), now); err == nil {
			t.Errorf("%q: signed", content)
		}
	}
	write(t, path, "A", "", now)
	s, _ := New("s3", "eu-west-1", path)
	for _, wire := range []string{"", "GET / HTTP/1.1\r\n", "GET\r\n\r\n"} {
		if _, err := s.Sign([]byte(wire), now); err == nil {
			t.Errorf("%q is signed", wire)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	s, _ := New("execute-api", "eu-west-1", keysFile(b, "A", strings.Repeat("t", 800)))
	wire := fmt.Appendf(nil, "POST /cart?id=1 HTTP/1.1\r\nHost: x.example\r\nContent-Type: application/json\r\n\r\n%s", bytes.Repeat([]byte("x"), 500))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Sign(wire, now); err != nil {
			b.Fatal(err)
		}
	}
}
