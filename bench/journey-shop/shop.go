package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const items = 40

// shop is the service: its pages, its open sessions and what it refused. Everything that a later request has to carry
// depends on the session: values of another user or of an earlier journey are refused.
type shop struct {
	answered, refused atomic.Int64
	serial            atomic.Uint64
	sessions          [64]sessions
	list              []byte
	plain             []byte
	item              [items][2][]byte // before and after the token
	cart              [2][]byte        // before and after the cart's name
	login, order, bye []byte
}

type sessions struct {
	sync.Mutex
	open map[uint64]struct{}
}

// asked is what the shop reads of a request.
type asked struct {
	method, path, session, body []byte
}

// answer is a response. `parts` are written one after the other.
type answer struct {
	status  int
	json    bool
	session uint64 // to set as cookie; 0: none
	close   bool   // remove the cookie
	parts   [3][]byte
}

func newShop() *shop {
	s := &shop{plain: []byte(page("Plain", strings.Repeat("<p>Nothing to see here.</p>\n", 60)))}
	for i := range s.sessions {
		s.sessions[i].open = map[uint64]struct{}{}
	}
	s.login = []byte(page("Welcome", rows(12)))
	s.bye = []byte(page("Good bye", rows(12)))
	cards := strings.Builder{}
	for i := range items {
		fmt.Fprintf(&cards, `<article class="card" id="item-%d"><h2><a href="/items/%d">Item %d</a></h2>`+"\n"+
			`<img src="/static/%d.webp" alt="Item %d" width="320" height="200" loading="lazy">`+"\n"+
			`<p class="description">%s</p><p class="price" data-cents="%d">%d.%02d EUR</p></article>`+"\n",
			i, i, i, i, i, strings.Repeat("Made of oak, with a seat of leather. ", 6), i*1000+995, i*10+9, 95)
	}
	s.list = []byte(page("All items", cards.String()+fmt.Sprintf("<footer>%d items found</footer>", items)))
	for i := range items {
		html := page(fmt.Sprintf("Item %d", i), rows(30)+
			`<form action="/cart" method="post"><input type="hidden" name="token" value="TOKEN">`+
			fmt.Sprintf(`<input type="hidden" name="item" value="%d"><button>Add to cart</button></form>`, i)+rows(16))
		before, after, _ := strings.Cut(html, "TOKEN")
		s.item[i] = [2][]byte{[]byte(before), []byte(after)}
	}
	lines := strings.TrimSuffix(strings.Repeat(`{"item": 7, "name": "Chair of oak", "count": 1, "cents": 7995}, `, 40), ", ")
	s.cart = [2][]byte{[]byte(`{"cart": {"lines": [` + lines + `], "id": "`), []byte(`", "state": "open"}, "currency": "EUR"}`)}
	s.order = []byte(`{"order": {"lines": [` + lines + `], "state": "paid"}}`)
	return s
}

func page(title, body string) string {
	return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + title + "</title>\n" +
		`<link rel="stylesheet" href="/static/shop.css"><script src="/static/shop.js" defer></script></head>` + "\n<body>" +
		`<nav><a href="/">Home</a> <a href="/items">Items</a> <a href="/cart">Cart</a> <a href="/logout">Log out</a></nav>` +
		"\n<main><h1>" + title + "</h1>\n" + body + "</main></body></html>\n"
}

func rows(n int) string {
	return strings.Repeat(`<div class="row"><span class="name">Delivery in two days</span><span>by courier, signed for</span></div>`+"\n", n)
}

// answer decides about a request. Refused are unknown paths, missing sessions and wrong values.
func (s *shop) answer(r *asked) answer {
	s.answered.Add(1)
	post := string(r.method) == "POST"
	switch path := r.path; {
	case string(path) == "/plain":
		return answer{status: 200, parts: [3][]byte{s.plain}}
	case post && string(path) == "/login":
		if !bytes.HasPrefix(field(r.body, "user"), []byte("user-")) || len(field(r.body, "password")) == 0 {
			return s.refuse()
		}
		id := mix(s.serial.Add(1)) | 1
		s.shard(id).add(id)
		return answer{status: 200, session: id, parts: [3][]byte{s.login}}
	}
	id, known := s.session(r.session)
	if !known {
		return s.refuse()
	}
	switch path := r.path; {
	case string(path) == "/items":
		return answer{status: 200, parts: [3][]byte{s.list}}
	case bytes.HasPrefix(path, []byte("/items/")):
		item, err := strconv.Atoi(string(path[len("/items/"):]))
		if err != nil || item < 0 || item >= items {
			return s.refuse()
		}
		return answer{status: 200, parts: [3][]byte{s.item[item][0], hex(token(id, item)), s.item[item][1]}}
	case post && string(path) == "/cart":
		item, err := strconv.Atoi(string(field(r.body, "item")))
		if err != nil || !bytes.Equal(field(r.body, "token"), hex(token(id, item))) {
			return s.refuse()
		}
		return answer{status: 200, json: true, parts: [3][]byte{s.cart[0], hex(cart(id)), s.cart[1]}}
	case post && string(path) == "/orders":
		_, rest, _ := bytes.Cut(r.body, []byte(`"cart"`))
		_, rest, _ = bytes.Cut(rest, []byte(`"`))
		if value, _, _ := bytes.Cut(rest, []byte(`"`)); !bytes.Equal(value, hex(cart(id))) {
			return s.refuse()
		}
		return answer{status: 200, json: true, parts: [3][]byte{s.order}}
	case string(path) == "/logout":
		s.shard(id).remove(id)
		return answer{status: 200, close: true, parts: [3][]byte{s.bye}}
	}
	return s.refuse()
}

func (s *shop) refuse() answer {
	s.refused.Add(1)
	return answer{status: 403, parts: [3][]byte{[]byte("refused\n")}}
}

func (s *shop) shard(id uint64) *sessions { return &s.sessions[id>>58] }

func (s *shop) session(text []byte) (uint64, bool) {
	id, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil {
		return 0, false
	}
	shard := s.shard(id)
	shard.Lock()
	defer shard.Unlock()
	_, known := shard.open[id]
	return id, known
}

func (s *sessions) add(id uint64) {
	s.Lock()
	s.open[id] = struct{}{}
	s.Unlock()
}

func (s *sessions) remove(id uint64) {
	s.Lock()
	delete(s.open, id)
	s.Unlock()
}

func token(session uint64, item int) uint64 { return mix(session + 2*uint64(item)) }
func cart(session uint64) uint64            { return mix(session ^ 0xc0ffee) }

// mix is splitmix64: neighbouring numbers get values that do not resemble each other.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func hex(x uint64) []byte { return fmt.Appendf(nil, "%016x", x) }

// field returns a value of a form whose values need no decoding.
func field(form []byte, name string) []byte {
	for part := range bytes.SplitSeq(form, []byte("&")) {
		if key, value, _ := bytes.Cut(part, []byte("=")); string(key) == name {
			return value
		}
	}
	return nil
}
