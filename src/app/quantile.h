/// Medians and the like of what was measured.
#ifndef WEFT_APP_QUANTILE_H
#define WEFT_APP_QUANTILE_H
#include <stdint.h>

/// The value of which a share q of all is at or below it (nearest rank); sorts in place. NAN of nothing.
double weft_quantile(double *values, uint32_t n, double q);
#endif
