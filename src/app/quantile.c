#include "app/quantile.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double weft_quantile(double *values, uint32_t n, double q) {
    if (!n) return NAN;
    qsort(values, n, sizeof *values, by_value);
    double rank = q * n;
    uint32_t i = (uint32_t)rank;
    if ((double)i == rank && i > 0) i--;
    return values[i < n ? i : n - 1];
}
