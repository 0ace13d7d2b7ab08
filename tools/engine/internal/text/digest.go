package text

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// digests are the algorithms of __digest by Java's names.
var digests = map[string]func() hash.Hash{
	"MD5": md5.New, "SHA-1": sha1.New, "SHA1": sha1.New, "SHA-224": sha256.New224, "SHA-256": sha256.New,
	"SHA-384": sha512.New384, "SHA-512": sha512.New,
}

func knownDigest(c *call) error {
	if name, fixed := c.arguments[0].Fixed(); fixed && digests[strings.ToUpper(name)] == nil {
		return fmt.Errorf("%q is none of MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512", name)
	}
	return nil
}

func digest(c *call, dst []byte, s *Scope) []byte {
	algorithm := digests[strings.ToUpper(c.text(0, s))]
	if algorithm == nil {
		return dst
	}
	sum := algorithm()
	sum.Write([]byte(c.text(1, s)))
	sum.Write([]byte(c.text(2, s))) // the salt
	text := hex.EncodeToString(sum.Sum(nil))
	if strings.EqualFold(c.text(3, s), "true") {
		text = strings.ToUpper(text)
	}
	return append(dst, text...)
}
