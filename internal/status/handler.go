package status

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/saltern-io/saltern/internal/metrics"
)

// handler is what a listener answers; the whole report only over the socket.
func (s *Server) handler(whole bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.serving() {
			plain(w, http.StatusServiceUnavailable, "the daemon does not serve yet\n")
			return
		}
		plain(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("/metrics", s.page(metrics.ContentType, func(w io.Writer, r Report) error { return r.Metrics.WriteText(w) }))
	if whole {
		mux.HandleFunc("/status", s.page("application/json", func(w io.Writer, r Report) error { return json.NewEncoder(w).Encode(r) }))
		if paged, ok := s.source.(Paged); ok {
			for name, page := range paged.Pages() {
				mux.HandleFunc("/"+name, func(w http.ResponseWriter, _ *http.Request) { jsonPage(w, page()) })
			}
		}
	}
	return readOnly(mux)
}

// page answers with a report. It is written to memory first: a slow reader holds nothing but its connection.
func (s *Server) page(contentType string, write func(io.Writer, Report) error) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		report, err := s.report(req.Context())
		var body bytes.Buffer
		if err == nil {
			err = write(&body, report)
		}
		if err != nil {
			plain(w, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
		send(w, http.StatusOK, contentType, body.Bytes())
	}
}

// jsonPage answers with a value, written to memory first as in page.
func jsonPage(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		plain(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	send(w, http.StatusOK, "application/json", body)
}

func plain(w http.ResponseWriter, code int, text string) {
	send(w, code, "text/plain; charset=utf-8", []byte(text))
}

func send(w http.ResponseWriter, code int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(body) // fails only when the reader has gone: nobody is left to tell
}

// readOnly refuses everything that is not a plain question.
func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Method != http.MethodGet && req.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			w.Header().Set("Connection", "close")
			plain(w, http.StatusMethodNotAllowed, "only GET\n")
		case req.ContentLength != 0:
			w.Header().Set("Connection", "close")
			plain(w, http.StatusBadRequest, "a question has no body\n")
		default:
			next.ServeHTTP(w, req)
		}
	})
}
