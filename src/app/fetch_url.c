/// Downloads through libcurl, with resume. The user's proxy and certificate settings hold.
#include "app/fetch.h"

#include "core/error.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

struct transfer {
    const struct weft_catalogue_model *model;
    struct weft_sink *sink;
    struct weft_bar *bar;
    weft_status status; // of the sink
};

static size_t on_data(char *data, size_t size, size_t count, void *user) {
    struct transfer *t = user;
    size_t bytes = size * count;
    if (t->sink->written + bytes > t->model->size)
        t->status = weft_fail(WEFT_ERR_FORMAT, "%s sends more than the %llu bytes that the catalogue says",
                              t->model->url, (unsigned long long)t->model->size);
    else t->status = weft_sink_write(t->sink, data, bytes);
    return t->status == WEFT_OK ? bytes : 0;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now) {
    struct transfer *t = user;
    (void)total, (void)now, (void)up_total, (void)up_now;
    weft_bar_update(t->bar, t->sink->written, t->model->size);
    return weft_interrupted;
}

/// The catalogue's kind of source says what may be opened; a redirection may not leave it, but for https.
static void allow_protocols(CURL *curl, const char *protocol) {
    bool file = !strcmp(protocol, "file"), http = !strcmp(protocol, "http");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, file ? 0L : 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, file ? "file" : http ? "http,https" : "https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, http ? "http,https" : "https");
#else
    long web = http ? (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS) : (long)CURLPROTO_HTTPS;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, file ? (long)CURLPROTO_FILE : web);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, web);
#endif
}

static void set_certificates(CURL *curl) {
    static const char *const names[] = {"CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *file = getenv(names[i]);
        if (!file || !*file) continue;
        curl_easy_setopt(curl, CURLOPT_CAINFO, file);
        return;
    }
}

static CURLcode attempt(struct transfer *t, char *reason) {
    CURL *curl = curl_easy_init();
    if (!curl) return CURLE_OUT_OF_MEMORY;
    *reason = 0;
    curl_easy_setopt(curl, CURLOPT_URL, t->model->url);
    allow_protocols(curl, t->model->protocol);
    set_certificates(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "weft/" WEFT_VERSION);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->sink->written);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    return code;
}

weft_status weft_fetch_url(const struct weft_catalogue_model *model, struct weft_sink *sink, struct weft_bar *bar) {
    char reason[CURL_ERROR_SIZE] = "";
    struct transfer t = {.model = model, .sink = sink, .bar = bar};
    if (sink->written > model->size) WEFT_TRY(weft_sink_restart(sink));
    if (sink->written == model->size) return WEFT_OK;
    uint64_t before = sink->written;
    CURLcode code = attempt(&t, reason);
    // A server that cannot resume answers so before any data: once more, from the start.
    if (before &&
        (code == CURLE_RANGE_ERROR || code == CURLE_HTTP_RETURNED_ERROR || code == CURLE_BAD_DOWNLOAD_RESUME) &&
        sink->written == before) {
        WEFT_TRY(weft_sink_restart(sink));
        code = attempt(&t, reason);
    }
    if (code == CURLE_OK) return WEFT_OK;
    if (t.status != WEFT_OK) return t.status;
    if (weft_interrupted) return weft_fail(WEFT_ERR_CANCELLED, "interrupted; the next pull goes on from here");
    return weft_fail(WEFT_ERR_IO, "%s: %s; what came so far is kept, try again", model->url,
                     *reason ? reason : curl_easy_strerror(code));
}
