package output

import (
	"testing"

	"github.com/saltern-io/saltern/internal/wire"
)

func TestTable(t *testing.T) {
	tests := []struct {
		name string
		data any
		want string
	}{
		{
			"rows of maps", wire.NewMap("out", []any{
				wire.NewMap("last_move", 1.5, "mac", "40:A6"), wire.NewMap("last_move", int64(0), "mac", "64:16"),
			}),
			"out:\n----------\n    ---------------------\n    | Last Move |  Mac  |\n    ---------------------\n    |    1.5    | 40:A6 |\n" +
				"    ---------------------\n    |     0     | 64:16 |\n    ---------------------",
		},
		{"rows of lists", wire.NewMap("a", []any{[]any{"x", "y"}, []any{int64(1)}}), "a:\n----------\n    ---------\n    | x | y |\n    ---------\n    | 1 |   |\n    ---------"},
		{"nested", wire.NewMap("a", wire.NewMap("b", []any{"x"})), "a:\n----------\n    b:\n    ----------\n        -----\n        | x |\n        -----"},
		{"text is left out", wire.NewMap("a", "x"), "a:\n----------"},
		{"mixed rows are left out", wire.NewMap("a", []any{"x", []any{"y"}}), "a:\n----------"},
		{"empty rows", wire.NewMap("a", []any{[]any{}}), "a:\n----------"},
		{
			"wrapped",
			[]any{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbb c"},
			"    ----------------------------------\n    | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa |\n    |     bbbbbbbbbbbbbbbbbbbb c     |\n    ----------------------------------",
		},
		{"number", int64(1), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Render("table", tt.data, Options{})
			if err != nil || got != tt.want {
				t.Errorf("got\n%s\n%v\nwant\n%s", got, err, tt.want)
			}
		})
	}
}
