package check

type quickSelector struct{}

func newQuickSelector(source string) *quickSelector { return nil }

func (q *quickSelector) find(page []byte, attribute string, most int, found []match) ([]match, bool) {
	return found, false
}
