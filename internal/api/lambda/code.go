package lambda

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lambent.dev/lambent/internal/awswire"
	core "lambent.dev/lambent/internal/lambda"
)

const (
	codePath = "/lambent/code/"
	linkLife = 10 * time.Minute // as on AWS
)

// link answers a URL of this server that gives a package to whoever holds it, for ten minutes.
func (h *Handler) link(call *awswire.Call, sha256Base64 string) string {
	sum, err := base64.StdEncoding.DecodeString(sha256Base64)
	if err != nil {
		sum = nil // of a record that is damaged; the link leads nowhere
	}
	name, expires := hex.EncodeToString(sum), strconv.FormatInt(h.clock().Add(linkLife).Unix(), 10)
	u := url.URL{
		Scheme: "http", Host: call.Host, Path: codePath + name,
		RawQuery: url.Values{"Expires": {expires}, "Signature": {h.sign(name, expires)}}.Encode(),
	}
	if call.TLS {
		u.Scheme = "https"
	}
	return u.String()
}

func (h *Handler) sign(name, expires string) string {
	mac := hmac.New(sha256.New, h.linkKey)
	mac.Write([]byte("code\n" + name + "\n" + expires))
	return hex.EncodeToString(mac.Sum(nil))
}

// Code serves the links to packages; its paths begin with /lambent/code/.
func (h *Handler) Code() http.Handler { return http.HandlerFunc(h.serveCode) }

func (h *Handler) serveCode(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "This link can only be read.", http.StatusMethodNotAllowed)
		return
	}
	name, _ := strings.CutPrefix(r.URL.Path, codePath)
	query := r.URL.Query()
	expires, signature := query.Get("Expires"), query.Get("Signature")
	until, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || !hmac.Equal([]byte(signature), []byte(h.sign(name, expires))) {
		http.Error(w, "This link is not valid.", http.StatusForbidden)
		return
	}
	if h.clock().Unix() >= until {
		http.Error(w, "This link has expired: ask for the function again.", http.StatusForbidden)
		return
	}
	sum, err := hex.DecodeString(name)
	if err != nil {
		http.Error(w, "This link is not valid.", http.StatusForbidden)
		return
	}
	zip, _, err := h.code.Open(base64.StdEncoding.EncodeToString(sum))
	if err != nil {
		status := http.StatusInternalServerError
		if core.KindOf(err) == core.ResourceNotFound {
			status = http.StatusNotFound
		}
		http.Error(w, "The code could not be read.", status)
		return
	}
	defer zip.Close() //nolint:errcheck // it was only read
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name[:12]+`.zip"`)
	w.Header().Set("Cache-Control", "private, no-store")
	http.ServeContent(w, r, "", time.Time{}, zip)
}
